"""A raster opened for mapping: which of its bands are imagery, which pixels are missing, and reading both."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError

# Some failures inside GDAL reach Python as this class, which rasterio does not export under a public name.
from rasterio._err import CPLE_BaseError  # isort: skip
from rasterio.windows import Window

from hqzoo.errors import SceneError

if TYPE_CHECKING:
    from hqzoo.data.sensor import Sensor

__all__ = ["GDAL_ERRORS", "Scene", "open_scene", "reason"]

GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError)

GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 64 * 2**20,  # GDAL's default is 5 % of the machine's memory
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # otherwise the rest of a truncated JPEG reads as grey
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # it would read a truncated PNG as black, and all of a PNG at once
}


class Scene:
    """A raster opened for reading, seen as imagery plus a mask of valid pixels.

    Alpha bands are mask, never imagery. A pixel is missing where the alpha band is 0, where the raster's own
    mask says so, or where it holds nodata. A nodata value inside the sensor's range [0, scale] (a black or
    white RGB pixel) is also an ordinary measurement, so such a pixel is missing only where all bands hold it;
    outside the range (-9999, NaN, 65535) one band suffices.

    Args:
        dataset: Raster opened with rasterio.
        scale: Full scale of the sensor, in its unit.
    """

    def __init__(self, dataset: rasterio.DatasetReader, scale: float) -> None:
        self.dataset = dataset
        self.path = str(dataset.name)
        self.height: int = dataset.height
        self.width: int = dataset.width
        colours = zip(dataset.indexes, dataset.colorinterp, strict=True)
        self.alpha: tuple[int, ...] = tuple(index for index, colour in colours if colour == ColorInterp.alpha)
        self.bands: tuple[int, ...] = tuple(index for index in dataset.indexes if index not in self.alpha)
        self._scale = scale

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored numbers."""
        dtype: np.dtype[Any] = np.dtype(self.dataset.dtypes[self.bands[0] - 1])
        return dtype

    @property
    def block_height(self) -> int:
        """Rows that the file stores (and GDAL decodes) together."""
        return int(self.dataset.block_shapes[0][0])

    def read(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read a part of the scene.

        Args:
            rows: First row and the row behind the last.
            columns: First column and the column behind the last.

        Returns:
            The image (C, h, w) in the file's own dtype, and which pixels are valid (h, w).

        Raises:
            SceneError: If the file is truncated or damaged, or a valid pixel is not finite.
        """
        window = Window.from_slices(rows, columns)
        try:
            image, alpha = self._read_bands(window)
            mask = self.dataset.read_masks(self.bands[0], window=window) if self._has_mask else None
        except GDAL_ERRORS as error:
            raise SceneError(
                f"Cannot read rows {rows[0]} to {rows[1] - 1} of the scene {self.path}: {reason(error)}. "
                "The file seems truncated or damaged: copy or download it again."
            ) from error
        valid = ~self._missing(image) & (alpha > 0).all(axis=0)
        if mask is not None:
            valid &= mask > 0
        self._check_finite(image, valid, rows[0], columns[0])
        return image, valid

    def _read_bands(self, window: Window) -> tuple[NDArray[Any], NDArray[Any]]:
        if len({self.dataset.dtypes[band - 1] for band in (*self.bands, *self.alpha)}) > 1:
            return self.dataset.read(self.bands, window=window), self.dataset.read(self.alpha, window=window)
        # In one call: GDAL could decode pixel-interleaved blocks twice for two.
        values = self.dataset.read([*self.bands, *self.alpha], window=window)
        return values[: len(self.bands)], values[len(self.bands) :]

    @property
    def _has_mask(self) -> bool:
        flags = self.dataset.mask_flag_enums[self.bands[0] - 1]
        return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags

    def _missing(self, image: NDArray[Any]) -> NDArray[np.bool_]:
        if all(value is None for value in self.dataset.nodatavals):
            return np.zeros(image.shape[1:], dtype=bool)
        holds = np.zeros(image.shape, dtype=bool)
        ambiguous = np.zeros(len(self.bands), dtype=bool)
        for number, band in enumerate(self.bands):
            nodata = self.dataset.nodatavals[band - 1]
            if nodata is None:
                continue
            ambiguous[number] = 0 <= nodata <= self._scale
            holds[number] = np.isnan(image[number]) if np.isnan(nodata) else image[number] == nodata
        every = holds[ambiguous].all(axis=0) if ambiguous.any() else np.False_
        return np.asarray(every | holds[~ambiguous].any(axis=0))

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
    with rasterio.Env(**GDAL_OPTIONS), _opened(path) as dataset:
        if not dataset.count:
            raise SceneError(
                f"The scene {path} is a container without bands of its own. Name one of its parts: "
                f"{', '.join(dataset.subdatasets[:5]) or 'it has none'}."
            )
        yield Scene(dataset, sensor.scale)


def _opened(path: Path | str) -> rasterio.DatasetReader:
    try:
        with warnings.catch_warnings():
            # A scene without georeference is mapped as it is; rasterio's warning would say nothing new.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path)
    except GDAL_ERRORS as error:
        raise SceneError(
            f"Cannot open the scene {path}: {reason(error)}. Expected a raster that GDAL reads, such as a GeoTIFF."
        ) from error


def reason(error: BaseException) -> str:
    """Return what GDAL said: the innermost cause, because rasterio wraps it in "see previous exception"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip(". ")
