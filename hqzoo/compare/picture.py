"""The picture of a table: every row's scores by fold, and the differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hqzoo._files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

COLOURS = {"better": "#1a7f37", "worse": "#cf222e", "equivalent": "#0969da"}
UNDECIDED = "0.35"
QUANTUM, CLASSICAL = "#8250df", "0.3"
LINE, LEAST = 0.34, 2.6  # inches: per row, of the whole picture


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Draw a summary as PNG.

    One line per row, a point per fold and seed, a bar at the mean, published means as hollow diamonds; if anything is
    compared, a forest plot of the mean differences with 95 % intervals, the margin shaded; and each row's mean
    training loss, which says whether training was long enough.

    Args:
        summary: See :func:`hqzoo.compare.summary.summarize`.
        path: Where to.
    """
    from matplotlib.figure import Figure

    comparisons = [each for each in summary["comparisons"] if each["interval"]]
    rows = [row for row in summary["rows"] if row["scores"]]
    lines = max(len(rows), len(comparisons))
    widths = [6.0, 6.0, 3.0] if comparisons else [6.0, 3.0]
    figure = Figure(figsize=(sum(widths), max(LEAST, 1.3 + LINE * lines)), layout="constrained")
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    metric = f"{summary['metric']} ({summary['meaning']['unit']})" if summary["meaning"]["unit"] else summary["metric"]
    _points(axes[0], rows, metric, "fold left out" if summary["unit"] == "fold" else "one split")
    if comparisons:
        _forest(axes[1], comparisons, summary["margin"], metric)
    _losses(axes[-1], rows)
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=130, metadata={"Software": None})


def _points(axes: Axes, rows: Sequence[Mapping[str, Any]], metric: str, where: str) -> None:
    """Draw the scores of every row; a fold has the same colour in all rows."""
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    folds = sorted({each["fold"] for row in rows for each in row["scores"]})
    colours = {fold: colormaps["viridis"](i / max(1, len(folds) - 1)) for i, fold in enumerate(folds)}
    for y, row in enumerate(rows):
        for fold in folds:
            values = [each["score"] for each in row["scores"] if each["fold"] == fold]
            label = f"fold {fold}" if y == 0 else None
            axes.plot(values, [y] * len(values), "o", color=colours[fold], markersize=4, alpha=0.8, label=label)
        if row["score"]:
            axes.plot([row["score"]["mean"]], [y], "|", color="black", markersize=14, markeredgewidth=2)
        if row["published"]:
            axes.plot([row["published"]["mean"]], [y], "D", color="black", markerfacecolor="none", markersize=6)
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    diamond = ", diamond: published" if any(row["published"] for row in rows) else ""
    axes.set_xlabel(f"{metric} of the {where}\n(bar: mean{diamond})")
    if 1 < len(folds) <= 10:
        axes.legend(fontsize=7, frameon=False, ncols=len(folds), loc="lower center", bbox_to_anchor=(0.5, 1.0),
                    handletextpad=0.0, columnspacing=0.8)  # fmt: skip


def _forest(axes: Axes, comparisons: Sequence[Mapping[str, Any]], margin: float | None, metric: str) -> None:
    """Draw the mean differences with their intervals; every unit's own difference as a dot below."""
    from matplotlib.ticker import MaxNLocator

    if margin is not None:
        axes.axvspan(-margin, margin, color="0.92", zorder=0)
    axes.axvline(0, color="0.5", linewidth=0.8)
    for y, each in enumerate(comparisons):
        interval, colour = each["interval"], COLOURS.get(_word(each), UNDECIDED)
        values = list(each["units"].values())
        axes.plot(values, [y + 0.2] * len(values), ".", color="0.6", markersize=4)
        if interval["low"] is not None:
            axes.plot([interval["low"], interval["high"]], [y, y], "-", color=colour, linewidth=2)
        axes.plot([interval["mean"]], [y], "s", color=colour, markersize=5)
    names = [f"{each['row']} − {each['against']}" for each in comparisons]
    axes.set_yticks(range(len(comparisons)), names)
    axes.set_ylim(len(comparisons) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    shaded = "" if margin is None else f" (shaded: ±{margin:g})"
    axes.set_xlabel(f"difference in {metric}\n95 % interval{shaded}")
    for word in [each for each in COLOURS if each in map(_word, comparisons)]:
        axes.plot([], [], "s-", color=COLOURS[word], markersize=5, label=word)
    if axes.get_legend_handles_labels()[0]:
        axes.plot([], [], "s-", color=UNDECIDED, markersize=5, label="undecided")
        axes.legend(fontsize=7, frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _word(comparison: Mapping[str, Any]) -> str:
    """Return the first word of a verdict."""
    return str(comparison["verdict"]).partition(" ")[0].rstrip(",:")


def _losses(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the mean training loss of every row; rows without a circuit dashed, on top."""
    for row in sorted(rows, key=lambda row: not row["costs"]["quantum_parameters"]):
        colour, line = (QUANTUM, "-") if row["costs"]["quantum_parameters"] else (CLASSICAL, "--")
        epochs, marker = range(1, len(row["loss_curve"]) + 1), "." if len(row["loss_curve"]) == 1 else ""
        axes.plot(epochs, row["loss_curve"], line, color=colour, linewidth=1, alpha=0.8, marker=marker)
    axes.set_xlabel("epoch\n(dashed: without a circuit)")
    axes.set_ylabel("mean training loss")
