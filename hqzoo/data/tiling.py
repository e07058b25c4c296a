"""Where overlapping windows lie and how much each counts: smooth weights that sum to one at every pixel.

Every blended prediction (``hqzoo map``, ``hqzoo predict``, ``task.predict``, a blended test) is cut and put together by
this one rule. The papers do not say how whole images are predicted: overlap and weights are a CHOICE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["OVERLAP", "Axis", "Grid"]

OVERLAP = 0.5
"""Least share of a window that its neighbour covers too, unless told otherwise. Half of a window along both axes means
that every pixel is predicted four times."""


@dataclass(frozen=True)
class Axis:
    """Overlapping windows along one axis of a scene.

    All windows lie inside the scene and are spread evenly, so that the last one sees real pixels instead of
    padding; only where the scene is smaller than one window does the single window reach beyond its end.

    Args:
        size: Length of the scene along this axis, in pixels.
        window: Side of a window, in pixels.
        overlap: Least share of a window that its neighbour covers too, in [0, 1).
    """

    size: int
    window: int
    overlap: float

    @cached_property
    def stride(self) -> int:
        """Largest distance of two neighbouring windows, in pixels."""
        return max(1, round(self.window * (1 - self.overlap)))

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First pixel of every window, ascending."""
        span = max(0, self.size - self.window)
        steps = max(1, math.ceil(span / self.stride))
        return tuple(sorted({step * span // steps for step in range(steps + 1)}))

    def weights(self, offset: int) -> NDArray[np.float32]:
        """Return the weights (window,) of the window at ``offset``; over all windows they sum to one."""
        share = self._taper / self._coverage[offset : offset + self.window]
        return share.astype(np.float32)

    @cached_property
    def _taper(self) -> NDArray[np.float64]:
        # Raised cosine over the part that is shared with a neighbour, one in between. Never zero: the
        # outermost pixels of a scene are seen by one window only.
        ramp = min(self.window - self.stride, self.window // 2)
        taper = np.ones(self.window)
        rise = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / max(ramp, 1)) ** 2
        taper[:ramp] = rise
        taper[self.window - ramp :] = rise[::-1]
        return taper

    @cached_property
    def _coverage(self) -> NDArray[np.float64]:
        coverage = np.zeros(max(self.size, self.window))
        for offset in self.offsets:
            coverage[offset : offset + self.window] += self._taper
        return coverage


@dataclass(frozen=True)
class Grid:
    """All windows of a scene.

    Args:
        rows: Windows along the scene's height.
        columns: Windows along the scene's width.
    """

    rows: Axis
    columns: Axis

    @classmethod
    def over(cls, height: int, width: int, window: tuple[int, int], overlap: float = OVERLAP) -> Grid:
        """Return the grid over a scene of ``height`` times ``width`` pixels, see :class:`Axis`.

        Args:
            height: Rows of the scene.
            width: Columns of the scene.
            window: Height and width of a window, in pixels.
            overlap: Least share of a window that its neighbour covers too, in [0, 1).
        """
        return cls(Axis(height, window[0], overlap), Axis(width, window[1], overlap))

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of a window, in pixels."""
        return self.rows.window, self.columns.window

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.rows.offsets) * len(self.columns.offsets)

    def places(self, strip: tuple[int, int]) -> list[tuple[int, int]]:
        """Return row and column of every window that touches a strip of columns, row by row."""
        columns = self._touching(strip)
        return [(row, column) for row in self.rows.offsets for column in columns]

    def reach(self, strip: tuple[int, int]) -> tuple[int, int]:
        """Return the first column that those windows see and the column behind their last."""
        columns = self._touching(strip)
        return columns[0], min(columns[-1] + self.columns.window, self.columns.size)

    def strips(self, width: int) -> list[tuple[int, int]]:
        """Cut the scene into strips of ``width`` columns: first column and column behind the last of each."""
        end = self.columns.size
        return [(left, min(left + width, end)) for left in range(0, end, width)]

    def weights(self, row: int, column: int) -> NDArray[np.float32]:
        """Return the blending weights (height, width) of one window; over all windows they sum to one."""
        return np.outer(self.rows.weights(row), self.columns.weights(column))

    def _touching(self, strip: tuple[int, int]) -> list[int]:
        left, right = strip
        return [column for column in self.columns.offsets if left - self.columns.window < column < right]
