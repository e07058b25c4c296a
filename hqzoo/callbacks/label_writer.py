"""Predicted labels as a table, one row per image."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from hqzoo._files import replacing
from hqzoo._lightning import pl
from hqzoo.errors import ConfigError
from hqzoo.tasks.base import Task

__all__ = ["LabelWriter"]


class LabelWriter(pl.callbacks.BasePredictionWriter):
    """Writes ``labels.csv``: the name of every image, its most probable class, and the probability of each class.

    Args:
        folder: Where the table goes.

    Raises:
        ConfigError: If several processes predict: the table would have a part of the images.
    """

    def __init__(self, folder: str = "predictions") -> None:
        super().__init__(write_interval="batch")
        self.folder = Path(folder)
        self._rows: list[list[Any]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse to predict with several processes."""
        super().setup(trainer, pl_module, stage)
        if stage == "predict" and trainer.world_size > 1:
            raise ConfigError(
                f"LabelWriter writes one table, but there are {trainer.world_size} processes: set trainer.devices to 1."
            )

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Tensor,
        batch_indices: Sequence[int] | None,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Keep the rows of one batch."""
        for name, chances in zip(batch["name"], prediction.cpu().tolist(), strict=True):
            self._rows.append([str(name), chances.index(max(chances)), *(f"{chance:.6f}" for chance in chances)])

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the table."""
        classes = pl_module.classes if isinstance(pl_module, Task) else ()
        with replacing(self.folder / "labels.csv") as beside, beside.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["name", "label", *classes])
            table.writerows([name, classes[best], *chances] for name, best, *chances in self._rows)
        self._rows.clear()
