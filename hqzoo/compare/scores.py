"""Scores of cells: which one a table compares, what it means, and the units that statistics are made over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from hqzoo.compare.result import Results
from hqzoo.compare.statistics import fold_means
from hqzoo.compare.table import Row, Table
from hqzoo.errors import ConfigError
from hqzoo.tasks.metric import Metric, by_name, standard_metrics
from hqzoo.tasks.report import Report

__all__ = ["Key", "Scores", "Unit", "headings", "metric_of", "paired", "published_folds", "scores_of", "units_of"]

Key = tuple[int, int]  # fold and seed
Scores = dict[Key, float]
Unit = Literal["fold", "seed"]


def metric_of(table: Table, results: Results) -> tuple[str, Metric]:
    """Return the name of the score that a table compares, and what it means.

    The table says so, or else its cells do, or, where none is finished, the metrics that hqzoo knows.

    Raises:
        ConfigError: If nothing says what the score means, or cells contradict each other.
    """
    reports = {result.cell: result.report for cells in results.values() for result in cells.values()}
    first = next(iter(reports.values()), None)
    name = table.metric or (first.metrics[0].name if first and first.metrics else "")
    if table.meaning is not None:
        return name, table.meaning
    if not name:
        raise ConfigError(f"Table '{table.name}' names no metric, and no cell is there that does: give it one.")
    if first is None:
        return name, by_name(name, standard_metrics())
    first.score(name)  # refuses one that is none, with the nearest score of that class
    meaning = first.metric(name)
    for cell, report in reports.items():
        own = report.metric(name)
        if (own.direction, own.unit) != (meaning.direction, meaning.unit):
            raise ConfigError(
                f"In cell {cell.name} the metric '{name}' is {_said(own)}, in others it is {_said(meaning)}. Say in "
                f"table.yaml what it is, such as metric: {{name: {name}, direction: {meaning.direction}}}, or run the "
                "cell again."
            )
    return name, meaning


def scores_of(reports: Mapping[Key, Report], metric: str) -> Scores:
    """Return the scores of a row; folds without the class are left out.

    Raises:
        ConfigError: If a report has no such score.
    """
    found = {key: reports[key].score(metric) for key in sorted(reports)}
    return {key: value for key, value in found.items() if value is not None}


def paired(row: Scores, against: Scores) -> Scores:
    """Return the differences of runs with the same fold and seed."""
    return {key: row[key] - against[key] for key in row if key in against}


def units_of(scores: Scores, unit: Unit) -> dict[int, float]:
    """Return one number per fold, or per seed of the only split."""
    return fold_means(scores) if unit == "fold" else {seed: value for (_, seed), value in scores.items()}


def published_folds(row: Row) -> Scores:
    """Return the published scores by fold, each with a start of its own: nothing says that folds shared seeds."""
    published = row.published if isinstance(row.published, Mapping) else {}
    return {(fold, fold): value for fold, value in published.items()}


def headings(reports: Iterable[Report], class_name: str = "") -> dict[str, str]:
    """Return what readers see of the scores that reports have: those of one class, if any, and those of all.

    Returns:
        Headings by name of the score, ``iou/lesion`` or ``oa``.
    """
    found: dict[str, str] = {}
    for report in reports:
        row = next((row for row in report.classes if row["name"] == class_name), {})
        of_class = [f"{each.name}/{class_name}" for each in report.metrics if each.name in row]
        found |= dict(zip(of_class, of_class, strict=True))
        found |= {each.name: each.heading for each in report.metrics if each.name in report.scores}
    return found


def _said(metric: Metric) -> str:
    unit = f" in {metric.unit}" if metric.unit else ""
    return f"better when it is {'high' if metric.higher_is_better else 'low'}{unit}"
