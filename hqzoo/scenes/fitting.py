"""Does a scene fit the sensor that a model was trained on? Refusing beats a plausible map of nonsense."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hqzoo.data.files.band_names import band_colours, band_descriptions, plain_name
from hqzoo.data.files.declared import unread_colours
from hqzoo.data.values import looks_unscaled, out_of_range, sample_windows, too_narrow
from hqzoo.errors import SceneError, SensorError
from hqzoo.scenes.scene import Scene

if TYPE_CHECKING:
    from hqzoo.data.records import Window
    from hqzoo.data.sensor import Sensor

__all__ = ["check_scene"]

COARSER = 2.0
"""How many times coarser or finer than in training pixels may be (CHOICE)."""

METRES_A_DEGREE = 111_320.0  # of latitude; the sides of a pixel differ, and their geometric mean counts

SAME_UNIT = {"dn": "digital number", "digital numbers": "digital number", "decibel": "db"}


def check_scene(scene: Scene, sensor: Sensor) -> None:
    """Compare bands, their names, their type, unit, resolution and values with what the model was trained on.

    Stored values are taken as they are, as the data modules take them: a GDAL scale or offset is not applied.

    Raises:
        SensorError: If they do not fit; says what differs and how to mend it.
        SceneError: If the scene is damaged or its bands have several types.
    """
    _check_count(scene, sensor)
    _check_type(scene, sensor)
    _check_names(scene, sensor)
    _check_unit(scene, sensor)
    _check_resolution(scene, sensor)
    _check_values(scene, sensor)


def _check_count(scene: Scene, sensor: Sensor) -> None:
    if fault := unread_colours(scene.dataset, scene.path):
        raise SensorError(fault)
    if len(scene.bands) == len(sensor.bands):
        return
    remedy = "Choose the bands: gdal_translate -b 1 -b 2 ... SCENE OUT."
    counted = f"{len(scene.bands)} bands"
    if scene.alpha:
        counted += f" and an alpha band (number {scene.alpha[0]}), which is mask and not imagery"
        if len(scene.bands) + len(scene.alpha) == len(sensor.bands):
            option = f"-colorinterp_{scene.alpha[0]} undefined"
            remedy = f"If that band is imagery, say so: gdal_edit.py {option} SCENE."
    raise SensorError(
        f"The scene {scene.path} has {counted}; the model takes {len(sensor.bands)} "
        f"({', '.join(sensor.bands)}). {remedy}"
    )


def _check_type(scene: Scene, sensor: Sensor) -> None:
    types = sorted({scene.dataset.dtypes[band - 1] for band in scene.bands})
    if len(types) > 1:
        raise SceneError(
            f"The bands of the scene {scene.path} have several types ({', '.join(types)}): convert them to "
            "one with gdal_translate -ot."
        )
    dtype = scene.dtype
    if np.issubdtype(dtype, np.complexfloating):
        raise SensorError(f"The scene {scene.path} holds complex numbers ({dtype}); the model takes real ones.")
    if too_narrow(dtype, sensor.scale):
        raise SensorError(
            f"The scene {scene.path} is {dtype} (values to {np.iinfo(dtype).max}); the model takes {sensor.unit} with "
            f"full scale {sensor.scale:g}. Bring the scene to that unit: gdal_translate -ot TYPE -scale "
            "FROM0 FROM1 TO0 TO1 SCENE OUT."
        )


def _check_names(scene: Scene, sensor: Sensor) -> None:
    expected = [plain_name(name) for name in sensor.bands]
    described = [plain_name(name) for name in band_descriptions(scene.dataset, scene.bands)]
    coloured = list(band_colours(scene.dataset, scene.bands))
    # Descriptions are written by somebody; colours are often GDAL's default for three bands, so they count
    # only where they name exactly the sensor's bands. Names of another vocabulary (B4 for red) tell nothing.
    names = described if set(described) & set(expected) else coloured
    if names is coloured and set(names) != set(expected):
        return
    wrong = [number for number, name in enumerate(names) if name and name != expected[number]]
    if wrong:
        number = wrong[0]
        raise SensorError(
            f"Band {scene.bands[number]} of the scene {scene.path} is '{names[number]}'; the model expects "
            f"'{expected[number]}' there, in all: {', '.join(sensor.bands)}. Reorder the bands: "
            "gdal_translate -b ... SCENE OUT."
        )


def _check_unit(scene: Scene, sensor: Sensor) -> None:
    for band in scene.bands:
        unit = scene.dataset.units[band - 1]
        if unit and _unit_name(unit) != _unit_name(sensor.unit):
            raise SensorError(
                f"Band {band} of the scene {scene.path} is in '{unit}'; the model takes '{sensor.unit}'. "
                f"Convert it, or if both mean the same, rename it: gdal_edit.py -units '{sensor.unit}' SCENE."
            )


def _check_resolution(scene: Scene, sensor: Sensor) -> None:
    pixel = _pixel_metres(scene)
    if sensor.gsd is None or pixel is None or 1 / COARSER <= pixel / sensor.gsd <= COARSER:
        return
    raise SensorError(
        f"A pixel of the scene {scene.path} is {pixel:.3g} m wide; the model was trained on pixels of {sensor.gsd:g} m "
        f"and is not asked about others than {sensor.gsd / COARSER:g} to {sensor.gsd * COARSER:g} m. Resample the "
        f"scene: gdalwarp -tr {sensor.gsd:g} {sensor.gsd:g} -r {'bilinear' if pixel > sensor.gsd else 'average'} SCENE "
        "OUT (in metres)."
    )


def _pixel_metres(scene: Scene) -> float | None:
    """Return the side of a pixel on the ground; None where the scene does not say where it lies."""
    dataset = scene.dataset
    if dataset.crs is None or dataset.transform.is_identity:
        return None
    side = math.sqrt(abs(dataset.transform.determinant))
    if dataset.crs.is_geographic:
        latitude = math.radians((dataset.bounds.bottom + dataset.bounds.top) / 2)
        return side * METRES_A_DEGREE * math.sqrt(max(math.cos(latitude), 0.0))
    return side * float(dataset.crs.linear_units_factor[1])


def _unit_name(unit: str) -> str:
    plain = " ".join(unit.casefold().split())
    return SAME_UNIT.get(plain, plain)


def _check_values(scene: Scene, sensor: Sensor) -> None:
    pixels = np.concatenate([_sample(scene, window) for window in sample_windows(scene.height, scene.width)], axis=1)
    values = pixels.ravel()
    if out_of_range(values, sensor.scale):
        raise SensorError(
            f"The values of the scene {scene.path} do not fit: in a sample they go from {values.min():g} to "
            f"{values.max():g} (half of them above {np.median(values):g}); the model takes {sensor.unit} with full "
            f"scale {sensor.scale:g}. Bring the scene to that unit: gdal_translate -ot TYPE -scale FROM0 FROM1 TO0 "
            "TO1 SCENE OUT."
        )
    if looks_unscaled(values, sensor.scale):
        warnings.warn(
            f"A sample of the scene {scene.path} holds nothing but 0 and 1; the model takes {sensor.unit} with full "
            f"scale {sensor.scale:g}. Is this the image, and not a mask?",
            stacklevel=2,
        )
    empty = float((pixels == 0).all(axis=0).mean()) if values.size else 0.0
    if empty > 0.5 and not scene.declares_missing:
        warnings.warn(
            f"{empty:.0%} of a sample of the scene {scene.path} is 0 in all bands, and is mapped like any other pixel: "
            "the scene declares no nodata. If nothing was measured there, say so: gdal_edit.py -a_nodata 0 SCENE.",
            stacklevel=2,
        )


def _sample(scene: Scene, window: Window) -> NDArray[Any]:
    """Return the valid pixels of a part of the scene, (C, n)."""
    rows, columns = (window.row, window.row + window.height), (window.col, window.col + window.width)
    image, valid = scene.read_sample(rows, columns)
    return image[:, valid]
