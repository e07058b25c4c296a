"""The fixed folder of a run: what lies where, and the metrics file that survives a resume."""

from __future__ import annotations

import csv
import json
import shutil
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from torch import Tensor

from hqzoo._files import replacing, write_text
from hqzoo._lightning import pl
from hqzoo.errors import CheckpointError, ConfigError
from hqzoo.weights.checkpoint import find_checkpoint

__all__ = ["MetricsFile", "RunFolder", "read_config"]


@dataclass(frozen=True)
class RunFolder:
    """What a run leaves behind, each file at a fixed place.

    Args:
        root: The folder, ``trainer.default_root_dir``.
    """

    root: Path

    @property
    def config(self) -> Path:
        """The whole configuration; ``hqzoo fit -c`` reads it."""
        return self.root / "config.yaml"

    @property
    def metrics(self) -> Path:
        """One row per logged step."""
        return self.root / "metrics.csv"

    @property
    def last(self) -> Path:
        """The checkpoint to go on from."""
        return self.root / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation score."""
        return self.root / "checkpoints" / "best.ckpt"

    @classmethod
    def of_checkpoint(cls, path: Path) -> RunFolder | None:
        """Return the run folder that a checkpoint lies in, or None if it lies elsewhere."""
        return cls(path.parent.parent) if path.parent.name == "checkpoints" else None

    def checkpoint(self, given: str) -> Path:
        """Return the file meant by ``--ckpt_path``: ``last``, ``best``, a file, or the folder of a run.

        Raises:
            CheckpointError: If there is no such file.
        """
        path = {"last": self.last, "best": self.best}.get(given, Path(given))
        if path.is_dir():
            return find_checkpoint(path)
        if path.is_file():
            return path
        there = sorted(str(each) for each in self.last.parent.glob("*.ckpt"))
        raise CheckpointError(
            f"There is no checkpoint {path} (--ckpt_path {given}). "
            + (f"Checkpoints in this run folder: {', '.join(there)}. " if there else "")
            + "Give the path of a checkpoint, or set --trainer.default_root_dir to the folder of the run; to "
            "start training afresh, leave --ckpt_path out."
        )

    def refuse_second_run(self) -> None:
        """Make sure that a fresh run overwrites nothing.

        Raises:
            ConfigError: If the folder holds a run already.
        """
        if any(self.last.parent.glob("*.ckpt")):
            raise ConfigError(
                f"{self.root} already holds a run, which a fresh one would overwrite. Go on with it: "
                f"--ckpt_path last. Start another one: --trainer.default_root_dir {self.root}-2. "
                "Or remove the folder first."
            )

    def start(self) -> None:
        """Prepare a fresh run; one process does it for all.

        Raises:
            ConfigError: If the folder cannot be written.
        """
        try:
            self.last.parent.mkdir(parents=True, exist_ok=True)
            self.metrics.unlink(missing_ok=True)  # of a run that never reached a checkpoint
        except OSError as error:
            raise ConfigError(
                f"Cannot write the run folder {self.root}: {error.strerror}. Choose another one with "
                "--trainer.default_root_dir."
            ) from error

    def missing_folders(self) -> list[Path]:
        """Return the folder and those above it that do not exist yet, the lowest first."""
        return [each for each in (self.root, *self.root.parents) if not each.exists()]

    def remove(self, made: Sequence[Path]) -> None:
        """Take back what a refused run left: its files, and the folders that were made for them.

        Args:
            made: What :meth:`missing_folders` returned before the run began.
        """
        if made:
            shutil.rmtree(self.root, ignore_errors=True)
            for each in made[1:]:
                with suppress(OSError):  # someone else put something into it meanwhile
                    each.rmdir()
            return
        self.config.unlink(missing_ok=True)
        with suppress(OSError):
            self.last.parent.rmdir()

    def write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write a file of plain types into the folder and return its path."""
        path = self.root / name
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        write_text(path, text)
        return path

    def write_arrays(self, name: str, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write columns of arrays into a compressed file of the folder; where there are none, there is no file."""
        path = self.root / name
        path.unlink(missing_ok=True)  # one of an earlier run
        if columns:
            with replacing(path) as beside, beside.open("wb") as file:
                np.savez_compressed(file, **dict(columns))  # type: ignore[arg-type]


def read_config(folder: RunFolder) -> dict[str, Any]:
    """Return the configuration that a run was started with; empty where there is none."""
    if not folder.config.is_file():
        return {}
    content = yaml.safe_load(folder.config.read_text())
    return content if isinstance(content, dict) else {}


class MetricsFile(pl.loggers.Logger):
    """Write every logged row to a CSV file at once, and go on with an existing file.

    Lightning's own CSVLogger empties the file when a run resumes. A run that resumes from a checkpoint behind
    which rows were already written repeats those steps: :meth:`forget_after` drops them first.

    Args:
        path: The CSV file; columns are added as metrics appear.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns: list[str] | None = None

    @property
    def name(self) -> str:
        """Name of the run: that of its folder."""
        return self.path.parent.name

    @property
    def version(self) -> str:
        """Nothing: a run has one folder."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.path.parent)

    log_dir = save_dir

    @pl.utilities.rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Do nothing: ``config.yaml`` has them."""

    @pl.utilities.rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float | Tensor], step: int | None = None) -> None:
        """Append one row."""
        numbers = {name: float(value) for name, value in metrics.items()}
        row: dict[str, Any] = {"step": "" if step is None else step, **numbers}
        if "epoch" in numbers:
            row["epoch"] = int(numbers["epoch"])
        if self._columns is None:
            self._columns = self._read()[0]
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns = [*self._columns, *new]
            self._rewrite(self._columns, self._read()[1])
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    @pl.utilities.rank_zero_only
    def forget_after(self, steps: int) -> None:
        """Drop the rows of steps that are about to be done again.

        Args:
            steps: Number of optimizer steps done in the checkpoint; rows count steps from 0.
        """
        columns, rows = self._read()
        kept = [row for row in rows if row.get("step") and int(row["step"]) < steps]
        if len(kept) < len(rows):
            self._rewrite(columns, kept)

    def _read(self) -> tuple[list[str], list[dict[str, str]]]:
        if not self.path.exists():
            return [], []
        with self.path.open(newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows = [{name: value or "" for name, value in row.items() if name} for row in reader]
            return list(reader.fieldnames or []), rows

    def _rewrite(self, columns: list[str], rows: list[dict[str, str]]) -> None:
        with replacing(self.path) as beside, beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
