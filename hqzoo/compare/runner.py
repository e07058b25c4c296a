"""Filling a table: cell by cell in this process, resuming where a run stopped."""

from __future__ import annotations

import csv
import gc
import json
import math
import shutil
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from hqzoo.compare.cells import Report, cell_path, check_settings, read_cell, recipe_digest, score, write_json
from hqzoo.compare.machine import describe_machine, source_commit
from hqzoo.compare.table import Cell, Table
from hqzoo.errors import ConfigError, DivergedError, FailedRunsError, HqzooError

__all__ = ["Main", "Progress", "Runner", "locked"]

Main = Callable[[list[str]], int]  # the command line as a function: arguments to exit code

INTERRUPTED = 130
GIVE_UP = 3  # runs that fail before the table has any finished one
NOTE = "compare.json"  # in a run's folder: what the runner knows of an unfinished cell
NO_SCORES = (
    "data", "architecture", "architecture_args", "parameters", "trainable_parameters", "quantum_parameters", "replaced",
    "costs", "confusion", "hqzoo", "split", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Runner:
    """Trains and tests cells through the public verbs, in this process.

    Nothing is chosen on the fold that is tested: the last epoch's score is the cell's. Where validation data made the
    run keep a best checkpoint, its score stands beside.

    Args:
        table: The table.
        out: Its folder: ``cells`` (results), ``runs`` (run folders).
        main: The command line, ``hqzoo.cli.main``.
        local: Overrides that say where and how to run, such as the folder of the data; they enter no result.
        keep: Whether to keep the checkpoints of finished cells.
        recipe_file: The recipe; cells made with another version of it are refused. None: not known.
    """

    table: Table
    out: Path
    main: Main
    local: tuple[str, ...] = ()
    keep: bool = False
    recipe_file: Path | None = None

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
            path = cell_path(self.out, cell)
            with locked(path) as mine:
                if not mine or path.exists():
                    continue
                self._check_recipe()
                try:
                    report = self.run(cell)
                except Exception as error:  # noqa: BLE001 - whatever it was, other rows may be free of it
                    failed.append(_failure(cell, error))
                    if len(failed) == GIVE_UP and not progress.done:
                        break
                    continue
                write_json(path, report)
                if not self.keep:
                    shutil.rmtree(self._folder(cell) / "checkpoints")
            progress.finish(cell, report)
            gc.collect()  # models and trainers refer to each other in circles
        if failed:
            lines = "\n".join(failed)
            raise FailedRunsError(f"{len(failed)} of {len(missing)} cells failed and stay missing:\n{lines}")

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells without a result.

        Raises:
            ConfigError: If a finished cell was made with other settings.
        """
        missing = []
        for cell in cells:
            report = read_cell(self.out, cell)
            if report is None:
                missing.append(cell)
            else:
                check_settings(report, self.table, cell_path(self.out, cell), self.digest)
        return missing

    def run(self, cell: Cell) -> dict[str, Any]:
        """Train and test one cell, going on with what an interrupted run left; return its result.

        Raises:
            ConfigError: If a verb fails, or the recipe was changed since the first cell.
            DivergedError: If the training loss is not finite.
            KeyboardInterrupt: If it was interrupted.
        """
        folder, what = self._folder(cell), self.settings(cell)
        arguments = ["-c", self.table.recipe, f"--trainer.default_root_dir={folder}", *what, *self.local]
        seconds = self._train(cell, arguments)
        losses = _loss_curve(folder / "metrics.csv")
        report = self._test(folder, arguments, "last")
        best = self._test(folder, arguments, "best") if (folder / "checkpoints" / "best.ckpt").is_file() else None
        self._check_recipe()
        report["data"]["init_args"].pop("root", None)  # a path of this machine
        return {
            **report, **self._identity(cell), "fold": cell.fold, "seed": cell.seed,
            "command": " ".join(["hqzoo", "fit", "-c", self.table.recipe, *what]),
            "loss_curve": losses,
            "costs": {**report.get("costs", {}), **_timing(folder / "timing.json"), "training_seconds": seconds},
            "best": None if best is None else {key: best[key] for key in best if key not in NO_SCORES},
            "machine": describe_machine(), "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip

    def _check_recipe(self) -> None:
        """Refuse to go on with another recipe than the one that the cells are said to have."""
        if self.recipe_file and recipe_digest(self.recipe_file) != self.digest:
            raise ConfigError(
                f"{self.recipe_file} was changed while cells were run with it. Put it back to go on, or use another "
                "--out."
            )

    def _folder(self, cell: Cell) -> Path:
        return self.out / "runs" / cell.name

    def _identity(self, cell: Cell) -> dict[str, Any]:
        """Return what a cell, finished or not, must share with the table to be gone on with."""
        digest = {"recipe_digest": self.digest} if self.digest else {}
        return {
            "recipe": self.table.recipe, **digest, "row": cell.row, "settings": self.table.settings_of(cell.row),
        }  # fmt: skip

    def settings(self, cell: Cell) -> list[str]:
        """Return what a cell changes in the recipe."""
        # The same seed in every row: the same crops in the same order, and equal initial weights wherever the models
        # draw equally many numbers before them.
        fold = [f"--data.init_args.fold={cell.fold}"] if self.table.folds else []
        seed = [f"--seed_everything={cell.seed}", f"--data.init_args.seed={cell.seed}"]
        return [*seed, *fold, *self.table.settings_of(cell.row)]

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
            except ValueError as error:
                _say(f"{folder / NOTE} is damaged ({error}): nothing says how its run was made, which starts afresh.")
            else:
                check_settings(note, self.table, folder, self.digest)
                return note
        shutil.rmtree(folder, ignore_errors=True)  # nothing in it can be gone on with
        return {**self._identity(cell), "seconds": 0.0, "trained": False}

    def _test(self, folder: Path, arguments: list[str], checkpoint: str) -> dict[str, Any]:
        self._hqzoo(["test", *arguments, f"--ckpt_path={checkpoint}"])
        report: dict[str, Any] = json.loads((folder / "test.json").read_text())
        return report | {"checkpoint": checkpoint}

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
        metric: The score to show.
    """

    def __init__(self, total: int, done: int, metric: str) -> None:
        self.total, self.done, self.metric = total, done, metric
        self._at_start, self._began = done, time.monotonic()
        _say(f"{total} cells, {done} of them finished already.")

    @property
    def own(self) -> int:
        """How many cells were finished since."""
        return self.done - self._at_start

    def finish(self, cell: Cell, report: Report) -> None:
        """Count one more finished cell and say so."""
        self.done += 1
        spent = time.monotonic() - self._began
        left = spent / self.own * (self.total - self.done)
        found = score(report, self.metric)
        shown = "absent" if found is None else f"{found:.4f}"
        where = f"row {cell.row}, fold {cell.fold}, seed {cell.seed}"
        _say(f"[{self.done}/{self.total}] {where}: {self.metric} {shown}; {_duration(left)} left")


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock beside a file; yields False at once if another process holds it.

    The system gives a lock back when its process ends, however it ends.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            if path.exists():  # who opened the lock before it goes finds the file behind it
                lock.unlink(missing_ok=True)


def _failure(cell: Cell, error: Exception) -> str:
    """Say and return what went wrong; the traceback too, where it is no error that speaks for itself."""
    if isinstance(error, HqzooError):
        sentence = f"{cell.name}: {error}"
    else:
        traceback.print_exception(error)
        sentence = f"{cell.name}: {type(error).__name__}: {error}"
    _say(f"Failed: {sentence}")
    return sentence


def _loss_curve(metrics: Path) -> list[float]:
    """Return the mean training loss of every epoch.

    Raises:
        DivergedError: If one is not finite.
    """
    losses = defaultdict(list)
    if metrics.is_file():
        with metrics.open(newline="") as file:
            for row in csv.DictReader(file):
                if row.get("train/loss"):
                    losses[int(row["epoch"])].append(float(row["train/loss"]))
    curve = [round(fmean(losses[epoch]), 4) for epoch in sorted(losses)]
    for number, loss in enumerate(curve, 1):
        if not math.isfinite(loss):
            raise DivergedError(
                f"its training diverged, with a loss of {loss} in epoch {number}. Compare with a lower learning rate "
                "in all rows, or leave the row out."
            )
    return curve


def _timing(path: Path) -> dict[str, Any]:
    """Return what ``hqzoo fit`` wrote about its steps."""
    return json.loads(path.read_text()) if path.is_file() else {}  # type: ignore[no-any-return]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()
