"""Filling a table: cell by cell in this process, resuming where a run stopped."""

from __future__ import annotations

import gc
import json
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from hqzoo.compare.cell_files import place, read_cell, write_cell, write_json
from hqzoo.compare.cells import check_identity, recipe_digest
from hqzoo.compare.locks import locked
from hqzoo.compare.losses import read_losses
from hqzoo.compare.machine import describe_machine, source_commit
from hqzoo.compare.overrides import PLACES
from hqzoo.compare.result import Identity, Result
from hqzoo.compare.table import Cell, Table
from hqzoo.errors import ConfigError, FailedRunsError, HqzooError
from hqzoo.tasks.report import Report

__all__ = ["Main", "Progress", "Runner"]

Main = Callable[[list[str]], int]  # the command line as a function: arguments to exit code

INTERRUPTED = 130
GIVE_UP = 3  # runs that fail before the table has any finished one
NOTE = "compare.json"  # in a run's folder: what the runner knows of an unfinished cell
SEED, FOLD = "seed", "fold"  # arguments of data modules


@dataclass(frozen=True)
class Runner:
    """Trains and tests cells through the public verbs, in this process.

    Nothing is chosen on the fold that is tested: the last epoch's score is the cell's. Where validation data made the
    run keep a best checkpoint, its scores stand beside.

    Args:
        table: The table.
        out: Its folder: ``cells`` (results, see :mod:`hqzoo.compare.cell_files`), ``runs`` (run folders).
        main: The command line, ``hqzoo.cli.main``.
        local: Overrides that say where and how to run, such as the folder of the data; they enter no result.
        keep: Whether to keep the checkpoints of finished cells.
        recipe_file: The recipe; cells made with another version of it are refused. None: not known.
        data_arguments: Which of ``seed`` and ``fold`` the recipe's data module takes.
        content_of: Tells the fingerprint of a cell's data as they are now; cells made with others are refused. Empty:
            not known.
    """

    table: Table
    out: Path
    main: Main
    local: tuple[str, ...] = ()
    keep: bool = False
    recipe_file: Path | None = None
    data_arguments: tuple[str, ...] = (SEED, FOLD)
    content_of: Callable[[Cell], str] = lambda _: ""

    @cached_property
    def digest(self) -> str:
        """Digest of the recipe at the first look, see :func:`hqzoo.compare.cells.recipe_digest`; empty: not known."""
        return recipe_digest(self.recipe_file) if self.recipe_file else ""

    def fill(self, cells: Sequence[Cell]) -> None:
        """Run the cells that are missing; one that another process is at is left to it.

        A run that fails, such as one that diverges or is too large for the memory, stays missing, and the others are
        run; unless the first few all fail, as what they share is wrong then.

        Raises:
            ConfigError: If a finished cell was made with other settings, or the recipe was changed meanwhile.
            FailedRunsError: If runs failed.
            KeyboardInterrupt: If a run was interrupted; it has saved what it had.
        """
        source_commit()
        missing = self.missing(cells)
        progress = Progress(len(cells), len(cells) - len(missing), self.table.metric)
        failed: list[str] = []
        for cell in missing:
            with locked(self.out, cell.name) as mine:
                if not mine or read_cell(self.out, cell) is not None:
                    continue
                self._check_recipe()
                try:
                    result = self.run(cell)
                except Exception as error:  # noqa: BLE001 - whatever it was, other rows may be free of it
                    failed.append(_failure(cell, error))
                    if len(failed) == GIVE_UP and not progress.done:
                        break
                    continue
                write_cell(self.out, result, self._folder(cell) / "test.npz")
                if not self.keep:
                    shutil.rmtree(self._folder(cell) / "checkpoints")
            progress.finish(result)
            gc.collect()  # models and trainers refer to each other in circles
        if failed:
            lines = "\n".join(failed)
            raise FailedRunsError(f"{len(failed)} of {len(missing)} cells failed and stay missing:\n{lines}")

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells without a result.

        Raises:
            ConfigError: If a finished cell was made with other settings or data.
        """
        missing = []
        for cell in cells:
            result = read_cell(self.out, cell)
            if result is None:
                missing.append(cell)
            else:
                content = self.content_of(cell)
                check_identity(result.identity, self.table, place(self.out, cell), self.digest, content)
        return missing

    def run(self, cell: Cell) -> Result:
        """Train and test one cell, going on with what an interrupted run left; return its result.

        The last test is that of the last checkpoint: what it wrote of its samples lies in the run's folder.

        Raises:
            ConfigError: If a verb fails, or the recipe was changed since the first cell.
            DivergedError: If the training loss is not finite.
            KeyboardInterrupt: If it was interrupted.
        """
        folder, what = self._folder(cell), self.settings(cell)
        arguments = ["-c", self.table.recipe, f"--trainer.default_root_dir={folder}", *what, *self.local]
        seconds = self._train(cell, arguments)
        losses, curve = read_losses(folder / "metrics.csv")
        best = self._test(folder, arguments, "best") if (folder / "checkpoints" / "best.ckpt").is_file() else None
        report = self._test(folder, arguments, "last")
        self._check_recipe()
        costs = {**report.costs, **_timing(folder / "timing.json"), "training_seconds": seconds}
        return Result(
            identity=self._identity(cell),
            report=replace(report, costs=costs, data=_without_root(report.data)),
            best=None if best is None else replace(best, model={}, costs={}, data={}, details={}),  # as of the last
            losses=losses,
            curve=curve,
            command=" ".join(["hqzoo", "fit", "-c", self.table.recipe, *what]),
            machine=describe_machine(),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _check_recipe(self) -> None:
        """Refuse to go on with another recipe than the one that the cells are said to have."""
        if self.recipe_file and recipe_digest(self.recipe_file) != self.digest:
            raise ConfigError(
                f"{self.recipe_file} was changed while cells were run with it. Put it back to go on, or use another "
                "--out."
            )

    def _folder(self, cell: Cell) -> Path:
        return self.out / "runs" / cell.name

    def _identity(self, cell: Cell) -> Identity:
        settings = tuple(self.table.settings_of(cell.row))
        return Identity(cell, self.table.recipe, self.digest, settings, self.content_of(cell), self.table.seed_rule)

    def settings(self, cell: Cell) -> list[str]:
        """Return what a cell changes in the recipe."""
        # The same seed in every row: the same crops in the same order, and equal initial weights wherever the models
        # draw equally many numbers before them.
        seed = cell.run_seed(self.table.seed_rule)
        given = {SEED: seed, **({FOLD: cell.fold} if self.table.folds else {})}
        data = [f"--data.init_args.{name}={given[name]}" for name in given if name in self.data_arguments]
        return [f"--seed_everything={seed}", *data, *self.table.settings_of(cell.row)]

    def _train(self, cell: Cell, arguments: list[str]) -> float | None:
        """Train to the end; return the seconds that took, all sittings together, None where a killed one lost count."""
        folder = self._folder(cell)
        note = self._note_of_unfinished(cell)
        if note["trained"]:
            return note["seconds"]  # type: ignore[no-any-return]
        resume = ["--ckpt_path=last"] if (folder / "checkpoints" / "last.ckpt").is_file() else []
        write_json(folder / NOTE, {**note, "seconds": None})
        began = time.perf_counter()
        try:
            self._hqzoo(["fit", *arguments, *resume])
            note["trained"] = True
        finally:
            if note["seconds"] is not None:
                note["seconds"] = round(note["seconds"] + time.perf_counter() - began, 1)
            write_json(folder / NOTE, note)
        return note["seconds"]  # type: ignore[no-any-return]

    def _note_of_unfinished(self, cell: Cell) -> dict[str, Any]:
        """Return what is known of a run to go on with, or empty the folder for a fresh one.

        Raises:
            ConfigError: If the unfinished run was begun with other settings.
        """
        folder = self._folder(cell)
        if (folder / "checkpoints" / "last.ckpt").is_file() and (folder / NOTE).is_file():
            try:
                note: dict[str, Any] = json.loads((folder / NOTE).read_text())
                made = Identity.from_dict(note)
            except (ValueError, KeyError) as error:
                _say(f"{folder / NOTE} is damaged ({error}): nothing says how its run was made, which starts afresh.")
            else:
                check_identity(made, self.table, str(folder), self.digest, self.content_of(cell))
                return note
        shutil.rmtree(folder, ignore_errors=True)  # nothing in it can be gone on with
        return {**self._identity(cell).to_dict(), "seconds": 0.0, "trained": False}

    def _test(self, folder: Path, arguments: list[str], checkpoint: str) -> Report:
        self._hqzoo(["test", *arguments, f"--ckpt_path={checkpoint}"])
        report = Report.from_dict(json.loads((folder / "test.json").read_text()))
        if self.table.meaning is not None:
            report = report.explained(self.table.meaning)
        return replace(report, run={**report.run, "checkpoint": checkpoint})

    def _hqzoo(self, arguments: list[str]) -> None:
        code = self.main(arguments)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            raise ConfigError(f"`hqzoo {' '.join(arguments)}` ended with exit code {code}; see above.")


class Progress:
    """Writes a line per finished cell, with the time left.

    Args:
        total: Number of cells.
        done: Those that are finished already.
        metric: The score to show; empty: the first one of the reports.
    """

    def __init__(self, total: int, done: int, metric: str) -> None:
        self.total, self.done, self.metric = total, done, metric
        self._at_start, self._began = done, time.monotonic()
        _say(f"{total} cells, {done} of them finished already.")

    @property
    def own(self) -> int:
        """How many cells were finished since."""
        return self.done - self._at_start

    def finish(self, result: Result) -> None:
        """Count one more finished cell and say so."""
        self.done += 1
        spent = time.monotonic() - self._began
        left = spent / self.own * (self.total - self.done)
        metric, cell = self.metric or result.report.metrics[0].name, result.cell
        found = result.report.score(metric)
        shown = "absent" if found is None else f"{found:.4f}"
        where = f"row {cell.row}, fold {cell.fold}, seed {cell.seed}"
        _say(f"[{self.done}/{self.total}] {where}: {metric} {shown}; {_duration(left)} left")


def _failure(cell: Cell, error: Exception) -> str:
    """Say and return what went wrong; the traceback too, where it is no error that speaks for itself."""
    if isinstance(error, HqzooError):
        sentence = f"{cell.name}: {error}"
    else:
        traceback.print_exception(error)
        sentence = f"{cell.name}: {type(error).__name__}: {error}"
    _say(f"Failed: {sentence}")
    return sentence


def _without_root(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a report knows of its data, without the folder on this machine."""
    arguments = {name: value for name, value in data.get("init_args", {}).items() if name not in PLACES}
    return {**data, "init_args": arguments}


def _timing(path: Path) -> dict[str, Any]:
    """Return what ``hqzoo fit`` wrote about its steps."""
    return json.loads(path.read_text()) if path.is_file() else {}  # type: ignore[no-any-return]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()
