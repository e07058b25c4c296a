"""Reading a scene from top to bottom, each row once, and cutting windows out of the rows in hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqzoo.scenes.source import Source

__all__ = ["MAX_ROWS", "RowBuffer"]

MAX_ROWS = 1024
"""Most rows read at once; a file stored as a single huge block would not fit in memory otherwise."""


class RowBuffer:
    """The rows of one strip of a scene that windows still need.

    Args:
        scene: Scene to read.
        columns: First column of the strip and the column behind its last.
    """

    def __init__(self, scene: Source, columns: tuple[int, int]) -> None:
        self._scene = scene
        self._columns = columns
        self._step = min(scene.block_height, MAX_ROWS)
        width = columns[1] - columns[0]
        self._top = 0
        self._image: NDArray[Any] = np.empty((scene.depth, 0, width), dtype=scene.dtype)
        self._valid: NDArray[np.bool_] = np.empty((0, width), dtype=bool)

    def window(self, row: int, column: int, size: tuple[int, int]) -> tuple[NDArray[Any] | None, NDArray[np.bool_]]:
        """Cut one window; rows above ``row`` are forgotten, so windows must be asked for from top to bottom.

        Args:
            row: First row of the window in the scene.
            column: First column of the window in the scene.
            size: Height and width of the window, in pixels.

        Returns:
            The image (C, *size) in the sensor's unit, as the scene stores it or float32 where something was filled in,
            or ``None`` where no pixel is valid; and the valid pixels (h, w), where h and w end with the scene. Missing
            pixels hold what they hold in training, their band's mean over the scene; beyond the scene's end the image
            is reflected.
        """
        self._forget(row)
        self._read_until(min(row + size[0], self._scene.height))
        left = column - self._columns[0]
        part = np.s_[row - self._top : row - self._top + size[0], left : left + size[1]]
        valid = self._valid[part]
        if not valid.any():
            return None, valid
        image = self._image[:, part[0], part[1]]
        if not valid.all():
            image = np.where(valid, image.astype(np.float32), self._scene.fill)
        height, width = valid.shape
        if (height, width) != size:
            image = np.pad(image, ((0, 0), (0, size[0] - height), (0, size[1] - width)), mode="reflect")
        return image, valid

    def _forget(self, row: int) -> None:
        done = row - self._top
        if done > 0:
            self._image, self._valid = self._image[:, done:], self._valid[done:]
            self._top = row

    def _read_until(self, stop: int) -> None:
        have = self._top + self._valid.shape[0]
        if stop <= have:
            return
        # Whole blocks, so that none is decoded twice.
        target = min(-(-stop // self._step) * self._step, self._scene.height)
        image, valid = self._scene.read((have, target), self._columns)
        self._image = np.concatenate([self._image, image], axis=1)
        self._valid = np.concatenate([self._valid, valid])
