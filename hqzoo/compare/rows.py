"""What the rows of a table scored and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Any

from hqzoo.compare.result import Result
from hqzoo.compare.scores import Key, Scores, Unit, headings, scores_of, units_of
from hqzoo.compare.sensitivity import has_nothing
from hqzoo.compare.statistics import fold_means, median_iqr
from hqzoo.compare.table import Row
from hqzoo.compare.training import barely_trained, mean_curve
from hqzoo.tasks.report import Report

__all__ = ["summarize_row"]


def summarize_row(
    row: Row,
    cells: Mapping[Key, Result],
    metric: str,
    beside: Iterable[str],
    unit: Unit,
    shared_seeds: Sequence[int],
) -> dict[str, Any]:
    """Return what one row scored and what it costs, as plain types.

    Args:
        row: The row.
        cells: Its finished cells by (fold, seed).
        metric: The score that the table compares.
        beside: Scores that stand beside it.
        unit: What statistics are made over.
        shared_seeds: Seeds that all rows have, if some have more.

    Raises:
        ConfigError: If a cell lacks the metric.
    """
    reports = {key: result.report for key, result in cells.items()}
    scores = scores_of(reports, metric)
    best = {key: result.best for key, result in cells.items() if result.best}
    return {
        "name": row.name, "label": row.label or row.name, "control_of": row.control_of, "cells": len(cells),
        "pretrained_on": row.pretrained_on, "in_domain": row.in_domain, "weights": _weights(reports.values()),
        "published": _published(row),
        "scores": [{"fold": fold, "seed": seed, "score": value} for (fold, seed), value in scores.items()],
        "score": _mean_sd(scores, unit),
        "score_of_shared_seeds": _mean_sd({key: scores[key] for key in scores if key[1] in shared_seeds}, unit),
        "seed_sd": _seed_sd(scores) if unit == "fold" else None,
        "best": _mean_sd(scores_of(best, metric), unit) if best else None,
        "beside": {name: _fold_mean(reports, name) for name in beside},
        "steps": sorted({report.run["step"] for report in reports.values()}),
        "costs": _costs(list(reports.values())),
        "loss_curve": mean_curve([result.losses for result in cells.values()]),
        # A row that sees nothing where others have their circuit may have nothing to learn.
        "barely_trained": [] if has_nothing(row) else barely_trained(list(cells.values())),
    }  # fmt: skip


def _weights(reports: Iterable[Report]) -> list[dict[str, str]]:
    """Return source and digest of the weights that runs took from elsewhere, frozen or to start from."""
    taken = [
        each
        for report in reports
        for part in ("frozen", "starting_weights")
        for each in (report.model.get(part) or {}).values()
    ]
    known = dict.fromkeys((str(each["source"]), str(each["sha256"])) for each in taken if "sha256" in each)
    return [{"source": source, "sha256": sha256} for source, sha256 in known]


def _published(row: Row) -> dict[str, Any] | None:
    """Return the paper's score: mean, and over how many folds where it says so."""
    if row.published is None:
        return None
    if not isinstance(row.published, Mapping):
        return {"mean": row.published, "sd": None, "n": None, "median": None, "iqr": None, "units": {}}
    return _statistics(dict(row.published))


def _mean_sd(scores: Scores, unit: Unit) -> dict[str, Any] | None:
    """Return mean, standard deviation, median and interquartile range over units; None without scores."""
    return {**_statistics(units_of(scores, unit)), "runs": len(scores)} if scores else None


def _statistics(units: Mapping[int, float]) -> dict[str, Any]:
    values = list(units.values())
    middle, iqr = median_iqr(values)
    spread = stdev(values) if len(values) > 1 else None
    return {"mean": fmean(values), "sd": spread, "n": len(values), "median": middle, "iqr": iqr, "units": dict(units)}


def _seed_sd(scores: Scores) -> float | None:
    """Return the standard deviation over seeds within a fold, pooled over folds that have several."""
    groups = [[value for (fold, _), value in scores.items() if fold == own] for own in {fold for fold, _ in scores}]
    variances = [(len(group) - 1, stdev(group) ** 2) for group in groups if len(group) > 1]
    if not variances:
        return None
    return float((sum(n * variance for n, variance in variances) / sum(n for n, _ in variances)) ** 0.5)


def _costs(reports: Sequence[Report]) -> dict[str, Any]:
    """Return what the row costs: sizes are the same in all cells, times and peak memory are medians."""
    if not reports:
        return {}
    model, costs = reports[0].model, [report.costs for report in reports]
    return {
        "parameters": model.get("parameters"),
        "trainable_parameters": model.get("trainable_parameters"),
        "quantum_parameters": model.get("quantum_parameters"),
        "replaced": dict(model.get("replaced") or {}),
        "circuit_evaluations": costs[0].get("circuit_evaluations"),
        "flops": costs[0].get("flops"),
        "training_seconds": _of(median, (each.get("training_seconds") for each in costs)),
        "step_ms": _of(median, (each.get("step_ms") for each in costs)),
        "step_ms_least": _of(min, (each.get("step_ms") for each in costs)),
        "step_ms_most": _of(max, (each.get("step_ms") for each in costs)),
        "peak_mb": _of(median, (each.get("peak_mb") for each in costs)),
        "kept_mb": _of(max, (each.get("kept_mb") for each in costs)),
    }


def _of(statistic: Any, values: Iterable[float | None]) -> float | None:  # noqa: ANN401 - median, min or max
    known = [value for value in values if value is not None]
    return float(statistic(known)) if known else None


def _fold_mean(reports: Mapping[Key, Report], name: str) -> float | None:
    """Return the mean over folds of a score that not every cell need have."""
    class_name = name.partition("/")[2]
    known = {key: report for key, report in reports.items() if name in headings([report], class_name)}
    scores = scores_of(known, name)
    return fmean(fold_means(scores).values()) if scores else None
