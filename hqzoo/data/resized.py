"""An image of a data set in another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqzoo.data.records import Image, ImageRecord, Mask, Missing, Record, Window

__all__ = ["Resized", "ResizedWhole", "resize_image", "resize_mask"]


class Resized(ImageRecord):
    """A record resized to a fixed height and width, whatever its proportions.

    Args:
        record: The record as its files hold it.
        size: Height and width to resize to, in pixels.
    """

    def __init__(self, record: ImageRecord, size: tuple[int, int]) -> None:
        super().__init__(record.name, *size)
        self.record = record

    @property
    def source(self) -> Record:
        """The record in its own size."""
        return self.record.source

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read and resize the image and its mask; a window is one of the resized image."""
        image, mask = self.record.read()
        image = resize_image(image, (self.height, self.width))
        if mask is not None:
            mask = resize_mask(mask, (self.height, self.width))
        if window is None:
            return image, mask
        return window.of(image), None if mask is None else window.of(mask)

    def missing(self, window: Window | None = None) -> Missing | None:
        """Tell which pixels have their centre on a missing one; what was filled there bleeds into their neighbours."""
        missing = self.record.missing()
        if missing is None:
            return None
        resized = resize_mask(missing.view(np.uint8), (self.height, self.width)).view(np.bool_)
        return resized if window is None else window.of(resized)


class ResizedWhole(Record):
    """A record of whole images resized to a fixed height and width; what else it holds stays as it is.

    Args:
        record: The record as its files hold it.
        size: Height and width to resize to, in pixels.
        images: Names of its images.
    """

    def __init__(self, record: Record, size: tuple[int, int], images: Sequence[str]) -> None:
        super().__init__(record.name)
        self.record, self.size, self.images = record, size, tuple(images)

    @property
    def source(self) -> Record:
        """The record in its own size."""
        return self.record.source

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Read everything, and resize the images."""
        found = self.record.arrays()
        return {name: resize_image(each, self.size) if name in self.images else each for name, each in found.items()}


def resize_image(image: Image, size: tuple[int, int]) -> Image:
    """Resize each band with Pillow's bilinear filter, which averages where it makes smaller.

    Args:
        image: Image ``(C, H, W)`` of any real dtype.
        size: Height and width.

    Returns:
        Image ``(C, *size)`` of the same dtype, integers rounded; the same array if it has that size already.
    """
    return image if image.shape[1:] == size else np.stack([_resize_band(band, size) for band in image])


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Give each pixel of the new size the class of the old one that holds its centre.

    In whole numbers: where a centre falls on the border of two pixels, rounding of floats must not decide.

    Args:
        mask: Class indices ``(H, W)`` uint8.
        size: Height and width.
    """
    rows, cols = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, mask.shape, strict=True))
    return mask if mask.shape == size else mask[np.ix_(rows, cols)]


def _resize_band(band: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    plain = band if band.dtype == np.uint8 else band.astype(np.float32)  # the two kinds that Pillow resizes
    resized = np.asarray(Pillow.fromarray(plain).resize(size[::-1], Pillow.Resampling.BILINEAR))
    if band.dtype == np.uint8:
        return resized  # Pillow rounds
    return (np.rint(resized) if band.dtype.kind in "ui" else resized).astype(band.dtype)
