"""A table whose differences are told image by image, or by whatever is scored one by one, rather than by its runs.

A table of encoders has one run a row: with features and solver given nothing is random in it, and further seeds would
be copies. What can be told then is told by the images that all rows were tested on: about these checkpoints, and not
about others that the same method might give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scipy import stats

from hqzoo.compare.differences import ALPHA, NOT_RUN, POWER, UNFINISHED, Judge
from hqzoo.compare.mean import Mean
from hqzoo.compare.result import Results
from hqzoo.compare.statistics import Interval
from hqzoo.compare.summary import summarize
from hqzoo.compare.table import Table
from hqzoo.compare.unit_report import compare_rows_by_unit, methods_text
from hqzoo.compare.unit_runs import units_of_row
from hqzoo.compare.unit_statistics import is_score_of_units
from hqzoo.compare.units import interval_of_units
from hqzoo.tasks.metric import Metric

__all__ = ["UNITS", "summarize_table"]

UNITS = "units"  # a summary's rule where units tell its differences
RULE = (
    "every image counts as one draw, or every scene where scenes are known; intervals of rows are percentiles of a "
    "bootstrap over these. "
)
MANY = 1e6  # degrees of freedom of an error that is taken to be known
# What a difference has by its runs, and not by its units.
OF_RUNS = ("p_plain", "error_from", "components", "bootstrap", "published_gain")


def summarize_table(table: Table, out: Path, results: Results) -> dict[str, Any]:
    """Return what the cells in a folder found, as plain types.

    Args:
        table: The table.
        out: Its folder, with the samples of its cells where it says ``units``.
        results: Its cells, see :func:`hqzoo.compare.cells.read_cells`.

    Returns:
        See :func:`hqzoo.compare.summary.summarize`. Where the table says ``units``: ``rule`` is ``"units"``; every row
        has ``intervals`` of those of its scores that units have; and finished comparisons have the difference,
        interval, p-values and verdict of their units, and ``holds_for``. A score that units do not have, such as one at
        thresholds that validation images chose, stays with the runs.

    Raises:
        ConfigError: If a cell has no units, or they differ between rows.
    """
    summary = summarize(table, results)
    if not (table.units and summary["cells"] and is_score_of_units(summary["metric"])):
        return summary
    found = compare_rows_by_unit(table, out, summary["metric"], summary["margin"])["comparisons"]
    lines = {(each["row"], each["against"]): each for each in found}
    rows, comparisons = summary["rows"], summary["comparisons"]
    names = list(filter(is_score_of_units, (summary["metric"], *summary["beside"])))
    barely = any(row["barely_trained"] for row in rows)
    judge = Judge(Metric.from_dict(summary["meaning"]), summary["margin"], barely)
    return summary | {
        "rule": UNITS,
        "rule_text": RULE + methods_text(found).rstrip("."),
        "rows": [row | {"intervals": _intervals(table, out, row["name"], names)} for row in rows],
        "comparisons": [_told(each, lines.get((each["row"], each["against"])), judge) for each in comparisons],
    }  # fmt: skip


def _intervals(table: Table, out: Path, row: str, scores: Sequence[str]) -> dict[str, tuple[float, float]]:
    runs = units_of_row(table, out, row)
    return {score: interval_of_units(runs, score) for score in scores} if runs else {}


def _told(comparison: Mapping[str, Any], line: Mapping[str, Any] | None, judge: Judge) -> dict[str, Any]:
    """Return a comparison with what its units found in place of what its runs did."""
    if line is None or str(comparison["verdict"]).startswith((NOT_RUN, UNFINISHED)):
        return dict(comparison)
    known = line["low"] is not None
    interval = Interval(line["mean"], line["low"], line["high"], None if known else 0.0, line["units"], line["p"])
    scope = f" for {line['scope'].partition(' (')[0]}"
    return {
        **comparison, **dict.fromkeys(OF_RUNS), "interval": asdict(interval), "degrees": line["degrees"],
        "p": line["p"], "p_equivalence": line["p_equivalence"], "holds_for": line["scope"],
        "smallest_detectable": _detectable(line, comparison["family_size"]) if known else None,
        "verdict": judge.word(interval, line["p"], line["p_equivalence"], scope),
    }  # fmt: skip


def _detectable(line: Mapping[str, Any], family_size: int) -> float:
    """Return the difference that would be found in four tables of five, from the width of the interval."""
    degrees = line["degrees"] or MANY
    half = (line["high"] - line["low"]) / 2
    error = half / float(stats.t.ppf((1 + line["confidence"]) / 2, degrees))
    return Mean(line["mean"], error, degrees).detectable(POWER, ALPHA / family_size)
