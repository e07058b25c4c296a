"""From the cells of a table to plain numbers: every row's scores and costs, every comparison's statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, median, stdev
from typing import Any, Literal

from hqzoo.compare.cells import Report, Reports, score
from hqzoo.compare.statistics import (
    LEAST_SCENES,
    Interval,
    brown_forsythe,
    fold_means,
    hierarchical_bootstrap,
    holm,
    median_iqr,
    paired_interval,
    smallest_detectable,
    tost,
    verdict,
)
from hqzoo.compare.table import Comparison, Row, Table

__all__ = ["ALPHA", "NOT_RUN", "UNFINISHED", "beside", "summarize"]

ALPHA, POWER = 0.05, 0.8
NOT_RUN, UNFINISHED = "not run", "unfinished"
BESIDE = ("miou", "oa", "boundary_iou", "small_object_recall", "ece")  # stand beside the metric, where they are
ERRORS = ("loss", "ece")  # lower is better

Scores = dict[tuple[int, int], float]  # by (fold, seed)
Keys = Mapping[str, set[tuple[int, int]]]  # by row: folds and seeds
Unit = Literal["fold", "seed"]


def summarize(table: Table, reports: Reports) -> dict[str, Any]:
    """Return what a table found, as plain types; a pure function of its cells.

    Args:
        table: The table.
        reports: Its finished cells, see :func:`hqzoo.compare.cells.read_cells`.

    Returns:
        The table's own words; the ``unit`` of all statistics, which is the fold with its seeds averaged, or, where one
        split is all there is, the seed; ``shared_seeds`` of all rows, if some have more; ``rows``; ``comparisons`` of
        our scores and ``published_comparisons`` of the paper's, where it published them fold by fold, each with the
        ``smallest_detectable`` difference (80 % power); ``missing`` cells; and what all cells ran on.

    Raises:
        ConfigError: If a cell lacks the metric.
    """
    ours = {name: _scores(cells, table.metric) for name, cells in reports.items()}
    published = {row.name: _published_folds(row) for row in table.rows}
    comparisons = table.comparisons()
    of_paper = [each for each in comparisons if _differences(published[each.row], published[each.against])]
    every = [report for cells in reports.values() for report in cells.values()]
    run = {name: set(cells) for name, cells in reports.items()}
    steps = {name: {report["step"] for report in cells.values()} for name, cells in reports.items()}
    planned: Keys = {name: set() for name in run}
    for cell in table.cells():
        planned[cell.row].add((cell.fold, cell.seed))
    of_folds = {name: set(folds) for name, folds in published.items()}
    unit: Unit = "fold" if len(table.folds) > 1 else "seed"
    shared = _shared_seeds(ours) if unit == "fold" else []
    overlap = _overlap(_folds_of_data(table, every)) if unit == "fold" else 0.0
    overlap_of_paper = _overlap(max(map(len, published.values())))
    return {
        "name": table.name, "title": table.title or table.name, "recipe": table.recipe, "metric": table.metric,
        "grade": table.grade, "margin": table.margin, "folds": list(table.folds), "seeds": list(table.seeds),
        "unit": unit, "cells": len(every),
        "missing": [cell.name for cell in table.cells() if (cell.fold, cell.seed) not in reports[cell.row]],
        "shared_seeds": shared,
        "rows": [_row(row, reports[row.name], ours[row.name], table.metric, unit, shared) for row in table.rows],
        "comparisons": [
            each | {"equal_steps": steps[each["row"]] == steps[each["against"]]}
            for each in _compare(table, comparisons, ours, run, planned, unit, overlap)
        ],
        "published_comparisons": _compare(table, of_paper, published, of_folds, of_folds, "fold", overlap_of_paper),
        "steps": sorted({report["step"] for report in every}),
        "machines": sorted({_machine(report) for report in every}),
    }  # fmt: skip


def _scores(cells: Mapping[tuple[int, int], Report], metric: str) -> Scores:
    """Return the scores of a row; folds without the class are left out."""
    found = {key: score(cells[key], metric) for key in sorted(cells)}
    return {key: value for key, value in found.items() if value is not None}


def _shared_seeds(scores: Mapping[str, Scores]) -> list[int]:
    """Return the seeds that all rows with scores have, if some have more; else means of rows can be compared."""
    seeds = [{seed for _, seed in each} for each in scores.values() if each]
    shared = set.intersection(*seeds) if seeds else set()
    return sorted(shared) if any(each != shared for each in seeds) else []


def _folds_of_data(table: Table, reports: Iterable[Report]) -> int:
    """Return the number of folds that the images were divided into, of which a table may run a part."""
    return max([len(table.folds), *((report.get("data") or {}).get("folds") or 0 for report in reports)])


def _overlap(folds: int) -> float:
    """Return test images over training images of k folds."""
    return 1 / (folds - 1) if folds > 1 else 0.0


def _units(scores: Scores, unit: Unit) -> dict[int, float]:
    """Return one number per fold, or per seed of the only split."""
    return fold_means(scores) if unit == "fold" else {seed: value for (_, seed), value in scores.items()}


def _published_folds(row: Row) -> Scores:
    """Return the published scores by fold, each with a start of its own: nothing says that folds shared seeds."""
    published = row.published if isinstance(row.published, Mapping) else {}
    return {(fold, fold): value for fold, value in published.items()}


# Comparisons ----------------------------------------------------------------------------------------------------------


def _compare(
    table: Table,
    comparisons: Sequence[Comparison],
    scores: Mapping[str, Scores],
    run: Keys,
    planned: Keys,
    unit: Unit,
    overlap: float,
) -> list[dict[str, Any]]:
    """Return the statistics of comparisons; p-values are corrected within each family, run or not (Holm).

    Intervals, ``p`` and ``p_equivalence`` have the variance for folds that share training images and seeds;
    ``p_plain`` is that of the t-test over folds.
    """
    published = {row.name: _published_folds(row) for row in table.rows}
    pairs = [_differences(scores[each.row], scores[each.against]) for each in comparisons]
    units = [_units(differences, unit) for differences in pairs]
    values = [_by_fold_and_seed(differences, unit) for differences in pairs]
    intervals = [paired_interval(each, overlap=overlap) if each else None for each in values]
    plain = [paired_interval(list(each.values())) if each and overlap else None for each in units]
    families = [each.family for each in comparisons]
    p, p_plain = (
        _corrected([None if each is None else each.p for each in tests], families) for tests in (intervals, plain)
    )
    p_equivalence = _corrected(
        [tost(each, table.margin, overlap) if len(each) > 1 else None for each in values], families
    )
    found = []
    for i, comparison in enumerate(comparisons):
        row, against = scores[comparison.row], scores[comparison.against]
        interval = intervals[i]
        level = ALPHA / families.count(families[i])  # what the first step of Holm's correction leaves
        several = len(values[i]) > 1
        found.append({
            **asdict(comparison), "units": units[i], "runs": len(pairs[i]),
            "all_runs": len(pairs[i]) == len(row) == len(against),
            "interval": None if interval is None else asdict(interval),
            "p": p[i], "p_plain": p_plain[i], "p_equivalence": p_equivalence[i],
            "verdict": _state(comparison, run, planned)
            or _word(interval, p[i], p_equivalence[i], table.metric, _scope(pairs[i], unit)),
            "smallest_detectable": smallest_detectable(values[i], POWER, level, overlap) if several else None,
            "bootstrap": _bootstrap(row, against, pairs[i]),
            "published": _published_difference(published[comparison.row], published[comparison.against]),
            **_spread(*(_units({key: each[key] for key in pairs[i]}, unit) for each in (row, against))),
        })  # fmt: skip
    return found


def _differences(row: Scores, against: Scores) -> Scores:
    """Return the differences of runs with the same fold and seed."""
    return {key: row[key] - against[key] for key in row if key in against}


def _by_fold_and_seed(differences: Scores, unit: Unit) -> list[Any]:
    """Return differences as folds x seeds, or one per unit where not every fold has the same seeds."""
    folds, seeds = (sorted({key[place] for key in differences}) for place in (0, 1))
    if unit == "seed" or len(differences) < len(folds) * len(seeds):
        return list(_units(differences, unit).values())
    return [[differences[fold, seed] for seed in seeds] for fold in folds]


def _scope(pairs: Scores, unit: Unit) -> str:
    """Return what a verdict holds for alone: one split, or one seed; empty: neither."""
    if unit == "seed":
        return " on this split"
    return " at one seed" if len({seed for _, seed in pairs}) == 1 else ""


def _published_difference(row: Scores, against: Scores) -> float | None:
    """Return the mean difference that a paper published, over its folds."""
    differences = _differences(row, against)
    return fmean(differences.values()) if differences else None


def _corrected(p_values: Sequence[float | None], families: Sequence[str]) -> list[float | None]:
    corrected: list[float | None] = [None] * len(p_values)
    for family in dict.fromkeys(families):
        of_family = [i for i, (p, name) in enumerate(zip(p_values, families, strict=True))
                     if name == family and p is not None]  # fmt: skip
        values = holm([p for i in of_family if (p := p_values[i]) is not None], families.count(family))
        for i, value in zip(of_family, values, strict=True):
            corrected[i] = value
    return corrected


def _state(comparison: Comparison, run: Keys, planned: Keys) -> str:
    """Return what a comparison waits for; empty: nothing, all its runs are there.

    There is no verdict before: whoever looks again after every fold finds differences by chance.
    """
    if not (run[comparison.row] and run[comparison.against]):
        return NOT_RUN
    pairs, all_pairs = (len(each[comparison.row] & each[comparison.against]) for each in (run, planned))
    return f"{UNFINISHED}: {pairs} of {all_pairs} runs" if pairs < all_pairs else ""


def _word(interval: Interval | None, p: float | None, p_equivalence: float | None, metric: str, scope: str) -> str:
    """Return the verdict and, where there is none, why.

    Without any spread no test is possible: such runs are copies of each other, or learned nothing.
    """
    if interval is None:
        return "no common score"
    if interval.n == 1:
        return "undecided: one pair"
    if interval.sd == 0:
        return "undecided: no spread"
    word = verdict(interval, p, p_equivalence, ALPHA, metric.partition("/")[0] not in ERRORS)
    small = word in ("better", "worse") and p_equivalence is not None and p_equivalence < ALPHA
    return f"{word}{scope * (word != 'undecided')}{', but within the margin' * small}"


def _spread(row: Mapping[int, float], against: Mapping[int, float]) -> dict[str, Any]:
    """Return the spread over the shared units of both rows, and whether it differs (Brown and Forsythe).

    ``steadier`` says whether the row's scores lie nearer to their median, the distance that the test looks at.
    """
    groups = [list(each.values()) for each in (row, against)]
    several = len(groups[0]) > 1
    distances = [fmean(abs(value - median(group)) for value in group) if group else 0.0 for group in groups]
    return {
        "sd_row": stdev(groups[0]) if several else None,
        "sd_against": stdev(groups[1]) if several else None,
        "steadier": distances[0] < distances[1] if several else None,
        "brown_forsythe": brown_forsythe(groups) if len(groups[0]) > 2 else None,
    }


def _bootstrap(row: Scores, against: Scores, pairs: Scores) -> dict[str, Any] | None:
    """Return the bootstrap over folds, then seeds, where there are enough folds."""
    folds = sorted({fold for fold, _ in pairs})
    if len(folds) < LEAST_SCENES:
        return None
    a, b = ({fold: [each[key] for key in pairs if key[0] == fold] for fold in folds} for each in (row, against))
    return asdict(hierarchical_bootstrap(a, b))


# Rows -----------------------------------------------------------------------------------------------------------------


def _row(
    row: Row,
    cells: Mapping[tuple[int, int], Report],
    scores: Scores,
    metric: str,
    unit: Unit,
    shared_seeds: Sequence[int],
) -> dict[str, Any]:
    best = {key: report["best"] for key, report in cells.items() if report.get("best")}
    return {
        "name": row.name, "label": row.label or row.name, "control_of": row.control_of, "cells": len(cells),
        "published": _published(row),
        "scores": [{"fold": fold, "seed": seed, "score": value} for (fold, seed), value in scores.items()],
        "score": _mean_sd(scores, unit),
        "score_of_shared_seeds": _mean_sd({key: scores[key] for key in scores if key[1] in shared_seeds}, unit),
        "seed_sd": _seed_sd(scores) if unit == "fold" else None,
        "best": _mean_sd(_scores(best, metric), unit) if best else None,
        "beside": {name: _fold_mean(cells, name) for name in beside(metric)},
        "steps": sorted({report["step"] for report in cells.values()}),
        "costs": _costs(list(cells.values())),
        "loss_curve": _mean_curve([report["loss_curve"] for report in cells.values()]),
    }  # fmt: skip


def _published(row: Row) -> dict[str, Any] | None:
    """Return the paper's score: mean, and over how many folds where it says so."""
    if row.published is None:
        return None
    if not isinstance(row.published, Mapping):
        return {"mean": row.published, "sd": None, "n": None, "median": None, "iqr": None, "units": {}}
    return _statistics(dict(row.published))


def _mean_sd(scores: Scores, unit: Unit) -> dict[str, Any] | None:
    """Return mean, standard deviation, median and interquartile range over units; None without scores."""
    return {**_statistics(_units(scores, unit)), "runs": len(scores)} if scores else None


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
    first, costs = reports[0], [report.get("costs") or {} for report in reports]
    replaced = first.get("replaced") or {}
    return {
        "parameters": first["parameters"],
        "trainable_parameters": first["trainable_parameters"],
        "quantum_parameters": first["quantum_parameters"],
        "core": replaced.get("core"),
        "bottleneck": replaced.get("bottleneck"),
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


def beside(metric: str) -> list[str]:
    """Return the scores that stand beside a metric, with the thresholded IoU beside a class's soft IoU."""
    name, _, of_class = metric.partition("/")
    thresholded = [f"iou/{of_class}"] if name == "soft_iou" else []
    return [*thresholded, *(each for each in BESIDE if each != metric)]


def _fold_mean(cells: Mapping[tuple[int, int], Report], metric: str) -> float | None:
    """Return the mean over folds of a score that not every cell need have."""
    known = _scores({key: report for key, report in cells.items() if "/" in metric or metric in report}, metric)
    return fmean(fold_means(known).values()) if known else None


def _mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean training loss of every epoch that all cells reached."""
    return [fmean(values) for values in zip(*curves, strict=False)]


def _machine(report: Report) -> str:
    machine = report["machine"]
    gpu = "" if machine["gpu"] == "none" else f", {machine['gpu']}"
    return f"{machine['processor']}{gpu}, torch {machine['torch']}"
