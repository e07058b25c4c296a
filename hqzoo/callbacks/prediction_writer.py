"""Predicted class maps as files, one per image, blended from overlapping windows as ``hqzoo map`` blends them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hqzoo._lightning import pl
from hqzoo.data.labels import default_palette
from hqzoo.errors import ConfigError

if TYPE_CHECKING:
    from hqzoo.callbacks.map_files import MapFile
    from hqzoo.tasks.base import Task

__all__ = ["PredictionWriter"]

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png", ".tif", ".tiff")


class PredictionWriter(pl.callbacks.BasePredictionWriter):
    """Blends predicted windows and writes one class map per image.

    An image whose file is georeferenced gets a GeoTIFF on its grid, any other an index PNG with palette. Pixels hold
    the codes of the masks where these had codes of their own, else class indices, and 255 (or the next free number)
    where the image is missing.

    A map is written as its windows come in, so memory holds few rows of a GeoTIFF; one that never gets all its windows
    (``limit_predict_batches``) is not written.

    Args:
        folder: Where ``<image name>.tif`` or ``<image name>.png`` goes.

    Raises:
        ConfigError: If several processes predict: windows of one image would end up in different ones.
    """

    def __init__(self, folder: str = "predictions") -> None:
        super().__init__(write_interval="batch")
        self.folder = Path(folder)
        self.written: list[Path] = []
        self._under_way: dict[str, MapFile] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse to predict with several processes."""
        super().setup(trainer, pl_module, stage)
        if stage == "predict" and trainer.world_size > 1:
            raise ConfigError(
                f"PredictionWriter blends in one process, but there are {trainer.world_size}: set trainer.devices to 1."
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
        """Blend the windows of one batch in, and finish the images that are complete."""
        from hqzoo.callbacks.map_files import MapFile
        from hqzoo.scenes.assembly import tiles_of

        task: Task = pl_module  # type: ignore[assignment]
        palette = task.palette or default_palette(len(task.classes))
        probabilities = prediction.float().cpu().numpy()
        for tile in tiles_of(batch, probabilities.shape[-2:]):
            if tile.scene not in self._under_way:
                source = Path(batch["file"][tile.index]) if batch.get("file") and batch["file"][tile.index] else None
                self._under_way[tile.scene] = MapFile(
                    self._stem(tile.scene), source, tile.grid, task.classes, palette, task.targets
                )
            file = self._under_way[tile.scene]
            if file.add(tile, probabilities[tile.index]):
                self.written.append(file.publish())
                del self._under_way[tile.scene]

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave nothing half-written."""
        self._discard()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say which images were not written."""
        if self._under_way:
            names = ", ".join(sorted(self._under_way)[:5])
            warnings.warn(
                f"{len(self._under_way)} images were predicted only in part and not written: {names}.",
                stacklevel=2,
            )
        self._discard()

    def _discard(self) -> None:
        for file in self._under_way.values():
            file.discard()
        self._under_way.clear()

    def _stem(self, scene: str) -> Path:
        name = Path(scene)
        if name.is_absolute() or ".." in name.parts:
            name = Path(name.name)  # an image elsewhere still gets its map inside the folder
        stem = name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name
        return self.folder / name.parent / stem
