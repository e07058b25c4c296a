"""The base of all segmentation data modules: crops for training, grids for evaluation."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from hqzoo.data.augment import ColourJitter
from hqzoo.data.base import DataModule, Split, at_least
from hqzoo.data.labels import IGNORE_INDEX, ClassMap
from hqzoo.data.records import ImageRecord
from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.data.statistics import compute_statistics
from hqzoo.data.targets import Targets
from hqzoo.data.tiles import TileDataset
from hqzoo.data.values import hardly_above_zero
from hqzoo.data.windows import CropDataset, GridDataset, as_size
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["SegmentationDataModule", "Split"]


class SegmentationDataModule(DataModule[ImageRecord]):
    """Images with class masks, cut into windows.

    A data set derives from this class, sets :attr:`sensor` and :attr:`class_map` (in its constructor, or in
    :meth:`load_records`) and returns its images from :meth:`load_records`. All else happens here.

    Training batches are ``{"image": (B, C, H, W) float32 in the sensor's unit, "mask": (B, H, W) int64, "name"}``
    with mask values ``0..K-1`` or ``IGNORE_INDEX``; the name is that of the image. Batches of validation, test and
    prediction also hold ``"scene"`` (list of image names), ``"row"``, ``"col"`` (offsets of the window), ``"height"``
    and ``"width"`` (full size of the image); there ``"name"`` is the window's own. Windows of prediction overlap, see
    :class:`~hqzoo.data.tiles.TileDataset`.

    Args:
        batch_size: Windows in a batch of one process.
        num_workers: Processes that read and augment; 0 works in the main process.
        crop_size: Height and width of the windows in pixels; one number for squares.
        crops_per_epoch: Training crops in an epoch; None for as many as the images give: as many as fit side
            by side. An epoch then shortens with ``label_fraction``.
        augment: Whether training crops are augmented: the symmetries of the crop (eight of a square, four of
            another rectangle), and ``jitter``. CHOICE.
        jitter: Strength of the colour jitter. CHOICE.
        zoom: Smallest and largest magnification of augmented training crops, ``[1, 1]`` for none. CHOICE: none. A crop
            covers ``crop_size / zoom`` pixels and is resized, so that images of other ground sampling distances than
            the training data's are met.
        crops_by: What has an equal share of the training crops: each pixel (``area``), each ``image``, or each
            ``scene``, which keeps a large source from hiding a small one; images of a scene share by area.
        seed: Seed of crops, order and augmentation.
        cache_gib: See :class:`~hqzoo.data.base.DataModule`, also for the following.
        inner_val: See there.
        label_fraction: See there.
        drop_last: See there.
        blend_test: Whether a test scores what ``predict`` and ``hqzoo map`` write, blended from overlapping windows;
            else each window of a plain grid as the model sees it, which is what most publications score. The report
            says which. Training and validation stay as they are.
        packed: See :class:`~hqzoo.data.base.DataModule`.

    Raises:
        ConfigError: If an argument is out of range.
    """

    sensor: Sensor
    class_map: ClassMap

    def __init__(
        self,
        batch_size: int = 16,
        num_workers: int = 0,
        crop_size: int | tuple[int, int] = 128,
        crops_per_epoch: int | None = None,
        augment: bool = True,
        jitter: ColourJitter = ColourJitter(),  # noqa: B008 - frozen, and parsers show it as the default
        zoom: tuple[float, float] = (1.0, 1.0),
        crops_by: Literal["area", "image", "scene"] = "area",
        seed: int = 0,
        cache_gib: float = 4.0,
        inner_val: float = 0.0,
        label_fraction: float = 1.0,
        drop_last: bool = True,
        blend_test: bool = False,
        packed: str | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, seed, cache_gib, inner_val, label_fraction, drop_last, packed)
        at_least("crops_per_epoch", crops_per_epoch, 1)
        self.crop_size, self.crops_per_epoch = as_size("crop_size", crop_size), crops_per_epoch
        self.augment, self.jitter, self.blend_test = augment, jitter, blend_test
        self.zoom, self.crops_by = (float(zoom[0]), float(zoom[1])), crops_by
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ConfigError(f"`zoom` is a smallest and a largest magnification above 0, got {list(zoom)}.")
        if crops_by not in ("area", "image", "scene"):
            raise ConfigError(unknown_name("share of crops", crops_by, ("area", "image", "scene")))

    def default_crops(self, records: Sequence[ImageRecord]) -> int:
        """Return the crops in an epoch if the user gives none: as many as fit side by side."""
        area = self.crop_size[0] * self.crop_size[1]
        return sum(max(1, round(record.height * record.width / area)) for record in records)

    def measure_statistics(self) -> dict[str, Statistics]:
        """Compute the statistics of every pixel of the training split that is not missing."""
        found = compute_statistics(self.records("train"), self.cache, self.sensor)
        if hardly_above_zero(found, self.sensor.scale):
            warnings.warn(
                f"The training images hardly exceed 1 (means {', '.join(f'{mean:.3g}' for mean in found.mean)}), but "
                f"their full scale is {self.sensor.scale:g}. If they hold values from 0 to 1, set `scale: 1`.",
                stacklevel=2,
            )
        return {"image": found}

    @property
    def sensors(self) -> dict[str, Sensor]:  # type: ignore[override]
        """The sensor of the images, by their name in a batch."""
        return {"image": self.sensor}

    @property
    def targets(self) -> Targets | None:  # type: ignore[override]
        """What the masks teach; None where there are images to predict alone."""
        if not hasattr(self, "class_map"):
            return None
        known = self.class_map
        return Targets("mask", known.names, known.palette or (), IGNORE_INDEX, known.codes)

    def sample_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shape of training crops."""
        return {"image": (len(self.sensor), *self.crop_size)}

    def training_samples(self, records: Sequence[ImageRecord]) -> CropDataset:
        """Return random crops."""
        length = self.crops_per_epoch or self.default_crops(records)
        jitter = self.jitter if self.augment else None
        zoom = self.zoom if self.augment and self.zoom != (1.0, 1.0) else None
        weights = self._weights(records)
        return CropDataset(records, self.cache, self.sensor, self.crop_size, length, jitter, self.seed, zoom, weights)

    def _weights(self, records: Sequence[ImageRecord]) -> list[float]:
        """Return each record's share of the training crops, up to a common factor."""
        areas = [float(record.height * record.width) for record in records]
        if self.crops_by == "area":
            return areas
        if self.crops_by == "image":
            return [1.0] * len(records)
        scenes, total = [self.scene_of(record) for record in records], defaultdict[str, float](float)
        for scene, area in zip(scenes, areas, strict=True):
            total[scene] += area
        return [area / total[scene] for scene, area in zip(scenes, areas, strict=True)]

    def evaluation_samples(self, records: Sequence[ImageRecord]) -> GridDataset:
        """Return the windows of a regular grid; where there are no masks, all pixels are ignored."""
        return GridDataset(records, self.cache, self.crop_size)

    def prediction_samples(self, records: Sequence[ImageRecord]) -> TileDataset:
        """Return overlapping windows, as a map is made of."""
        return TileDataset(records, self.cache, self.tile_size or self.crop_size)
