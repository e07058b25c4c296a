"""What ``hqzoo data pack`` does and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from hqzoo.data import DataModule
from hqzoo.data.pack import Pack
from hqzoo.data.pack_writer import write_pack

__all__ = ["pack", "verify"]

SHOWN = 20  # sentences that the screen shows; the JSON file holds all


def pack(
    module: DataModule[Any], folder: Path, float16: float | None, workers: int | None
) -> tuple[dict[str, Any], int]:
    """Write a pack, or go on with it, and tell what it holds; return the report and the exit code."""
    module.prepare_data()
    pack, before = write_pack(module, folder, float16, workers)
    report = {
        "module": pack.index.module,
        "records": len(pack),
        "written": len(pack) - before,
        "source": pack.index.source,
        "record_bytes": pack.index.dtype.itemsize,
        "arrays": {name: {"dtype": kind, "shape": shape} for name, (kind, shape) in pack.index.arrays.items()},
        "float16": pack.index.float16,
        "faults": pack.faults,
    }
    _print(folder, report)
    return report, 0


def _print(folder: Path, report: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    size = report["records"] * report["record_bytes"] / 1e9
    there = report["records"] - report["written"]
    console.print(
        f"{folder}: {report['records']} records of {report['module']}, {size:.3f} GB"
        + f" ({there} of them were there already)" * bool(there),
        markup=False,
    )
    console.print(f"arrays: {', '.join(report['arrays'])}")
    bound = report["float16"]
    console.print("every bit is kept" if bound is None else f"real numbers are kept within {bound:g} (float16)")
    faults = [f"bad: {fault}" for fault in report["faults"].values()]
    for sentence in faults[:SHOWN]:
        console.print(sentence, markup=False)
    if faults:
        console.print(f"{len(faults)} bad record(s) are left out of training, and --json FILE lists them")


def verify(folder: Path) -> tuple[dict[str, Any], int]:
    """Read a pack again and tell what is damaged; return the report and the exit code."""
    pack = Pack(folder)
    damaged = pack.damaged()
    console = Console(highlight=False, soft_wrap=True)
    for name in damaged[:SHOWN]:
        console.print(f"damaged: {name}", markup=False)
    console.print(
        f"{folder}: {len(damaged)} of {len(pack)} records do not fit their checksums"
        if damaged
        else f"{folder}: all {len(pack)} records fit their checksums",
        markup=False,
    )
    return {"records": len(pack), "source": pack.index.source, "damaged": damaged}, 1 if damaged else 0
