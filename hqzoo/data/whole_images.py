"""Data sets whose images are resized to one size and go into the network whole."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hqzoo.data.faults import Refused, refuse
from hqzoo.data.files.listing import some
from hqzoo.data.files.readers import FileRecord, check_pair, read_header
from hqzoo.data.records import ImageRecord
from hqzoo.data.resized import Resized
from hqzoo.data.segmentation import SegmentationDataModule, Split
from hqzoo.data.sensor import Statistics
from hqzoo.data.splits import ALL, Fold
from hqzoo.data.windows import as_size
from hqzoo.errors import ConfigError, DataError

__all__ = ["WholeImagesDataModule"]


class WholeImagesDataModule(SegmentationDataModule):
    """Images of one size, divided by folds: ``fold`` is tested, all others train, and none validates.

    The best epoch is chosen on the fold that is reported by many a published loop; here ``inner_val`` takes a part of
    the training images for it.

    Args:
        size: Height and width that images (bilinear) and masks (nearest) are resized to.
        crop_size: Height and width of training crops and evaluation windows. None: the whole image.
        augment: Whether training images are augmented.
        drop_last: Whether a smaller last training batch is left out.
        standardise: Whether images are normalised by the mean and deviation of each band; else divided by their full
            scale, as the Qu-Net authors do.
        **kwargs: Arguments of :class:`SegmentationDataModule`: ``batch_size``, ``seed``, ...
    """

    published_images: int
    """Number of images of the published data set."""

    def __init__(
        self,
        size: tuple[int, int],
        crop_size: int | tuple[int, int] | None = None,
        augment: bool = False,
        drop_last: bool = False,
        standardise: bool = False,
        **kwargs: Any,  # noqa: ANN401 - the base's arguments, which parsers resolve
    ) -> None:
        self.size, self.standardise = as_size("size", size), standardise
        crop_size = self.size if crop_size is None else crop_size
        super().__init__(crop_size=crop_size, augment=augment, drop_last=drop_last, **kwargs)

    @abstractmethod
    def find_images(self) -> Mapping[str, ImageRecord]:
        """Return all images in their own size by name.

        Raises:
            DataError: If there are none, or masks are missing.
        """

    @abstractmethod
    def assign(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the split of every image: ``"train"``, ``"val"`` or ``"test"``."""

    def load_records(self, split: Split) -> Sequence[ImageRecord]:
        """Return the images of a split, resized."""
        return [
            Resized(record, self.size) for name, record in self._images.items() if self._assigned.get(name) == split
        ]

    def compute_statistics(self) -> dict[str, Statistics]:
        """Return mean and deviation of the training images, or 0 and the full scale."""
        if self.standardise:
            return super().compute_statistics()
        bands = len(self.sensor)
        return {"image": Statistics((0.0,) * bands, (self.sensor.scale,) * bands)}

    def default_crops(self, records: Sequence[ImageRecord]) -> int:
        """Return one crop an image where images are taken whole."""
        return len(records) if self.crop_size == self.size else super().default_crops(records)

    def undivided_records(self) -> Sequence[ImageRecord]:
        """Return all images in their own size."""
        return list(self._images.values())

    def incomplete(self) -> str | None:
        """Say in a sentence that the published data set has another number of images, or return None."""
        if (found := len(self._images)) == self.published_images:
            return None
        return f"The published data set has {self.published_images} images, this one {found}."

    @cached_property
    def _images(self) -> Mapping[str, ImageRecord]:
        return self.find_images()

    @cached_property
    def _assigned(self) -> Mapping[str, str]:
        assigned = self.assign(list(self._images))
        if absent := sorted(set(assigned) - set(self._images)):
            refuse(
                DataError(
                    f"{len(absent)} image(s) of the splits are missing: {some(absent)}; {self.where()}. "
                    "Get the whole data set, or correct the lists."
                )
            )
        if unlisted := sorted(set(self._images) - set(assigned)):
            warnings.warn(f"{len(unlisted)} image(s) are in no split: {some(unlisted)}; {self.where()}.", stacklevel=2)
        return assigned

    def _record(self, name: str, image: Path, mask: Path | None) -> ImageRecord:
        """Return an image file with its mask file, after a look at their headers."""
        try:
            return self._file_record(name, image, mask)
        except DataError as fault:
            refuse(fault)
            return Refused(name, image, mask, fault)

    def _file_record(self, name: str, image: Path, mask: Path | None) -> FileRecord:
        header = read_header(image)
        if mask is not None:
            check_pair(image, header, mask)
        if len(header.indexes) != len(self.sensor):
            raise DataError(
                f"The image {image} has {len(header.indexes)} band(s); {type(self).__name__} expects "
                f"{len(self.sensor)}: {', '.join(self.sensor.bands)}."
            )
        return FileRecord(name, image, mask, header, header.indexes, self.sensor, self.class_map)

    def _check_fold(self, fold: Fold, known: Sequence[int]) -> None:
        if fold != ALL and fold not in known:
            raise ConfigError(f"`fold={fold}`: there is no such fold; folds: {list(known)}.")
