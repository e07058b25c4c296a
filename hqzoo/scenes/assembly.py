"""Whole images put together from a stream of batches of their overlapping windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hqzoo.data.tiling import Grid
from hqzoo.errors import DataError
from hqzoo.scenes.canvas import Canvas, Write

__all__ = ["Assembly", "Tile", "tiles_of"]

KEYS = ("scene", "row", "col", "height", "width", "overlap", "valid")


@dataclass(frozen=True)
class Tile:
    """One window of a batch, and where it belongs.

    Args:
        scene: Name of its image.
        row: First row in the image.
        col: First column in the image.
        grid: All windows of the image.
        valid: Pixels ``(h, w)`` of the window that lie inside the image and are measured.
        index: Its place in the batch.
    """

    scene: str
    row: int
    col: int
    grid: Grid
    valid: NDArray[np.bool_]
    index: int


class Assembly:
    """One image in the making; its windows come from top to bottom.

    Args:
        grid: All its windows.
        num_classes: Number of classes K.
        step: Rows that are handed over together.
        write: Takes every finished part.
    """

    def __init__(self, grid: Grid, num_classes: int, step: int, write: Write) -> None:
        height, width = grid.rows.size, grid.columns.size
        self._canvas = Canvas(num_classes, height, (0, width), grid.window[0], step, write)
        self._left = len(grid)

    def add(self, tile: Tile, probabilities: NDArray[np.float32]) -> bool:
        """Blend a window in; return whether it was the last one, and the image is handed over.

        Args:
            tile: The window.
            probabilities: Its class probabilities ``(K, height, width)``.
        """
        self._canvas.add(tile.row, tile.col, probabilities, tile.grid.weights(tile.row, tile.col), tile.valid)
        self._left -= 1
        if self._left == 0:
            self._canvas.finish()
        return self._left == 0


def tiles_of(batch: Mapping[str, Any], window: tuple[int, int]) -> Iterator[Tile]:
    """Yield the windows of a batch.

    Args:
        batch: What :class:`hqzoo.data.tiles.TileDataset` gives.
        window: Height and width of its windows.

    Raises:
        DataError: If the batch does not say where its windows come from.
    """
    if absent := [key for key in KEYS if key not in batch]:
        raise DataError(
            "Whole images are put together from windows that say where they come from: batches must have the keys "
            f"{', '.join(KEYS)}. Without {', '.join(absent)}, got {', '.join(sorted(batch))}."
        )
    for index, scene in enumerate(batch["scene"]):
        row, col, height, width = (int(batch[key][index]) for key in ("row", "col", "height", "width"))
        valid: Tensor = batch["valid"][index, : height - row, : width - col]
        grid = Grid.over(height, width, window, float(batch["overlap"][index]))
        yield Tile(str(scene), row, col, grid, valid.cpu().numpy(), index)
