"""The picture: time against batch, both logarithmic, a line per row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.quantum.cases import CASES
from benchmarks.quantum.measure import MODES
from benchmarks.quantum.peers import PEERS

__all__ = ["draw"]


def draw(records: Iterable[Mapping[str, Any]], path: Path) -> Path | None:
    """Draw the cases that were run at most batch sizes, forward and backward; return the file, None without a time."""
    timed = [record for record in records if record["status"] == "ok" and record["mode"] == MODES[1]]
    if not timed:
        return None
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    batches = {case: {record["batch"] for record in timed if record["case"] == case} for case in CASES}
    most = max(len(sizes) for sizes in batches.values())
    cases = [case for case, sizes in batches.items() if sizes and (len(sizes) > 1 or most == 1)]
    columns = min(2, len(cases))
    lines = -(-len(cases) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(1.5 + 6.5 * columns, 5 * lines), squeeze=False)
    colours = plt.get_cmap("tab20")
    for place, axis in enumerate(axes.flat):
        axis.set_visible(place < len(cases))
        if place >= len(cases):
            continue
        for number, peer in enumerate(PEERS.values()):
            points = sorted(
                (record["batch"], record["median_ms"], record["min_ms"])
                for record in timed
                if (record["case"], record["peer"]) == (cases[place], peer.name)
            )
            if points:
                sizes, medians, minima = zip(*points, strict=True)
                style = {"linewidth": 2.2, "marker": "o"} if peer.ours else {"linewidth": 1, "marker": "."}
                colour = colours(number % 20)
                axis.plot(sizes, medians, label=peer.name, color=colour, **style)
                axis.fill_between(sizes, minima, medians, color=colour, alpha=0.15, linewidth=0)
        axis.set(
            xscale="log", yscale="log", xlabel="batch", ylabel="ms, forward and backward: median, shade to minimum"
        )
        axis.set_title(cases[place])
        axis.grid(which="both", alpha=0.2)
        axis.legend(fontsize=7, frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
