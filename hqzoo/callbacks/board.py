"""Where the panels of a run go: files of the run folder, and every logger that takes such things."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hqzoo._files import replacing
from hqzoo._lightning import pl
from hqzoo.callbacks import wandb_panels
from hqzoo.tasks.overlays import Overlays

__all__ = ["Board"]

Rows = Sequence[Mapping[str, Any]]


class Board:
    """Hands pictures, tables, histograms and files to loggers. One that fails is left out from then on, with a warning.

    Weights & Biases takes all of them, TensorBoard pictures, tables (as text) and histograms, others with ``log_image``
    pictures.

    Args:
        trainer: Its loggers, and its step; the first process speaks for all.
        folder: Where tables are written.
    """

    def __init__(self, trainer: pl.Trainer, folder: Path) -> None:
        self.trainer, self.folder = trainer, folder
        self.loggers: list[Any] = list(trainer.loggers) if trainer.is_global_zero else []

    def picture(self, key: str, path: Path) -> None:
        """Show a PNG file."""

        def show(logger: Any) -> None:  # noqa: ANN401 - any logger
            if hasattr(logger, "log_image"):
                logger.log_image(key=key, images=[str(path)], step=self.trainer.global_step)
            elif isinstance(logger, pl.loggers.TensorBoardLogger):
                with Image.open(path) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                logger.experiment.add_image(key, pixels, self.trainer.global_step, dataformats="HWC")

        self._with_each(show)

    def table(self, key: str, rows: Rows, history: bool = True) -> list[dict[str, str]]:
        """Show rows, and write them to ``KEY.csv``.

        Args:
            key: Its name, which may have folders.
            rows: Plain values by column, the same columns in each.
            history: Whether the file keeps the rows of earlier epochs, by ``epoch``; else it holds these alone.

        Returns:
            All rows of the file, as text.
        """
        path, epoch = self.folder / f"{key}.csv", self.trainer.current_epoch
        kept = [row for row in _read(path) if int(row["epoch"]) < epoch] if history else []
        new = [{**({"epoch": epoch} if history else {}), **row} for row in rows]
        written = [*kept, *({name: _text(value) for name, value in row.items()} for row in new)]
        with replacing(path) as beside, beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in written for name in row)), restval="")
            writer.writeheader()
            writer.writerows(written)

        def show(logger: Any) -> None:  # noqa: ANN401
            if isinstance(logger, pl.loggers.WandbLogger):
                wandb_panels.show_table(logger, key, new, self.trainer.global_step)
            elif isinstance(logger, pl.loggers.TensorBoardLogger):
                logger.experiment.add_text(key, _markdown(new), self.trainer.global_step)

        self._with_each(show)
        return written

    def histogram(self, key: str, values: npt.NDArray[Any]) -> None:
        """Show how values are distributed."""

        def show(logger: Any) -> None:  # noqa: ANN401
            if isinstance(logger, pl.loggers.WandbLogger):
                wandb_panels.show_histogram(logger, key, values, self.trainer.global_step)
            elif isinstance(logger, pl.loggers.TensorBoardLogger):
                logger.experiment.add_histogram(key, values, self.trainer.global_step)

        self._with_each(show)

    def numbers(self, values: Mapping[str, float]) -> None:
        """Show numbers as curves."""
        self._with_each(lambda logger: logger.log_metrics(dict(values), self.trainer.global_step))

    def overlays(self, key: str, overlays: Overlays) -> None:
        """Show images with class maps that can be switched on and off; Weights & Biases alone can."""

        def show(logger: Any) -> None:  # noqa: ANN401
            if isinstance(logger, pl.loggers.WandbLogger):
                wandb_panels.show_overlays(logger, key, overlays, self.trainer.global_step)

        self._with_each(show)

    def artifact(self, kind: str, files: Mapping[str, Path], metadata: Mapping[str, Any]) -> None:
        """Keep files with the run; Weights & Biases alone can.

        Args:
            kind: What they are, such as ``model``; with the run's id it makes their name.
            files: Files by their names there.
            metadata: Plain values that describe them.
        """

        def show(logger: Any) -> None:  # noqa: ANN401
            if isinstance(logger, pl.loggers.WandbLogger):
                wandb_panels.keep_files(logger, kind, files, metadata)

        self._with_each(show)

    def _with_each(self, show: Callable[[Any], None]) -> None:
        for logger in [each for each in self.loggers if not getattr(each, "lost", False)]:
            try:
                show(logger)
            except Exception as error:  # noqa: BLE001 - whatever a dashboard runs into, training goes on
                self.loggers.remove(logger)
                if hasattr(logger, "give_up"):
                    logger.give_up(error)
                else:
                    warnings.warn(
                        f"{type(logger).__name__} takes no more panels: {type(error).__name__}: {error}", stacklevel=2
                    )


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [dict(row) for row in csv.DictReader(file)]


def _text(value: Any) -> str:  # noqa: ANN401 - a plain value
    return "" if value is None else str(value)


def _markdown(rows: Rows) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([_text(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
