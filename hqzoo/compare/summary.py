"""From the cells of a table to plain numbers: every row's scores and costs, every comparison's statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from hqzoo.compare.differences import RULES, Judge, Keys, compare, rule_of
from hqzoo.compare.result import Result, Results
from hqzoo.compare.rows import summarize_row
from hqzoo.compare.scores import Scores, Unit, headings, metric_of, paired, published_folds, scores_of
from hqzoo.compare.sensitivity import assays
from hqzoo.compare.table import Table

__all__ = ["folds_of_data", "overlap_of", "summarize"]


def summarize(table: Table, results: Results) -> dict[str, Any]:
    """Return what a table found, as plain types; a pure function of its cells.

    Args:
        table: The table.
        results: Its finished cells, see :func:`hqzoo.compare.cells.read_cells`.

    Returns:
        The table's own words; the ``metric`` that is compared, its ``meaning`` and the ``margin`` of equivalence, None
        where there is none; the ``unit`` of all statistics, which is the fold with its seeds averaged, or, where one
        split is all there is, the seed; the ``rule`` by which errors of differences are made, and it in words;
        ``shared_seeds`` of all rows, if some have more; ``beside``: headings of the other scores that cells have;
        ``rows``; ``data``: class, fingerprint and notes, None where no cell knows them; ``comparisons`` of our scores
        and ``published_comparisons`` of the paper's, where it published them fold by fold, each with the
        ``smallest_detectable`` difference (80 % power); ``missing`` cells; and what all cells ran on.

    Raises:
        ConfigError: If a cell lacks the metric, or nothing says what it means.
    """
    metric, meaning = metric_of(table, results)
    margin = meaning.margin if table.margin is None else table.margin
    reports = {row: {key: each.report for key, each in cells.items()} for row, cells in results.items()}
    ours = {row: scores_of(each, metric) for row, each in reports.items()}
    published = {row.name: published_folds(row) for row in table.rows}
    comparisons = table.comparisons()
    of_paper = [each for each in comparisons if paired(published[each.row], published[each.against])]
    every = [result for cells in results.values() for result in cells.values()]
    run = {name: set(cells) for name, cells in results.items()}
    steps = {row: {report.run["step"] for report in each.values()} for row, each in reports.items()}
    planned: Keys = {name: set() for name in run}
    for cell in table.cells():
        planned[cell.row].add((cell.fold, cell.seed))
    of_folds = {name: set(folds) for name, folds in published.items()}
    unit: Unit = "fold" if len(table.folds) > 1 else "seed"
    shared = _shared_seeds(ours) if unit == "fold" else []
    overlap = overlap_of(folds_of_data(table, every)) if unit == "fold" else 0.0
    overlap_of_paper = overlap_of(max(map(len, published.values())))
    beside = headings((result.report for result in every), metric.partition("/")[2])
    beside.pop(metric, None)
    rows = [summarize_row(row, results[row.name], metric, beside, unit, shared) for row in table.rows]
    judge = Judge(meaning, margin, any(row["barely_trained"] for row in rows))
    judge_of_paper = Judge(meaning, margin)
    compared = [
        each | {"equal_steps": steps[each["row"]] == steps[each["against"]]}
        for each in compare(table, judge, comparisons, ours, run, planned, unit, overlap)
    ]
    return {
        "name": table.name, "title": table.title or table.name, "recipe": table.recipe, "metric": metric,
        "meaning": meaning.to_dict(), "margin": margin, "grade": table.grade,
        "deviations": list(table.deviations),
        "folds": list(table.folds), "seeds": list(table.seeds),
        "unit": unit, "rule": rule_of(table), "rule_text": RULES[rule_of(table)], "cells": len(every),
        "data": _data(every),
        "missing": [cell.name for cell in table.cells() if (cell.fold, cell.seed) not in results[cell.row]],
        "shared_seeds": shared, "beside": beside,
        "rows": rows,
        "comparisons": compared,
        "assays": assays(table, ours, compared, meaning, margin),
        "published_comparisons": [
            each | {"published_gain": None}  # which is this difference itself
            for each in compare(
                table, judge_of_paper, of_paper, published, of_folds, of_folds, "fold", overlap_of_paper
            )
        ],
        "steps": sorted({result.report.run["step"] for result in every}),
        "machines": sorted({_machine(result) for result in every}),
    }  # fmt: skip


def _shared_seeds(scores: Mapping[str, Scores]) -> list[int]:
    """Return the seeds that all rows with scores have, if some have more; else means of rows can be compared."""
    seeds = [{seed for _, seed in each} for each in scores.values() if each]
    shared = set.intersection(*seeds) if seeds else set()
    return sorted(shared) if any(each != shared for each in seeds) else []


def folds_of_data(table: Table, results: Iterable[Result]) -> int:
    """Return the number of folds that the images were divided into, of which a table may run a part."""
    return max([len(table.folds), *(result.report.data.get("folds") or 0 for result in results)])


def overlap_of(folds: int) -> float:
    """Return test images over training images of k folds."""
    return 1 / (folds - 1) if folds > 1 else 0.0


def _data(results: Iterable[Result]) -> dict[str, Any] | None:
    """Return which data the cells are of: class of the data module, a digest of all their fingerprints, and notes."""
    known = [result for result in results if result.identity.content]
    if not known:
        return None
    contents = sorted({result.identity.content for result in known})
    joint = contents[0] if len(contents) == 1 else hashlib.sha256(" ".join(contents).encode()).hexdigest()[:12]
    notes = dict.fromkeys(note for result in known for note in result.report.data.get("notes") or ())
    module = str(known[0].report.data.get("class_path", "")).rpartition(".")[2]
    return {"module": module, "fingerprint": joint, "notes": list(notes)}


def _machine(result: Result) -> str:
    machine = result.machine
    gpu = "" if machine["gpu"] == "none" else f", {machine['gpu']}"
    return f"{machine['processor']}{gpu}, torch {machine['torch']}"
