"""What runs found of every unit, image or query, and how the runs of two rows pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.compare.cells import read_cells
from hqzoo.compare.samples import samples_of
from hqzoo.compare.table import Table
from hqzoo.errors import ConfigError

__all__ = ["PairedFold", "UnitRun", "pair_runs", "read_units", "units_of_row"]

Columns = Mapping[str, npt.NDArray[Any]]
RUN_KEYS = ("pretraining", "seed")


@dataclass(frozen=True, eq=False)
class UnitRun:
    """What one run found of every unit.

    Args:
        columns: ``name`` ``(N,)`` and columns ``(N, ...)`` as ``test.npz`` has them: ``tp``, ``fp``, ``fn`` ``(N, K)``,
            ``soft`` and ``calibration`` of segmentation; ``truth``, ``prediction`` and ``probability`` of
            classification; ``rank`` ``(N,)`` of the first hit, from 1, and ``average_precision`` ``(N,)`` of retrieval.
            ``group`` ``(N,)`` says what a unit was taken from, such as a scene, location or patient; without it every
            unit stands for itself.
        seed: Number of the run.
        fold: The fold that was tested.
        pretraining: What the run shares with other runs of its row: the pretraining that it probes, or a draw of
            initial weights. Paired rows name theirs alike, such as by the seed of the pretraining. None: the run shares
            nothing but its training images.
        classes: Names of the K classes; empty: not known.

    Raises:
        ConfigError: If columns do not fit each other, or a name comes twice.
    """

    columns: Columns
    seed: int = 0
    fold: int = 0
    pretraining: str | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.columns.get("name")
        if names is None or not len(names):
            raise ConfigError(f"{self.label} has no units: its columns are {', '.join(self.columns) or 'none'}, 'name' "
                              "is not among them or is empty. Test it again to have them.")  # fmt: skip
        if len(set(names.tolist())) < len(names):
            raise ConfigError(f"{self.label} has several units of one name; a unit is named once.")
        for column, values in self.columns.items():
            if len(values) != len(names):
                raise ConfigError(f"{self.label}: column '{column}' has {len(values)} rows for {len(names)} units.")

    @property
    def label(self) -> str:
        """What error messages call it."""
        pretraining = "" if self.pretraining is None else f" of pretraining '{self.pretraining}'"
        return f"The run of fold {self.fold}, seed {self.seed}{pretraining}"

    @property
    def groups(self) -> npt.NDArray[Any]:
        """What every unit was taken from ``(N,)``."""
        return self.columns.get("group", self.columns["name"])

    def in_order_of(self, names: npt.NDArray[Any]) -> UnitRun:
        """Return the run with its units in another order.

        Raises:
            ConfigError: If it has other units.
        """
        different = sorted(set(self.columns["name"].tolist()) ^ set(names.tolist()))
        if different:
            raise ConfigError(
                f"{self.label} has other units than the runs that it is compared with: {len(different)} belong to one "
                f"side alone, such as '{different[0]}'. Score both on the same images."
            )
        own = self.columns["name"]
        place = np.argsort(own)[np.searchsorted(np.sort(own), names)]
        columns = {name: values[place] for name, values in self.columns.items()}
        return UnitRun(columns, self.seed, self.fold, self.pretraining, self.classes)


def read_units(
    path: Path | str, seed: int = 0, fold: int = 0, pretraining: str | None = None, classes: Sequence[str] = ()
) -> UnitRun:
    """Return the run of a ``test.npz``, as ``hqzoo test`` leaves it.

    Args:
        path: The file.
        seed: See :class:`UnitRun`, also for the following.
        fold: See there.
        pretraining: See there.
        classes: See there.

    Raises:
        ConfigError: If there is no such file, or it has no units.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} holds no units: {error}. `hqzoo test` writes such files as test.npz.") from error
    return UnitRun(columns, seed, fold, pretraining, tuple(classes))


def units_of_row(table: Table, out: Path, row: str, pretraining: str | None = None) -> list[UnitRun]:
    """Return what the finished cells of a row found of every unit.

    Args:
        table: The table.
        out: Its folder.
        row: Name of the row.
        pretraining: Name of the one pretraining that all cells are probes of; None: they were trained from weights of
            their own. Of tables with ``seed_rule: shared`` the folds of a seed share these weights.

    Raises:
        ConfigError: If there is no such row, or a cell has no units.
    """
    table.row(row)
    runs = []
    for (fold, seed), result in read_cells(table, out)[row].items():
        columns = samples_of(result, out)
        if columns is None:
            raise ConfigError(
                f"The cell {result.cell.name} has no units: it was run before they were kept, or its task keeps none. "
                "Remove the cell to run it again, or compare folds alone."
            )
        shared = f"weights {seed}" if table.seed_rule == "shared" else None
        classes = tuple(str(each["name"]) for each in result.report.classes)
        runs.append(UnitRun(columns, seed, fold, shared if pretraining is None else pretraining, classes))
    return runs


@dataclass(frozen=True)
class PairedFold:
    """The paired runs of two rows on the units of one fold, all in the same order.

    Args:
        fold: The fold.
        a: By what tells independent runs apart, the runs of it that are averaged, of one row.
        b: Those of the other row.
        cluster: Number of the cluster of every unit ``(N,)``, from 0.
    """

    fold: int
    a: Mapping[tuple[Any, ...], Sequence[UnitRun]]
    b: Mapping[tuple[Any, ...], Sequence[UnitRun]]
    cluster: npt.NDArray[np.intp]

    @property
    def keys(self) -> tuple[tuple[Any, ...], ...]:
        """What tells the independent runs apart."""
        return tuple(self.a)

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max()) + 1

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.cluster)


def pair_runs(a: Sequence[UnitRun], b: Sequence[UnitRun], clusters: str, runs: Sequence[str]) -> list[PairedFold]:
    """Return the runs of two rows fold by fold, paired by pretraining and seed, their units in one order.

    Args:
        a: Runs of a row.
        b: Runs of another.
        clusters: Column of what units were taken from, ``"group"``, or ``"name"``: they are independent.
        runs: What tells runs apart. With ``"pretraining"`` first, the runs of one pretraining are averaged, and
            pretrainings are independent; ``("seed",)``: runs are independent, on the one pretraining that there is.

    Raises:
        ConfigError: If runs do not pair, their units differ, or a unit is in two folds.
    """
    if not runs or set(runs) - set(RUN_KEYS):
        raise ConfigError(f"runs={tuple(runs)}: runs are told apart by one or both of {', '.join(RUN_KEYS)}.")
    if runs[0] != "pretraining" and len({run.pretraining for run in a}) > 1:
        raise ConfigError(
            f"runs={tuple(runs)} counts every run of several pretrainings as independent, but runs of one pretraining "
            "are not. Use runs=('pretraining', 'seed'), or compare one pretraining alone."
        )
    paired_a, paired_b = _by_identity(a), _by_identity(b)
    if alone := sorted(set(paired_a) ^ set(paired_b), key=str):
        side = "first" if alone[0] in paired_a else "second"
        run = {**paired_a, **paired_b}[alone[0]]
        raise ConfigError(
            f"Runs do not pair: {len(alone)} belong to one row alone, such as {_mid(run)}, which only the {side} has. "
            "Give both rows the same folds, seeds and names of pretrainings."
        )
    folds = sorted({run.fold for run in a})
    found = [_paired_fold(fold, paired_a, paired_b, clusters, runs) for fold in folds]
    _check_apart(found, clusters)
    return found


def _by_identity(runs: Iterable[UnitRun]) -> dict[tuple[Any, ...], UnitRun]:
    found: dict[tuple[Any, ...], UnitRun] = {}
    for run in runs:
        if (run.fold, run.pretraining, run.seed) in found:
            raise ConfigError(f"{run.label} is given twice: give every run a seed of its own.")
        found[run.fold, run.pretraining, run.seed] = run
    if not found:
        raise ConfigError("There are no runs to compare: give at least one of each row.")
    return found


def _paired_fold(
    fold: int,
    a: Mapping[tuple[Any, ...], UnitRun],
    b: Mapping[tuple[Any, ...], UnitRun],
    clusters: str,
    fields: Sequence[str],
) -> PairedFold:
    first = next(run for run in a.values() if run.fold == fold)
    names = np.sort(first.columns["name"])
    first = first.in_order_of(names)
    sides: list[dict[tuple[Any, ...], list[UnitRun]]] = []
    for side in (a, b):
        found: dict[tuple[Any, ...], list[UnitRun]] = {}
        for identity in a:  # in one order
            if identity[0] == fold:
                run = side[identity].in_order_of(names)
                _check_same(run, first, clusters)
                found.setdefault(_independent(run, fields), []).append(run)
        sides.append(found)
    return PairedFold(fold, sides[0], sides[1], np.unique(_clusters(first, clusters), return_inverse=True)[1])


def _independent(run: UnitRun, runs: Sequence[str]) -> tuple[Any, ...]:
    """Return what tells independent runs apart: the pretraining, or the run itself where it shares none."""
    shared = run.pretraining if runs[0] == "pretraining" else None
    return (run.fold, run.seed) if shared is None else (shared,)


def _clusters(run: UnitRun, clusters: str) -> npt.NDArray[Any]:
    if clusters == "group":
        return run.groups
    if clusters not in run.columns or run.columns[clusters].ndim != 1:
        raise ConfigError(
            f"clusters='{clusters}' is no column of {_mid(run)} with one value a unit. Use "
            "'group', or 'name' for units that are independent."
        )
    return run.columns[clusters]


def _check_same(run: UnitRun, first: UnitRun, clusters: str) -> None:
    """Refuse a run whose truth or clusters are not those of the others; both have the same units in the same order."""
    for what, own, other in (
        ("truth", _truth(run), _truth(first)),
        ("cluster", _clusters(run, clusters), _clusters(first, clusters)),
    ):
        if own is None or other is None:
            continue
        different = own != other if own.ndim == 1 else (own != other).any(axis=tuple(range(1, own.ndim)))
        if np.any(different):
            name = run.columns["name"][np.flatnonzero(different)[0]]
            raise ConfigError(
                f"{run.label} has another {what} of {int(np.sum(different))} units than the runs that it is compared "
                f"with, such as of '{name}'. Score both on the same data."
            )


def _mid(run: UnitRun) -> str:
    """Return what to call a run in the middle of a sentence."""
    return run.label[0].lower() + run.label[1:]


def _truth(run: UnitRun) -> npt.NDArray[Any] | None:
    """Return what a run knows of the truth of its units; None: nothing."""
    if "truth" in run.columns:
        return run.columns["truth"]
    if {"tp", "fn"} <= set(run.columns):
        truth: npt.NDArray[Any] = run.columns["tp"] + run.columns["fn"]
        return truth
    return None


def _check_apart(folds: Sequence[PairedFold], clusters: str) -> None:
    """Refuse folds that share units or clusters: what is resampled in one would have to be in the other."""
    known: dict[tuple[str, Any], int] = {}
    for fold in folds:
        run = next(iter(fold.a.values()))[0]
        own = [("unit", each) for each in run.columns["name"].tolist()]
        own += [("cluster", each) for each in set(_clusters(run, clusters).tolist())]
        for each in own:
            if known.setdefault(each, fold.fold) != fold.fold:
                raise ConfigError(
                    f"The {each[0]} '{each[1]}' is in the folds {known[each]} and {fold.fold}. Units of one test set "
                    "are one fold: give their runs the same fold and seeds of their own, or name clusters that keep to "
                    "one fold."
                )
