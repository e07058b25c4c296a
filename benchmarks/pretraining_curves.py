"""Losses and embeddings during pretraining (figure 6 of HQ-JEPA): a panel per term, a line per row, its seeds pale.

    python -m benchmarks.pretraining_curves benchmarks/results/bigearthnet_pairs_hq_jepa     # writes curves.png there

Reads runs/ROW-fold0-seedS/metrics.csv as ``hqzoo compare`` leaves them on the machine that ran the table.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import yaml

__all__ = ["curves", "draw", "main"]

PANELS = {
    "token": "token loss", "cross_modal": "cross-modal loss", "sigreg": "SIGReg", "fidelity": "fidelity loss",
    "health/rank_me": "effective rank of a batch", "health/fidelity_gap": "fidelity, own minus others' targets",
}  # fmt: skip
Curve = tuple[list[float], list[float]]


def main(argv: list[str] | None = None) -> int:
    """Draw the curves of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="folder of a table that was run here")
    args = parser.parse_args(argv)
    rows = yaml.safe_load((args.table / "table.yaml").read_text())["rows"]
    draw(
        args.table / "runs",
        {name: (row or {}).get("label", name) for name, row in rows.items()},
        args.table / "curves.png",
    )
    return 0


def curves(file: Path) -> dict[str, Curve]:
    """Return steps and values by name, without ``train/``, of a run's ``metrics.csv``."""
    found: dict[str, Curve] = defaultdict(lambda: ([], []))
    with file.open(newline="") as lines:
        for line in csv.DictReader(lines):
            for name, value in line.items():
                if name.startswith("train/") and value:
                    steps, values = found[name.removeprefix("train/")]
                    steps.append(float(line["step"]) + 1)
                    values.append(float(value))
    return dict(found)


def draw(runs: Path, labels: dict[str, str], path: Path) -> None:
    """Draw a panel for each term that a run logged.

    Args:
        runs: Folder of runs, named ``ROW-fold0-seedS``.
        labels: Row to what a reader calls it.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.2), layout="constrained")
    grid = figure.subplots(2, 3).flatten()
    for number, (row, label) in enumerate(labels.items()):
        seeds = [curves(file) for file in sorted(runs.glob(f"{row}-fold*-seed*/metrics.csv"))]
        for axes, name in zip(grid, PANELS, strict=True):
            known = [each[name] for each in seeds if name in each]
            for steps, values in known:
                axes.plot(steps, values, color=f"C{number}", alpha=0.25, linewidth=0.8)
            if known:
                mean = np.mean([np.interp(known[0][0], *each) for each in known], axis=0)
                axes.plot(known[0][0], mean, color=f"C{number}", label=label)
    for axes, (name, title) in zip(grid, PANELS.items(), strict=True):
        axes.set(title=title, xlabel="step", yscale="linear" if "health" in name else "log")
        axes.grid(color="0.9")
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
