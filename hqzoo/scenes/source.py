"""What is predicted window by window: anything that is read in parts, such as a raster file or an array."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hqzoo.data.files.missing import fill_values

__all__ = ["ArraySource", "Source"]


class Source(Protocol):
    """An image of any size."""

    height: int
    width: int

    @property
    def depth(self) -> int:
        """Number of bands C."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored numbers."""

    @property
    def block_height(self) -> int:
        """Rows that are best read together."""

    @property
    def fill(self) -> NDArray[np.float32]:
        """What missing pixels hold, per band ``(C, 1, 1)``."""

    def read(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read from a first row and column to those behind the last: image ``(C, h, w)`` and valid pixels ``(h, w)``.

        Raises:
            HqzooError: If that part cannot be read, or holds what no model takes.
        """


class ArraySource:
    """An image in memory.

    Args:
        image: ``(C, H, W)`` in the sensor's unit.
        valid: Pixels that are measured ``(H, W)``.
    """

    def __init__(self, image: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        self._image, self._valid = image, valid
        self.depth, self.height, self.width = image.shape
        self.dtype = image.dtype
        self.block_height = self.height

    @cached_property
    def fill(self) -> NDArray[np.float32]:
        """The mean of each band over the valid pixels."""
        return fill_values(self._image, ~self._valid).astype(np.float32)

    def read(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return views of a part."""
        part = np.s_[rows[0] : rows[1], columns[0] : columns[1]]
        return self._image[:, part[0], part[1]], self._valid[part]
