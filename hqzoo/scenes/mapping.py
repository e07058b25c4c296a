"""From a scene of any size to a georeferenced class map, in memory that does not grow with the scene."""

from __future__ import annotations

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

from hqzoo.data.tiling import OVERLAP, Grid
from hqzoo.errors import ConfigError
from hqzoo.scenes.blending import BATCH, blend, check_blending, count_windows
from hqzoo.scenes.content import ClassPixels, class_content, probability_content, probability_pixels
from hqzoo.scenes.fitting import check_scene
from hqzoo.scenes.inference import evaluating, find_device, find_window, known_data
from hqzoo.scenes.output import GeoTiff, write_together
from hqzoo.scenes.scene import open_scene

if TYPE_CHECKING:
    from hqzoo.tasks.base import Task

__all__ = ["map_scene"]


def map_scene(
    task: Task,
    scene: Path | str,
    output: Path | str,
    *,
    window: int | tuple[int, int] | None = None,
    overlap: float = OVERLAP,
    batch_size: int = BATCH,
    probabilities: Path | str | None = None,
    probability_dtype: str = "float32",
    codes: bool = True,
    device: str = "cpu",
    precision: str | None = None,
    progress: bool = True,
) -> None:
    """Map a raster through overlapping windows whose class probabilities are blended smoothly.

    The map is a tiled, compressed GeoTIFF with overviews on the scene's grid (CRS, transform, GCPs, RPCs): one band of
    class numbers with colour table and class names, and a nodata value (255 where it is free) where the scene is
    missing (nodata, alpha 0, masked). Files get their names only when they are complete. The paper does not say how
    whole scenes are mapped: window, overlap and blending (raised cosine, of softmax probabilities) are a CHOICE.

    Args:
        task: Trained task; it is moved to ``device`` and stays there.
        scene: Raster of any size, with the bands and in the unit of ``task.sensor``.
        output: Map to write, ``*.tif``.
        window: Side of the windows, or height and width, in pixels; ``None``: the size that the model takes, else the
            one that it was trained on, else 256.
        overlap: Least share of a window that its neighbour covers too, in [0, 1).
        batch_size: Windows predicted at once.
        probabilities: Second file to write, with one band of probabilities per class.
        probability_dtype: ``"float32"`` (missing: NaN) or ``"uint8"`` (0 to 254, GDAL scale 1/254, missing:
            255).
        codes: Keep the codes of the classes, where the masks of the training data had such; else class indices.
        device: Where the model runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"`` for an
            accelerator if there is one.
        precision: ``"float32"``, ``"bfloat16"`` or ``"float16"``; ``None``: the one that the task was trained in.
        progress: Show a progress bar on stderr.

    Raises:
        ConfigError: If an argument does not make sense.
        SensorError: If bands, unit or values of the scene do not fit the model.
        SceneError: If the scene cannot be read, or a file cannot be written (nothing half-written is left).
    """
    (sensor, classes), size = known_data(task), find_window(task, window)
    check_blending(overlap, batch_size)
    if probabilities is not None and Path(probabilities).absolute() == Path(output).absolute():
        raise ConfigError(f"Map and probabilities cannot both be written to {output}: choose two names.")
    where = find_device(device)
    pixels = ClassPixels.of(len(classes), task.targets.values if codes and task.targets else None)
    contents = {Path(output): class_content(classes, task.palette, pixels)}
    if probabilities is not None:
        contents[Path(probabilities)] = probability_content(classes, probability_dtype)

    with open_scene(scene, sensor) as source:
        check_scene(source, sensor)
        files = [GeoTiff(path, content, source) for path, content in contents.items()]

        def write(row: int, column: int, blended: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
            files[0].write(row, column, pixels.of_probabilities(blended, valid))
            for file in files[1:]:
                file.write(row, column, probability_pixels(blended, valid, probability_dtype))

        grid = Grid.over(source.height, source.width, size, overlap)
        total = count_windows(source, grid, len(classes))
        with (
            evaluating(task, len(classes), where, precision) as predict,
            write_together(*files),
            _progress_bar(Path(source.path).name, total, progress) as advance,
        ):
            blend(source, grid, len(classes), predict, batch_size, write, advance)


@contextmanager
def _progress_bar(name: str, total: int, show: bool) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("windows"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task(f"mapping {name}", total=total)
        yield lambda seen: bar.advance(task, seen)
