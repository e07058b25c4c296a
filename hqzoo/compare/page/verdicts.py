"""Runs of one recipe with different controls as a table, and what the statistics of tables say of it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hqzoo.compare.differences import Judge, compare
from hqzoo.compare.losses import read_losses
from hqzoo.compare.overrides import LOCAL, OWN
from hqzoo.compare.page.folders import Run
from hqzoo.compare.result import Identity, Result, Results
from hqzoo.compare.scores import Unit, metric_of, scores_of
from hqzoo.compare.sensitivity import assays, has_nothing, sensitivity_sentences
from hqzoo.compare.summary import folds_of_data, overlap_of
from hqzoo.compare.table import REFERENCE, Cell, Row, SeedRule, Table
from hqzoo.compare.training import barely_trained
from hqzoo.errors import HqzooError
from hqzoo.tasks.report import Report

__all__ = ["SINGLE_RUNS", "Judgement", "judge_runs", "recipe_of"]

SINGLE_RUNS = "two single runs: no verdict. Another seed of each may turn the difference round"
# What a run may have of its own and still be one of the same recipe: its control, its fold and seed, and its place.
OWN_OF_RUN = (
    *OWN, *LOCAL, "model.architecture_args.control", "model.architecture_args.control_hidden", "control",
    "control_hidden", "trainer.callbacks", "trainer.log_every_n_steps", "trainer.profiler", "verbose",
)  # fmt: skip

_Scored = tuple[Run, Report]


@dataclass(frozen=True)
class Judgement:
    """What the runs of one recipe say of its circuit.

    Args:
        title: Which runs these are.
        metric: What readers see of the score that is compared.
        unit: What pairs are: folds, or seeds of one split.
        comparisons: See :func:`hqzoo.compare.differences.compare`; empty: nothing could be compared.
        margin: The difference that nobody would mind.
        notes: What must be known beside it, or why nothing was compared.
    """

    title: str
    metric: str = ""
    unit: str = ""
    comparisons: Sequence[Mapping[str, Any]] = ()
    margin: float | None = None
    notes: Sequence[str] = field(default_factory=list)


def recipe_of(run: Run) -> str:
    """Return what runs of one recipe share, as text: all their settings but control, fold, seed and place."""
    return json.dumps(_kept(run.config, ""), sort_keys=True, default=str)


def judge_runs(runs: Sequence[Run]) -> list[Judgement]:
    """Return a judgement for every recipe that several of the runs with scores share."""
    groups: dict[str, list[_Scored]] = defaultdict(list)
    for run in runs:
        if run.report is not None:
            groups[recipe_of(run) if run.config else run.name].append((run, run.report))
    return [_judge(group) for group in groups.values() if len({run.control for run, _ in group}) > 1]


def _kept(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the settings without those of :data:`OWN_OF_RUN`, whose paths leave ``init_args`` out."""
    kept = {}
    for key, value in content.items():
        where = path if key == "init_args" else f"{path}.{key}".removeprefix(".")
        if where not in OWN_OF_RUN:
            kept[key] = _kept(value, where) if isinstance(value, Mapping) else value
    return kept


def _judge(group: Sequence[_Scored]) -> Judgement:
    title = ", ".join(run.name for run, _ in group)
    if all(run.control != REFERENCE for run, _ in group):
        return Judgement(title, notes=["None of these runs has the circuit itself, so nothing is told about it."])
    if problem := _problem(group):
        return Judgement(title, notes=[problem])
    cells = _cells([run for run, _ in group])
    if len(set(cells)) < len(cells):
        return Judgement(title, notes=["Two of these runs share control, fold and seed: give one of them alone."])
    try:
        return _compared(title, dict(zip(cells, group, strict=True)))
    except HqzooError as error:
        return Judgement(title, notes=[f"Not compared: {error}"])


def _problem(group: Sequence[_Scored]) -> str:
    """Return why scores of these runs cannot be compared; empty: they can."""
    splits = {str(report.run.get("split")) for _, report in group}
    if len(splits) > 1:
        return f"Not compared: they were scored on different splits ({', '.join(sorted(splits))})."
    images: dict[object, set[object]] = defaultdict(set)
    for run, report in group:
        if report.data.get("images"):
            images[run.data.get("fold")].add(report.data["images"])
    if any(len(each) > 1 for each in images.values()):
        return "Not compared: they were scored on other images, as the fingerprints of their data say."
    return ""


def _cells(runs: Sequence[Run]) -> list[Cell]:
    """Return the cell of each run in a table of controls; where every fold has seeds of its own they are numbered."""
    by_fold = _seeds_by_fold(runs)
    cells = []
    for run in runs:
        fold, seed = _place(run)
        number = seed if _is_shared(by_fold) else by_fold[fold].index(seed)
        cells.append(Cell(re.sub(r"[^A-Za-z0-9_.+]+", "_", run.control), fold, number))
    return cells


def _seeds_by_fold(runs: Sequence[Run]) -> dict[int, list[int]]:
    places = [_place(run) for run in runs]
    return {fold: sorted({seed for own, seed in places if own == fold}) for fold, _ in places}


def _is_shared(by_fold: Mapping[int, Sequence[int]]) -> bool:
    """Return whether folds start from the same seeds; a single one does."""
    seeds = [seed for each in by_fold.values() for seed in each]
    return len(by_fold) == 1 or len(set(seeds)) < len(seeds)


def _place(run: Run) -> tuple[int, int]:
    """Return fold and seed of a run, 0 where it has none."""
    return _whole(run.data.get("fold")), _whole(run.config.get("seed_everything"))


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 and not isinstance(value, bool) else 0


def _compared(title: str, runs: Mapping[Cell, _Scored]) -> Judgement:
    table = _table({cell: run for cell, (run, _) in runs.items()})
    results: Results = {name: {} for name in table.row_names}
    for cell, (run, report) in runs.items():
        losses, curve = read_losses(run.path / "metrics.csv")
        results[cell.row][cell.fold, cell.seed] = Result(
            identity=Identity(cell, table.recipe), report=report, losses=losses, curve=curve
        )
    metric, meaning = metric_of(table, results)
    short = {row.name: _shortness(row, results) for row in table.rows}
    reports = {row: {key: each.report for key, each in cells.items()} for row, cells in results.items()}
    scores = {row: scores_of(each, metric) for row, each in reports.items()}
    unit: Unit = "fold" if len(table.folds) > 1 else "seed"
    found = compare(
        table,
        Judge(meaning, meaning.margin, any(short.values())),
        table.comparisons(),
        scores,
        {row: set(each) for row, each in results.items()},
        {row: {(cell.fold, cell.seed) for cell in table.cells([row])} for row in table.row_names},
        unit,
        overlap_of(folds_of_data(table, [each for row in results.values() for each in row.values()])),
    )
    notes = [f"{row} is barely trained: {', '.join(reasons)}." for row, reasons in short.items() if reasons]
    notes += _caveats([report for _, report in runs.values()])
    if any(each["interval"] and each["interval"]["n"] > 1 for each in found):  # single runs have no verdict to qualify
        told = assays(table, scores, found, meaning, meaning.margin)
        notes += sensitivity_sentences({"assays": told, "margin": meaning.margin})
    return Judgement(title, metric if "/" in metric else meaning.heading, unit, found, meaning.margin, notes)


def _shortness(row: Row, results: Results) -> list[str]:
    """Return what shows that the runs of a row were too short; those that see nothing may have nothing to learn."""
    return [] if has_nothing(row) else barely_trained(list(results[row.name].values()))


def _table(runs: Mapping[Cell, Run]) -> Table:
    folds, seeds = (sorted({getattr(cell, what) for cell in runs}) for what in ("fold", "seed"))
    rows = dict.fromkeys(cell.row for cell in runs)
    rule: SeedRule = "shared" if len(folds) > 1 and _is_shared(_seeds_by_fold(list(runs.values()))) else "per_run"
    return replace(Table.of_controls("these-runs", list(rows), folds, seeds), seed_rule=rule)


def _caveats(reports: Collection[Report]) -> list[str]:
    """Return in what else the scored checkpoints differ, or may flatter their runs."""
    names = {str(report.run.get("checkpoint", "")).rpartition("/")[2] for report in reports}
    steps = {int(report.run["step"]) for report in reports if report.run.get("step") is not None}
    notes = []
    if not names <= {"last.ckpt", ""}:
        notes.append(
            f"Scored: {', '.join(sorted(names))}. What was chosen on images that are scored here flatters its run."
        )
    if len(steps) > 1:
        notes.append(f"Not trained alike: for {', '.join(f'{step:,}' for step in sorted(steps))} steps.")
    return notes
