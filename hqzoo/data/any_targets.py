"""The base of data sets that teach masks, a label or several labels, as their targets say."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from hqzoo.data.augment import ColourJitter
from hqzoo.data.base import DataModule, Samples, at_least
from hqzoo.data.labelled import WholeSamples
from hqzoo.data.tiles import TileDataset
from hqzoo.data.windows import CropDataset, GridDataset, as_size

__all__ = ["AnyTargetsDataModule"]


class AnyTargetsDataModule(DataModule[Any]):
    """Images with masks are cut into windows, images with labels are taken whole.

    A data set says in :meth:`image_shapes` how large its images are and in ``targets`` what they teach, and returns
    records that are resized already where ``size`` is given: with masks
    :class:`~hqzoo.data.records.ImageRecord`, of one sensor; with labels any :class:`~hqzoo.data.records.Record`.

    Args:
        size: Height and width that images are resized to (bilinear; masks nearest). None: as they are.
        crop_size: Height and width of training crops and evaluation windows of images with masks; None: whole images.
        crops_per_epoch: Training crops in an epoch; None: one an image.
        augment: Whether training images are augmented, see :class:`~hqzoo.data.segmentation.SegmentationDataModule`.
        jitter: Strength of the colour jitter. CHOICE.
        **kwargs: Arguments of :class:`~hqzoo.data.base.DataModule`: ``batch_size``, ``seed``, ``inner_val``, ...
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        crop_size: int | tuple[int, int] | None = None,
        crops_per_epoch: int | None = None,
        augment: bool = True,
        jitter: ColourJitter = ColourJitter(),  # noqa: B008 - frozen, and parsers show it as the default
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        super().__init__(**kwargs)
        at_least("crops_per_epoch", crops_per_epoch, 1)
        self.size = None if size is None else as_size("size", size)
        self.crop_size = None if crop_size is None else as_size("crop_size", crop_size)
        self.crops_per_epoch, self.augment, self.jitter = crops_per_epoch, augment, jitter

    @abstractmethod
    def image_shapes(self) -> Mapping[str, tuple[int, int, int]]:
        """Return ``(C, H, W)`` of the images as they are stored, by the name of their sensor."""

    def sample_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of training images."""
        crop = self.crop_size if self._masks else None
        return {name: (shape[0], *(crop or self.size or shape[1:])) for name, shape in self.image_shapes().items()}

    def training_samples(self, records: Sequence[Any]) -> Samples:
        """Return crops of images with masks, or whole images with labels."""
        jitter, shapes = self.jitter if self.augment else None, self.sample_shapes()
        if not self._masks:
            return WholeSamples(records, self.cache, self.sensors, shapes, jitter, self.seed)
        ((name, sensor),) = self.sensors.items()
        length = self.crops_per_epoch or len(records)
        return CropDataset(records, self.cache, sensor, shapes[name][1:], length, jitter, self.seed)

    def evaluation_samples(self, records: Sequence[Any]) -> Samples:
        """Return windows of images with masks, or whole images with labels."""
        shapes = self.sample_shapes()
        if self._masks:
            return GridDataset(records, self.cache, self._window)
        return WholeSamples(records, self.cache, self.sensors, shapes)

    def prediction_samples(self, records: Sequence[Any]) -> Samples:
        """Return overlapping windows of images with masks, or whole images with labels."""
        if self._masks:
            return TileDataset(records, self.cache, self.tile_size or self._window)
        return self.evaluation_samples(records)

    @property
    def _masks(self) -> bool:
        return self.targets is not None and self.targets.kind == "mask"

    @property
    def _window(self) -> tuple[int, int]:
        (shape,) = self.sample_shapes().values()
        return shape[1:]
