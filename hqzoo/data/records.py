"""One image of a data set with its mask, wherever it lies, and the memory that keeps decoded ones."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data.labels import IGNORE_INDEX

__all__ = ["ArrayRecord", "Record", "RecordCache", "Window"]

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.uint8]
Missing = npt.NDArray[np.bool_]


class Window(NamedTuple):
    """A rectangle of an image in pixels."""

    row: int
    col: int
    height: int
    width: int

    def of(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the view of ``array (..., H, W)`` inside this window."""
        return array[..., self.row : self.row + self.height, self.col : self.col + self.width]


class Record(ABC):
    """One image with its mask. Data sets derive from it when their files need a reader of their own.

    Args:
        name: Name of the image, unique in its data set; maps and reports carry it.
        height: Height in pixels.
        width: Width in pixels.
    """

    def __init__(self, name: str, height: int, width: int) -> None:
        self.name, self.height, self.width = name, height, width

    @abstractmethod
    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read the image and its mask.

        Args:
            window: Part to read; None for all of it.

        Returns:
            Image ``(C, H, W)`` of any real dtype in the sensor's unit, and class indices ``(H, W)`` uint8 in
            ``0..K-1`` or ``IGNORE_INDEX`` (None where the image has no mask).

        Raises:
            DataError: If a file is missing, damaged, or does not fit the others; the message names the file.
        """

    def missing(self, window: Window | None = None) -> Missing | None:
        """Tell where the image has no measurement, as its files declare it: nodata, masks, transparency.

        :meth:`read` returns such pixels filled with a plausible value, and ignored in the mask. Not every ignored pixel
        is missing: a pixel without a label still counts in statistics.

        Args:
            window: Part to look at; None for all of it.

        Returns:
            True where missing, ``(H, W)``; None where nothing is, which data sets without such declarations leave
            it at.
        """
        return None


class ArrayRecord(Record):
    """An image that is already in memory.

    Args:
        name: Name of the image.
        image: Image ``(C, H, W)`` in the sensor's unit.
        mask: Class indices ``(H, W)`` uint8, or None.
    """

    def __init__(self, name: str, image: Image, mask: Mask | None = None) -> None:
        super().__init__(name, *image.shape[-2:])
        self.image, self.mask = image, mask

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Return views of the arrays."""
        if window is None:
            return self.image, self.mask
        return window.of(self.image), None if self.mask is None else window.of(self.mask)


class RecordCache:
    """Keeps decoded images in memory up to a limit; what does not fit is read again each time.

    Nothing is thrown out: crops visit images in random order, where evicting the oldest would only add work.
    Worker processes that are forked share what was decoded before; each decodes the rest for itself.

    Args:
        limit: Bytes to keep at most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._kept: dict[Record, tuple[Image, Mask]] = {}
        self._density: dict[Record, int] = {}  # bytes per pixel of the records that were read, whole or in part
        self._densest = math.inf  # of those; before the first read, no record is known to fit

    def read(self, record: Record, window: Window) -> tuple[Image, Mask]:
        """Return image ``(C, h, w)`` and mask ``(h, w)`` of a window that lies inside the record.

        A record without mask is ignored everywhere.
        """
        if kept := self._kept.get(record):
            return window.of(kept[0]), window.of(kept[1])
        whole = Window(0, 0, record.height, record.width)
        if window != whole and not self._fits(record):
            image, mask = _with_mask(*record.read(window))
            self._learn(record, image, mask)
            if not self._fits(record):
                return image, mask
        image, mask = _with_mask(*record.read())
        self._learn(record, image, mask)
        if self._fits(record):
            self._kept[record] = image, mask
            self.used += image.nbytes + mask.nbytes
        return window.of(image), window.of(mask)

    def _fits(self, record: Record) -> bool:
        density = self._density.get(record, self._densest)
        return self.used + density * record.height * record.width <= self.limit

    def _learn(self, record: Record, image: Image, mask: Mask) -> None:
        """Remember how large a record is, so that it is read whole in vain once at most."""
        density = (image.nbytes + mask.nbytes) // mask.size
        self._density[record] = density
        self._densest = density if math.isinf(self._densest) else max(density, self._densest)

    def __getstate__(self) -> dict[str, Any]:
        return vars(RecordCache(self.limit))  # spawned workers get an empty memory, not a copy


def _with_mask(image: Image, mask: Mask | None) -> tuple[Image, Mask]:
    if mask is None:
        return image, np.full(image.shape[-2:], IGNORE_INDEX, np.uint8)
    return image, mask
