"""The rows of a map in progress: windows are blended into it, finished rows leave it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["TILE", "Canvas", "Write"]

TILE = 256
"""Side of the tiles of the files that are written, in pixels."""

Write = Callable[[int, int, NDArray[np.float32], NDArray[np.bool_]], None]
"""Takes the first row, the first column, probabilities (K, h, w) and valid pixels (h, w) of a part."""


class Canvas:
    """Blended class probabilities of one strip of a map, as many rows as windows still reach.

    Rows leave in steps of the map's tile height, so that every tile of the file is compressed and written
    once.

    Args:
        num_classes: Number of classes K.
        height: Rows of the whole map.
        columns: First column of the strip and the column behind its last.
        window: Height of a window, in pixels.
        step: Rows that leave together.
        write: Called with every finished part, from top to bottom.
    """

    def __init__(
        self, num_classes: int, height: int, columns: tuple[int, int], window: int, step: int, write: Write
    ) -> None:
        self._height = height
        self._left, self._right = columns
        self._step = step
        self._write = write
        self._top = 0
        width = self._right - self._left
        self._sums = np.zeros((num_classes, window + step, width), dtype=np.float32)
        self._weighted = np.empty((num_classes, 0, 0), dtype=np.float32)
        self._valid = np.zeros((window + step, width), dtype=bool)

    def add(
        self,
        row: int,
        column: int,
        probabilities: NDArray[np.float32],
        weights: NDArray[np.float32],
        valid: NDArray[np.bool_],
    ) -> None:
        """Blend one window in; windows must come from top to bottom.

        Args:
            row: First row of the window in the scene.
            column: First column of the window in the scene.
            probabilities: Class probabilities of the window (K, height, width).
            weights: Its blending weights (height, width).
            valid: Valid pixels (h, w) of the window's part inside the scene.
        """
        self.advance(row)
        height, width = valid.shape
        first, last = max(column, self._left), min(column + width, self._right)
        rows = slice(row - self._top, row - self._top + height)
        there = slice(first - self._left, last - self._left)
        here = slice(first - column, last - column)
        if self._weighted.shape != probabilities.shape:
            self._weighted = np.empty(probabilities.shape, dtype=np.float32)
        np.multiply(probabilities, weights, out=self._weighted)
        self._sums[:, rows, there] += self._weighted[:, :height, here]
        self._valid[rows, there] = valid[:, here]

    def advance(self, row: int) -> None:
        """Write the rows above ``row``, to which no further window reaches."""
        while self._top + self._step <= row:
            self._leave(self._step)

    def finish(self) -> None:
        """Write all remaining rows."""
        while self._top < self._height:
            self._leave(min(self._step, self._height - self._top))

    def _leave(self, rows: int) -> None:
        self._write(self._top, self._left, self._sums[:, :rows], self._valid[:rows])
        for values in (self._sums, self._valid):
            values[..., :-rows, :] = values[..., rows:, :]
            values[..., -rows:, :] = 0
        self._top += rows
