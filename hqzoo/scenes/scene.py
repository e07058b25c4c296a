"""A raster opened for mapping: which of its bands are imagery, which pixels are missing, and reading both."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

# Some failures inside GDAL reach Python as this class, which rasterio does not export under a public name.
from rasterio._err import CPLE_BaseError  # isort: skip
from rasterio.windows import Window

from hqzoo.data.files.band_names import order_bands
from hqzoo.data.files.declared import unread
from hqzoo.data.files.missing import declares_missing, fill_values, read_with_missing, thinned
from hqzoo.data.files.raster_files import LOUD_GDAL
from hqzoo.data.sensor import Sensor
from hqzoo.data.values import too_large, unexplained
from hqzoo.errors import SceneError, SensorError
from hqzoo.scenes.pictures import as_trained

__all__ = ["GDAL_ERRORS", "GDAL_OPTIONS", "Scene", "open_plain", "open_scene", "reason"]

GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError)

GDAL_OPTIONS = LOUD_GDAL | {"GDAL_CACHEMAX": 64 * 2**20}  # GDAL's default is 5 % of the machine's memory


class Scene:
    """A raster opened for reading, seen as imagery plus a mask of valid pixels.

    Alpha bands are mask, never imagery. Which pixels are missing is told by the rule of
    :mod:`hqzoo.data.files.missing`, the same as in training. Bands that the file names as the sensor does are read in
    the sensor's order.

    Args:
        dataset: Raster opened with rasterio.
        sensor: Sensor that the model was trained on; None: pixels are not wanted.
        path: Name of the scene; None: the dataset's own.
    """

    def __init__(self, dataset: rasterio.DatasetReader, sensor: Sensor | None, path: str | None = None) -> None:
        self.dataset = dataset
        self.path = path or str(dataset.name)
        self.height: int = dataset.height
        self.width: int = dataset.width
        colours = zip(dataset.indexes, dataset.colorinterp, strict=True)
        self.alpha: tuple[int, ...] = tuple(index for index, colour in colours if colour == ColorInterp.alpha)
        bands = tuple(index for index in dataset.indexes if index not in self.alpha)
        self.bands: tuple[int, ...] = order_bands(dataset, bands, sensor.bands) if sensor else bands
        self._scale = sensor.scale if sensor else math.inf

    @property
    def depth(self) -> int:
        """Number of bands."""
        return len(self.bands)

    @cached_property
    def fill(self) -> NDArray[np.float32]:
        """What missing pixels hold, per band ``(C, 1, 1)``: as in training, the scene's mean, thinned out."""
        shape = thinned(self.height, self.width)
        # Overviews could be averages that mix nodata in.
        raw = {"OVERVIEW_LEVEL": "NONE"}
        again = _opened(self.path, **raw) if self.dataset.name == self.path else nullcontext(self.dataset)
        with self._told("the scene"), rasterio.Env(**GDAL_OPTIONS), again as dataset:
            found = read_with_missing(dataset, self.bands, self.alpha, self._scale, out_shape=shape)
        return fill_values(*found).astype(np.float32)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored numbers."""
        dtype: np.dtype[Any] = np.dtype(self.dataset.dtypes[self.bands[0] - 1])
        return dtype

    @property
    def block_height(self) -> int:
        """Rows that the file stores (and GDAL decodes) together."""
        return int(self.dataset.block_shapes[0][0])

    @property
    def declares_missing(self) -> bool:
        """Whether any pixel can be missing: the file declares nodata, a mask or transparency."""
        return declares_missing(self.dataset, self.bands, self.alpha)

    def read(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read a part of the scene.

        Args:
            rows: First row and the row behind the last.
            columns: First column and the column behind the last.

        Returns:
            The image (C, h, w) in the file's own dtype, and which pixels are valid (h, w).

        Raises:
            SceneError: If the file is truncated or damaged, or a valid pixel is not finite.
            SensorError: If the sensor's full scale is 8-bit, and values are not; or if a value can be no measurement.
        """
        image, valid = self.read_sample(rows, columns)
        if (value := unexplained(image[:, valid], self._scale)) is not None:
            raise SensorError(
                f"The scene {self.path} holds the value {value:g} (full scale is {self._scale:g}), and does not "
                f"declare it as nodata. If it marks missing pixels, say so: gdal_edit.py -a_nodata {value:g} SCENE "
                "(several such values: bring them to one); else bring the scene to the model's unit."
            )
        return image, valid

    def read_sample(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read as :meth:`read` does, but for single values that can be no measurements."""
        window = Window.from_slices(rows, columns)
        # GDAL's options hold for one thread, and scenes are read beside the model in one of their own.
        with self._told(f"rows {rows[0]} to {rows[1] - 1} of the scene"), rasterio.Env(**GDAL_OPTIONS):
            image, missing = read_with_missing(self.dataset, self.bands, self.alpha, self._scale, window=window)
        valid = ~missing
        self._check_finite(image, valid, rows[0], columns[0])
        if too_large(image, self._scale) and (largest := image[:, valid].max(initial=0)) > 255:
            raise SensorError(
                f"The scene {self.path} is {self.dtype} with values up to {largest}; the model takes 8-bit values "
                f"(full scale {self._scale:g}). Bring the scene to that unit: gdal_translate -ot Byte -scale FROM0 "
                "FROM1 TO0 TO1 SCENE OUT."
            )
        return image, valid

    @contextmanager
    def _told(self, part: str) -> Iterator[None]:
        try:
            yield
        except GDAL_ERRORS as error:
            raise SceneError(
                f"Cannot read {part} {self.path}: {reason(error)}. "
                "The file seems truncated or damaged: copy or download it again."
            ) from error

    def _check_finite(self, image: NDArray[Any], valid: NDArray[np.bool_], top: int, left: int) -> None:
        if not np.issubdtype(image.dtype, np.floating):
            return
        broken = valid & ~np.isfinite(image).all(axis=0)
        if broken.any():
            row, column = np.argwhere(broken)[0]
            raise SceneError(
                f"The scene {self.path} holds NaN or infinity at row {top + row}, column {left + column}, "
                "which it does not declare as nodata. If those pixels are missing, say so: gdal_edit.py "
                "-a_nodata nan SCENE."
            )


@contextmanager
def open_scene(path: Path | str, sensor: Sensor) -> Iterator[Scene]:
    """Open a raster for mapping, with GDAL set to flat memory and loud errors as long as it is open.

    Args:
        path: File, or any name that GDAL understands (``/vsicurl/...``).
        sensor: Sensor that the model was trained on; its range tells nodata from measurements.

    Raises:
        SceneError: If the file is missing or is no raster.
    """
    with _container(path) as dataset, as_trained(dataset, Path(path), sensor) as raster:
        if fault := unread(raster, path):
            raise SceneError(fault)
        yield Scene(raster, sensor, str(path))


@contextmanager
def open_plain(path: Path | str) -> Iterator[Scene]:
    """Open a raster whose grid is wanted rather than its pixels; otherwise as :func:`open_scene`."""
    with _container(path) as dataset:
        yield Scene(dataset, None)


@contextmanager
def _container(path: Path | str) -> Iterator[rasterio.DatasetReader]:
    with rasterio.Env(**GDAL_OPTIONS), _opened(path) as dataset:
        if not dataset.count:
            raise SceneError(
                f"The scene {path} is a container without bands of its own. Name one of its parts: "
                f"{', '.join(dataset.subdatasets[:5]) or 'it has none'}."
            )
        yield dataset


def _opened(path: Path | str, **options: str) -> rasterio.DatasetReader:
    try:
        with warnings.catch_warnings():
            # A scene without georeference is mapped as it is; rasterio's warning would say nothing new.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path, **options)
    except GDAL_ERRORS as error:
        raise SceneError(
            f"Cannot open the scene {path}: {reason(error)}. Expected a raster that GDAL reads, such as a GeoTIFF."
        ) from error


def reason(error: BaseException) -> str:
    """Return what GDAL said: the innermost cause, because rasterio wraps it in "see previous exception"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip(". ")
