"""From a scene of any size to a georeferenced class map, in memory that does not grow with the scene."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hqzoo.errors import ConfigError, SensorError
from hqzoo.models import as_model
from hqzoo.scenes.canvas import Canvas, Write
from hqzoo.scenes.content import class_content, class_pixels, probability_content, probability_pixels
from hqzoo.scenes.fitting import check_scene
from hqzoo.scenes.inference import Predict, evaluating, find_device
from hqzoo.scenes.output import TILE, GeoTiff, write_together
from hqzoo.scenes.rows import MAX_ROWS, RowBuffer
from hqzoo.scenes.scene import Scene, open_scene
from hqzoo.scenes.windows import Grid

if TYPE_CHECKING:
    from hqzoo.tasks.base import Task

__all__ = ["map_scene"]

_Window = tuple[int, int, NDArray[np.float32], NDArray[np.bool_]]
"""Row, column, image (C, side, side) and valid pixels (h, w)."""

DEFAULT_WINDOW = 256
"""Side of the windows for models that take any size, in pixels (CHOICE)."""

BAND_MEMORY = 256 * 2**20
"""Bytes that the rows in progress may take; wider scenes are mapped in vertical strips."""


def map_scene(
    task: Task,
    scene: Path | str,
    output: Path | str,
    *,
    window: int | None = None,
    overlap: float = 0.5,
    batch_size: int = 16,
    probabilities: Path | str | None = None,
    probability_dtype: str = "float32",
    device: str = "cpu",
    progress: bool = True,
) -> None:
    """Map a raster through overlapping windows whose class probabilities are blended smoothly.

    The map is a tiled, compressed GeoTIFF on the scene's grid (CRS, transform, GCPs, RPCs): one uint8 band of
    class indices with colour table and class names, 255 where the scene is missing (nodata, alpha 0, masked).
    Files get their names only when they are complete. The paper does not say how whole scenes are mapped:
    window, overlap and blending (raised cosine, of softmax probabilities) are a CHOICE.

    Args:
        task: Trained task; it is moved to ``device`` and stays there.
        scene: Raster of any size, with the bands and in the unit of ``task.sensor``.
        output: Map to write, ``*.tif``.
        window: Side of the windows, in pixels; ``None``: the size that the model takes, or 256.
        overlap: Least share of a window that its neighbour covers too, in [0, 1).
        batch_size: Windows predicted at once.
        probabilities: Second file to write, with one band of probabilities per class.
        probability_dtype: ``"float32"`` (missing: NaN) or ``"uint8"`` (0 to 254, GDAL scale 1/254, missing:
            255).
        device: Where the model runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"`` for an
            accelerator if there is one.
        progress: Show a progress bar on stderr.

    Raises:
        ConfigError: If an argument does not make sense.
        SensorError: If bands, unit or values of the scene do not fit the model.
        SceneError: If the scene cannot be read, or a file cannot be written (nothing half-written is left).
    """
    if task.sensor is None or task.classes is None:
        raise SensorError("The task does not know its sensor and classes: load it from a checkpoint of `hqzoo fit`.")
    side = _window_side(task, window)
    _check_arguments(overlap, batch_size, output, probabilities)
    where = find_device(device)
    contents = {Path(output): class_content(task.classes, task.palette)}
    if probabilities is not None:
        contents[Path(probabilities)] = probability_content(task.classes, probability_dtype)

    with open_scene(scene, task.sensor) as source:
        check_scene(source, task.sensor)
        files = [GeoTiff(path, content, source) for path, content in contents.items()]

        def write(row: int, column: int, blended: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
            files[0].write(row, column, class_pixels(blended, valid))
            for file in files[1:]:
                file.write(row, column, probability_pixels(blended, valid, probability_dtype))

        grid = Grid.over(source.height, source.width, side, overlap)
        with evaluating(task, len(task.classes), where) as predict, write_together(*files):
            _map(source, grid, len(task.classes), predict, batch_size, write, progress)


def _map(
    scene: Scene,
    grid: Grid,
    num_classes: int,
    predict: Predict,
    batch_size: int,
    write: Write,
    progress: bool,
) -> None:
    strips = grid.strips(_strip_width(scene, grid.window, num_classes))
    total = sum(len(grid.places(strip)) for strip in strips)
    with _progress_bar(Path(scene.path).name, total, progress) as advance:
        for strip in strips:
            canvas = Canvas(num_classes, scene.height, strip, grid.window, TILE, write)
            for seen, batch in _batches(scene, grid, strip, batch_size):
                if batch:
                    predicted = predict(np.stack([image for _, _, image, _ in batch]))
                    for (row, column, _, valid), probabilities in zip(batch, predicted, strict=True):
                        canvas.add(row, column, probabilities * grid.weights(row, column), valid)
                advance(seen)
            canvas.finish()


def _batches(scene: Scene, grid: Grid, strip: tuple[int, int], batch_size: int) -> Iterator[tuple[int, list[_Window]]]:
    """Yield how many windows were looked at, and up to ``batch_size`` of them that have valid pixels."""
    buffer = RowBuffer(scene, grid.reach(strip))
    seen, batch = 0, []
    for row, column in grid.places(strip):
        image, valid = buffer.window(row, column, grid.window)
        seen += 1
        if image is not None:
            batch.append((row, column, image, valid))
        if len(batch) == batch_size:
            yield seen, batch
            seen, batch = 0, []
    yield seen, batch


def _strip_width(scene: Scene, window: int, num_classes: int) -> int:
    """Return how many columns can be in progress at once, a multiple of the tile's side."""
    rows_read = window + min(scene.block_height, MAX_ROWS)
    per_pixel = len(scene.bands) * scene.dtype.itemsize + 1
    rows_blended = window + 2 * TILE  # those that leave are copied once
    per_column = rows_read * per_pixel + rows_blended * (4 * num_classes + 1)
    # Windows that cross the border of two strips are predicted twice: strips of several windows keep them
    # few.
    return max(BAND_MEMORY // per_column, 8 * window, TILE) // TILE * TILE


def _window_side(task: Task, window: int | None) -> int:
    model = as_model(task.model)
    needed, multiple = model.input_size, math.lcm(*model.size_multiple)
    usual = needed or -(-DEFAULT_WINDOW // multiple) * multiple
    side = usual if window is None else window
    if needed is not None and side != needed:
        raise ConfigError(f"The model takes windows of {needed} pixels, not {side}: leave the window out.")
    if needed is None and (side < multiple or side % multiple):
        raise ConfigError(f"The side of a window is a multiple of {multiple} pixels, got {side}.")
    return side


def _check_arguments(overlap: float, batch_size: int, output: Path | str, probabilities: Path | str | None) -> None:
    if not 0 <= overlap < 1:
        raise ConfigError(f"The overlap is a share in [0, 1), got {overlap}. Half of a window: 0.5.")
    if batch_size < 1:
        raise ConfigError(f"The batch size is at least 1, got {batch_size}.")
    if probabilities is not None and Path(probabilities).absolute() == Path(output).absolute():
        raise ConfigError(f"Map and probabilities cannot both be written to {output}: choose two names.")


@contextmanager
def _progress_bar(name: str, total: int, show: bool) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("windows"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task(f"mapping {name}", total=total)
        yield lambda seen: bar.advance(task, seen)
