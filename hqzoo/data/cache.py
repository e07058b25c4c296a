"""Keeps decoded images for all workers of a process together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from hqzoo.data.records import Image, ImageRecord, Mask, Record, Window

__all__ = ["RecordCache"]

Arrays = dict[str, npt.NDArray[Any]]


class RecordCache:
    """Keeps decoded images in memory up to a limit; what does not fit is read again each time.

    Args:
        limit: Bytes to keep at most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._kept: dict[Record, Arrays] = {}
        self._density: int | None = None

    def make_room(self, records: Sequence[Record]) -> None:
        """Prepare for records."""

    def read(self, record: Record) -> Arrays:
        """Return the arrays of a record."""
        if record in self._kept:
            return self._kept[record]
        arrays = record.arrays()
        size = sum(array.nbytes for array in arrays.values())
        if self.used + size <= self.limit:
            self._kept[record] = arrays
            self.used += size
        return arrays

    def read_window(self, record: ImageRecord, window: Window) -> tuple[Image, Mask]:
        """Return image ``(C, h, w)`` and mask ``(h, w)`` of a window that lies inside the record."""
        arrays = self.read(record)
        return window.of(arrays["image"]), window.of(arrays["mask"])

    def __getstate__(self) -> dict[str, Any]:
        return vars(RecordCache(self.limit))
