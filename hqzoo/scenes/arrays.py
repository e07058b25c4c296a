"""An array of any size predicted as a scene is mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hqzoo.data.tiling import OVERLAP, Grid
from hqzoo.data.values import out_of_range, sample_windows, too_large, too_narrow
from hqzoo.errors import SensorError
from hqzoo.scenes.blending import BATCH, blend, check_blending
from hqzoo.scenes.inference import evaluating, find_window, known_data
from hqzoo.scenes.source import ArraySource

if TYPE_CHECKING:
    from hqzoo.data.sensor import Sensor
    from hqzoo.tasks.base import Task

__all__ = ["predict_array"]


def predict_array(
    task: Task,
    image: NDArray[Any],
    valid: NDArray[np.bool_] | None = None,
    *,
    window: int | tuple[int, int] | None = None,
    overlap: float = OVERLAP,
    batch_size: int = BATCH,
    precision: str | None = None,
) -> NDArray[np.float32]:
    """Return class probabilities ``(K, H, W)`` of an image ``(C, H, W)``, NaN where it is not valid.

    Args:
        task: Trained task; it stays on its device.
        image: Image in the unit of ``task.sensor``.
        valid: Pixels that are measured ``(H, W)``; None: all.
        window: See :func:`hqzoo.scenes.map_scene`, also for the following.
        overlap: See there.
        batch_size: See there.
        precision: See there.

    Raises:
        SensorError: If bands, type or values do not fit the sensor.
        ConfigError: If an argument does not make sense.
    """
    (sensor, classes), size = known_data(task), find_window(task, window)
    check_blending(overlap, batch_size)
    image = np.asarray(image)
    _check_shape(image, sensor)
    valid = np.ones(image.shape[1:], dtype=bool) if valid is None else np.asarray(valid, dtype=bool)
    if valid.shape != image.shape[1:]:
        raise SensorError(f"`valid` is {valid.shape}, but the image has {image.shape[1:]} pixels (height, width).")
    _check_values(image, valid, sensor)
    source = ArraySource(image, valid)
    probabilities = np.empty((len(classes), *valid.shape), dtype=np.float32)

    def write(row: int, column: int, blended: NDArray[np.float32], there: NDArray[np.bool_]) -> None:
        part = np.s_[row : row + there.shape[0], column : column + there.shape[1]]
        probabilities[:, part[0], part[1]] = np.where(there, blended, np.float32(np.nan))

    grid = Grid.over(source.height, source.width, size, overlap)
    with evaluating(task, len(classes), task.device, precision) as predict:
        blend(source, grid, len(classes), predict, batch_size, write)
    return probabilities


def _check_shape(image: NDArray[Any], sensor: Sensor) -> None:
    if image.ndim != 3 or len(image) != len(sensor.bands) or not image.size:
        raise SensorError(
            f"Expected an image ({len(sensor.bands)}, H, W) with the bands {', '.join(sensor.bands)}, "
            f"got {image.shape}."
        )
    if image.dtype.kind not in "uif":
        raise SensorError(f"Expected an image of real numbers in {sensor.unit}, got {image.dtype}.")


def _check_values(image: NDArray[Any], valid: NDArray[np.bool_], sensor: Sensor) -> None:
    if image.dtype.kind == "f" and not np.isfinite(image[:, valid]).all():
        raise SensorError(
            "The image holds NaN or infinity. If those pixels are missing, say so: valid=~np.isnan(image).any(0)."
        )
    samples = [(part.of(image), part.of(valid)) for part in sample_windows(*valid.shape)]
    values = np.concatenate([values[:, there].ravel() for values, there in samples])
    wrong_type = too_narrow(image.dtype, sensor.scale) or too_large(image[:, valid], sensor.scale)
    if wrong_type or out_of_range(values, sensor.scale):
        raise SensorError(
            f"The image is {image.dtype} with values from {image[:, valid].min():g} to {image[:, valid].max():g}; the "
            f"model takes {sensor.unit} with full scale {sensor.scale:g}. Bring it to that unit."
        )
