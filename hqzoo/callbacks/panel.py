"""Panels of validation samples, drawn by their task every few epochs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hqzoo._lightning import pl
from hqzoo.errors import ConfigError
from hqzoo.tasks.base import Task

__all__ = ["PredictionPanel"]


class PredictionPanel(pl.Callback):
    """Draws a panel of validation samples every few epochs, as a file and in any logger that takes pictures.

    The samples are spread over the whole split and stay the same from epoch to epoch. What is drawn of them is the
    task's affair, see :meth:`hqzoo.tasks.base.Task.draw_panel`.

    Args:
        every_n_epochs: Epochs from one panel to the next.
        samples: Number of samples, at most one per batch.
        folder: Where ``epoch_0007.png`` goes; ``None``: ``panels`` in the trainer's ``default_root_dir``.

    Raises:
        ConfigError: If a number is not positive.
    """

    def __init__(self, every_n_epochs: int = 1, samples: int = 4, folder: str | None = None) -> None:
        if every_n_epochs < 1 or samples < 1:
            raise ConfigError(f"every_n_epochs and samples must be at least 1, got {every_n_epochs} and {samples}.")
        self.every_n_epochs = every_n_epochs
        self.samples = samples
        self.folder = folder
        self._kept: list[tuple[Mapping[str, Any], Tensor]] = []

    def _is_due(self, trainer: pl.Trainer) -> bool:
        epoch_ends = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        return trainer.is_global_zero and not trainer.sanity_checking and epoch_ends

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the samples of the last epoch."""
        self._kept.clear()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's type of a step's result
        batch: Any,  # noqa: ANN401
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the first sample of each chosen batch."""
        if outputs is None or dataloader_idx or not self._is_due(trainer) or len(self._kept) >= self.samples:
            return
        batches = trainer.num_val_batches[0]
        every = max(1, int(batches // self.samples)) if batches != float("inf") else 1
        if batch_idx % every == 0:
            self._kept.append(({name: _first(values) for name, values in batch.items()}, _first(outputs)))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw them."""
        if not self._kept or not isinstance(pl_module, Task):
            return
        samples, predictions = map(list, zip(*self._kept, strict=True))
        self._kept.clear()
        folder = Path(self.folder) if self.folder else Path(trainer.default_root_dir) / "panels"
        path = pl_module.draw_panel(samples, predictions, folder / f"epoch_{trainer.current_epoch:04d}.png")
        if path is not None:
            _log_picture(trainer, path)


def _first(values: Any) -> Any:  # noqa: ANN401 - a column of a batch
    return values[0].detach().cpu() if isinstance(values, torch.Tensor) else values[0]


def _log_picture(trainer: pl.Trainer, path: Path) -> None:
    """Hand the file to every logger that takes pictures: W&B and others by ``log_image``, TensorBoard by its writer."""
    for logger in trainer.loggers:
        if hasattr(logger, "log_image"):
            logger.log_image(key="val/panel", images=[str(path)], step=trainer.global_step)
        elif isinstance(logger, pl.loggers.TensorBoardLogger):
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            logger.experiment.add_image("val/panel", pixels, trainer.global_step, dataformats="HWC")
