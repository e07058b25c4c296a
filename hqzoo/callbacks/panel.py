"""Panels of validation samples, drawn by their task every few epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hqzoo._lightning import pl
from hqzoo.callbacks.board import Board
from hqzoo.callbacks.kept_samples import KeptSamples
from hqzoo.callbacks.wandb_panels import MOST_IMAGES
from hqzoo.errors import ConfigError
from hqzoo.tasks.base import Task
from hqzoo.tasks.overlays import Overlays

__all__ = ["PredictionPanel"]


class PredictionPanel(pl.Callback):
    """Draws a panel of validation samples every few epochs, as a file and in any logger that takes pictures.

    The samples are spread over the whole split, gathered from all processes, and stay the same from epoch to epoch.
    What is drawn of them is the task's affair, see :meth:`hqzoo.tasks.base.Task.draw_panel`. Weights & Biases also gets
    class maps to switch on and off, with the names of the classes.

    Args:
        every_n_epochs: Epochs from one panel to the next.
        samples: Number of samples, at most one per batch.
        folder: Where ``epoch_0007.png`` goes; ``None``: ``panels`` in the trainer's ``default_root_dir``.

    Raises:
        ConfigError: If a number is not positive, or there are more samples than Weights & Biases shows.

    Attributes:
        overlays: The class maps of the last panel; None where the task has none.
        board: Where panels are shown.
    """

    def __init__(self, every_n_epochs: int = 1, samples: int = 4, folder: str | None = None) -> None:
        if every_n_epochs < 1 or samples < 1:
            raise ConfigError(f"every_n_epochs and samples must be at least 1, got {every_n_epochs} and {samples}.")
        if samples > MOST_IMAGES:
            raise ConfigError(f"samples={samples}: a panel shows at most {MOST_IMAGES}.")
        self.every_n_epochs = every_n_epochs
        self.samples = samples
        self.folder = folder
        self.overlays: Overlays | None = None
        self._kept = KeptSamples(samples)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find the loggers."""
        self.board = Board(trainer, self._folder(trainer))

    def _folder(self, trainer: pl.Trainer) -> Path:
        return Path(self.folder) if self.folder else Path(trainer.default_root_dir) / "panels"

    def _is_due(self, trainer: pl.Trainer) -> bool:
        return not trainer.sanity_checking and (trainer.current_epoch + 1) % self.every_n_epochs == 0

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the samples of the last epoch."""
        self._kept.forget()

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
        if outputs is not None and not dataloader_idx and isinstance(pl_module, Task) and self._is_due(trainer):
            self._kept.add(trainer, batch, outputs, batch_idx)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw them."""
        if not isinstance(pl_module, Task) or not self._is_due(trainer):
            return
        kept = self._kept.gather()
        if not kept or not trainer.is_global_zero:
            return
        samples, predictions = map(list, zip(*kept, strict=True))
        folder = self._folder(trainer)
        path = pl_module.draw_panel(samples, predictions, folder / f"epoch_{trainer.current_epoch:04d}.png")
        if path is not None:
            self.board.picture("val/panel", path)
        self.overlays = pl_module.overlays(samples, predictions)
        if self.overlays is not None:
            self.board.overlays("val/overlays", self.overlays)
