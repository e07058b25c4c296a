"""What was measured of the formats, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hqzoo.compare.grids import markdown_table

__all__ = ["markdown"]


def markdown(found: Mapping[str, Any]) -> str:
    """Return the rates of all formats, how many times TIFF's they are, and the hours that a pretraining loads."""
    parts = [f"{_title(name, source)}\n\n{_table(source)}" for name, source in found["sources"].items()]
    machine, hours = found["machine"], found["projected_hours"]
    condition = next(reversed([key for key in hours["hours"]["pack"] if key.startswith("warm")]))
    return "\n\n".join(
        [
            *parts,
            f"Pairs a second that become batches, in brackets how many times TIFF's, and the processor's time for one, "
            f"warm and without workers, which other programs disturb less; best of {found['turns']} turns. "
            f"{machine['processor']}, {machine['cores']} cores shared with other programs (load {machine['load']}). At "
            f"these rates ({condition}), loading {hours['epochs']} epochs of {hours['pairs']:,} pairs takes "
            f"{hours['hours']['tiff'][condition]:,.0f} hours from TIFF and {hours['hours']['pack'][condition]:,.0f} "
            "from the pack.",
        ]
    )


def _title(name: str, source: Mapping[str, Any]) -> str:
    passes = f", read {source['passes']} times" if source["passes"] > 1 else ""
    return f"{source['pairs']} {name} pairs{passes}:"


def _table(source: Mapping[str, Any]) -> str:
    formats = source["formats"]
    conditions = [key for key in formats["tiff"] if key != "bytes"]
    rows = [
        [name, f"{each['bytes'] / 1e6:.0f}", f"{each['warm, 0 workers']['cpu_ms']:.2f}"]
        + [f"{each[key]['pairs_per_second']:.0f} ({each[key]['times_tiff']:.1f}x)" for key in conditions]
        for name, each in formats.items()
    ]
    return markdown_table(["format", "MB", "CPU ms", *conditions], rows)
