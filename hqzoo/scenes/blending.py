"""From a source of any size to blended class probabilities: reading, predicting and painting beside one another.

One thread reads and cuts the windows to come, one paints and writes those that are done, and the model runs in the
caller's. Few batches are under way at a time, so memory does not grow with the source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqzoo.data.tiling import Grid
from hqzoo.errors import ConfigError
from hqzoo.scenes.canvas import TILE, Canvas, Write
from hqzoo.scenes.inference import Predict
from hqzoo.scenes.rows import MAX_ROWS, RowBuffer
from hqzoo.scenes.source import Source

__all__ = ["BATCH", "blend", "check_blending", "count_windows"]

BATCH = 16
"""Windows predicted at once, unless told otherwise."""

BAND_MEMORY = 256 * 2**20
"""Bytes that the rows in progress may take; wider scenes are mapped in vertical strips."""

UNDER_WAY = 2
"""Batches that wait to be painted."""


@dataclass(frozen=True)
class _Batch:
    """Windows that are predicted together.

    Args:
        looked_at: Windows that were looked at to find them; those without a valid pixel are left out.
        places: Row and column of each.
        images: (B, C, height, width); None where there is none.
        valid: Valid pixels (h, w) of each.
    """

    looked_at: int
    places: list[tuple[int, int]]
    images: NDArray[np.float32] | None
    valid: list[NDArray[np.bool_]]


def blend(
    source: Source,
    grid: Grid,
    num_classes: int,
    predict: Predict,
    batch_size: int,
    write: Write,
    advance: Callable[[int], None] = lambda looked_at: None,
) -> None:
    """Predict a source through overlapping windows and hand over their blended class probabilities.

    Args:
        source: What is predicted.
        grid: Its windows.
        num_classes: Number of classes K.
        predict: The model.
        batch_size: Windows predicted at once.
        write: Takes every finished part, from top to bottom, strip by strip; called in another thread.
        advance: Told how many windows were dealt with.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as painter:
        for strip in _strips(source, grid, num_classes):
            canvas = Canvas(num_classes, source.height, strip, grid.window[0], TILE, write)
            batches = _batches(source, grid, strip, batch_size)
            painted: deque[Future[None]] = deque()
            coming = reader.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = reader.submit(next, batches, None)
                if batch.images is not None:
                    painted.append(painter.submit(_paint, canvas, grid, batch, predict(batch.images)))
                while len(painted) > UNDER_WAY:
                    painted.popleft().result()
                advance(batch.looked_at)
            for each in painted:
                each.result()
            canvas.finish()


def check_blending(overlap: float, batch_size: int) -> None:
    """Refuse an overlap or a batch size that makes no sense.

    Raises:
        ConfigError: If one does not.
    """
    if not 0 <= overlap < 1:
        raise ConfigError(f"The overlap is a share in [0, 1), got {overlap}. Half of a window: 0.5.")
    if batch_size < 1:
        raise ConfigError(f"The batch size is at least 1, got {batch_size}.")


def count_windows(source: Source, grid: Grid, num_classes: int) -> int:
    """Return how many windows :func:`blend` looks at."""
    return sum(len(grid.places(strip)) for strip in _strips(source, grid, num_classes))


def _paint(canvas: Canvas, grid: Grid, batch: _Batch, predicted: NDArray[np.float32]) -> None:
    for (row, column), valid, probabilities in zip(batch.places, batch.valid, predicted, strict=True):
        canvas.add(row, column, probabilities, grid.weights(row, column), valid)


def _batches(source: Source, grid: Grid, strip: tuple[int, int], batch_size: int) -> Iterator[_Batch]:
    buffer = RowBuffer(source, grid.reach(strip))
    looked_at = 0
    places: list[tuple[int, int]] = []
    images: list[NDArray[Any]] = []
    masks: list[NDArray[np.bool_]] = []
    for row, column in grid.places(strip):
        image, valid = buffer.window(row, column, grid.window)
        looked_at += 1
        if image is not None:
            places.append((row, column))
            images.append(image)
            masks.append(valid)
        if len(images) == batch_size:
            yield _Batch(looked_at, places, _stacked(images), masks)
            looked_at, places, images, masks = 0, [], [], []
    yield _Batch(looked_at, places, _stacked(images) if images else None, masks)


def _stacked(images: list[NDArray[Any]]) -> NDArray[np.float32]:
    stacked: NDArray[np.float32] = np.stack(images, dtype=np.float32, casting="unsafe")
    return stacked


def _strips(source: Source, grid: Grid, num_classes: int) -> list[tuple[int, int]]:
    """Return the strips of columns that can be in progress at once, of a multiple of the tile's side."""
    height, width = grid.window
    rows_read = height + min(source.block_height, MAX_ROWS)
    per_pixel = source.depth * source.dtype.itemsize + 1
    rows_blended = height + 2 * TILE  # those that leave are copied once
    per_column = rows_read * per_pixel + rows_blended * (4 * num_classes + 1)
    # Windows that cross the border of two strips are predicted twice: strips of several windows keep them
    # few.
    return grid.strips(max(BAND_MEMORY // per_column, 8 * width, TILE) // TILE * TILE)
