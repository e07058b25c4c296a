"""Pictures of a dashboard: confusion matrix, reliability diagram, curves of classes, state of circuits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hqzoo._files import replacing
from hqzoo.callbacks.circuit_watch import CircuitHealth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_circuits", "draw_confusion", "draw_curves", "draw_reliability"]

MOST_NUMBERS = 20  # classes up to which cells of a confusion matrix have room for a number (CHOICE)
MOST_CIRCUITS = 12  # drawn; files hold all
INK, RULE = "#1f4e79", "0.6"


def _drawn(path: Path, size: tuple[float, float], draw: Callable[[Figure], None]) -> Path:
    from matplotlib.figure import Figure  # half a second, and only pictures need it

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=100)
    return path


def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], path: Path) -> Path:
    """Draw which class is taken for which, each row as shares of its class.

    Args:
        matrix: Counts ``(K, K)``; rows are the truth.
        classes: Names of the K classes.
        path: PNG file to write.
    """
    counts = np.asarray(matrix, np.float64)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=7)
        axes.set_yticks(range(len(classes)), classes, fontsize=7)
        axes.set(xlabel="prediction", ylabel="truth")
        for (row, column), share in np.ndenumerate(shares) if len(classes) <= MOST_NUMBERS else ():
            axes.text(
                column, row, f"{share:.0%}", ha="center", va="center", fontsize=6, color="w" if share > 0.5 else "k"
            )

    side = 3 + 0.3 * min(len(classes), 40)
    return _drawn(path, (side, side), draw)


def draw_reliability(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draw how often the model is right at each confidence (Guo et al. 2017, Fig. 1), and how often it is that sure.

    Args:
        rows: Of :func:`hqzoo.tasks.reliability.reliability_bins`.
        path: PNG file to write.
    """
    left, width = [row["low"] for row in rows], rows[0]["high"] - rows[0]["low"]
    counts = np.array([row["count"] for row in rows], np.float64)

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.bar(left, [row["accuracy"] or 0 for row in rows], width, align="edge", color=INK, edgecolor="w")
        above.plot([0, 1], [0, 1], color=RULE, linestyle="--")
        above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        below.bar(left, counts / max(counts.sum(), 1), width, align="edge", color=RULE, edgecolor="w")
        below.set(xlabel="confidence", ylabel="share")

    return _drawn(path, (4.5, 5), draw)


def draw_curves(rows: Sequence[Mapping[str, str]], metric: str, path: Path) -> Path:
    """Draw a score of every class over the epochs.

    Args:
        rows: With ``epoch``, ``name`` and the score, as text; an empty one is absent.
        metric: Name of the score.
        path: PNG file to write.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.get(metric):
            curves.setdefault(row["name"], []).append((int(row["epoch"]), float(row[metric])))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
        axes.set(xlabel="epoch", ylabel=metric, ylim=(0, 1))
        if curves:
            figure.legend(loc="outside right upper", fontsize=7, frameon=False)

    return _drawn(path, (7, 4), draw)


def draw_circuits(circuits: Mapping[str, CircuitHealth], path: Path) -> Path:
    """Draw a row per circuit: its weight angles around the clock, and how its expectation values are distributed."""
    shown = dict(list(circuits.items())[:MOST_CIRCUITS])

    def draw(figure: Figure) -> None:
        for place, (name, health) in enumerate(shown.items()):
            angles = figure.add_subplot(len(shown), 2, 2 * place + 1, projection="polar")
            angles.vlines(health.weights, 0, 1, color=INK, linewidth=0.8)
            angles.set(yticks=[], xticks=np.arange(4) * np.pi / 2)
            angles.set_title(f"{name}: weight angles", fontsize=8)
            values = figure.add_subplot(len(shown), 2, 2 * place + 2)
            values.hist(np.clip(health.outputs, -1, 1), bins=40, range=(-1, 1), color=INK)
            values.set_title("expectation values", fontsize=8)
            values.set(yticks=[], xlim=(-1, 1))

    return _drawn(path, (6, 2.4 * len(shown)), draw)
