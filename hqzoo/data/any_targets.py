"""The base of data sets that teach masks, a label or several labels, as their targets say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hqzoo.data.base import Samples, at_least
from hqzoo.data.classification import ClassificationDataModule
from hqzoo.data.tiles import TileDataset
from hqzoo.data.windows import CropDataset, GridDataset, as_size

__all__ = ["AnyTargetsDataModule"]


class AnyTargetsDataModule(ClassificationDataModule):
    """Images with labels are taken whole, images with masks are cut into windows.

    Records with masks are :class:`~hqzoo.data.records.ImageRecord` of one sensor.

    Args:
        crop_size: Height and width of training crops and evaluation windows of images with masks; None: whole images.
        crops_per_epoch: Training crops of images with masks in an epoch; None: one an image.
        **kwargs: Arguments of :class:`~hqzoo.data.classification.ClassificationDataModule` (``size``, ``augment``,
            ``jitter``, ``remark``) and :class:`~hqzoo.data.base.DataModule` (``batch_size``, ``seed``, ...).
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int] | None = None,
        crops_per_epoch: int | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        at_least("crops_per_epoch", crops_per_epoch, 1)
        self.crop_size = None if crop_size is None else as_size("crop_size", crop_size)
        self.crops_per_epoch = crops_per_epoch

    def sample_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of training images or crops."""
        shapes = super().sample_shapes()
        if self.crop_size is None or not self._masks:
            return shapes
        return {name: (shape[0], *self.crop_size) for name, shape in shapes.items()}

    def training_samples(self, records: Sequence[Any]) -> Samples:
        """Return crops of images with masks, or whole images with labels."""
        if not self._masks:
            return super().training_samples(records)
        (sensor,), jitter = self.sensors.values(), self.jitter if self.augment else None
        length = self.crops_per_epoch or len(records)
        return CropDataset(records, self.cache, sensor, self._window, length, jitter, self.seed)

    def evaluation_samples(self, records: Sequence[Any]) -> Samples:
        """Return windows of images with masks, or whole images with labels."""
        return GridDataset(records, self.cache, self._window) if self._masks else super().evaluation_samples(records)

    def prediction_samples(self, records: Sequence[Any]) -> Samples:
        """Return overlapping windows of images with masks, or whole images with labels."""
        if not self._masks:
            return self.evaluation_samples(records)
        return TileDataset(records, self.cache, self.tile_size or self._window)

    @property
    def _masks(self) -> bool:
        return self.targets is not None and self.targets.kind == "mask"

    @property
    def _window(self) -> tuple[int, int]:
        (shape,) = self.sample_shapes().values()
        return shape[1:]
