"""Which pixels of a raster are missing, for training and for maps alike.

A pixel is missing where an alpha band is 0, where the raster's own mask says so, or where it holds nodata. A nodata
value inside the sensor's range [0, scale] (a black or white RGB pixel) is also an ordinary measurement, so such a pixel
is missing only where all bands hold it; outside the range (-9999, NaN, 65535) one band suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hqzoo.data.records import Missing

if TYPE_CHECKING:
    from PIL import Image as Pillow
    from rasterio.io import DatasetReader

__all__ = [
    "declares_missing",
    "fill_values",
    "read_with_hidden",
    "read_with_missing",
    "split_alpha",
    "thinned",
    "transparent",
]

_SAMPLE = 512  # side of the image, thinned out, that tells what missing pixels are filled with


def split_alpha(raster: DatasetReader) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the numbers of the imagery's bands and of the alpha bands, from 1, as training takes them."""
    alpha = tuple(index for index in raster.indexes if _is_alpha(raster, index))
    return tuple(index for index in raster.indexes if index not in alpha), alpha


def declares_missing(raster: DatasetReader, bands: Sequence[int], alpha: Sequence[int]) -> bool:
    """Tell whether any pixel of these bands can be missing."""
    return bool(alpha) or _has_mask(raster, bands[0]) or any(raster.nodatavals[band - 1] is not None for band in bands)


def read_with_missing(
    raster: DatasetReader,
    bands: Sequence[int],
    alpha: Sequence[int],
    scale: float,
    **part: Any,  # noqa: ANN401 - handed on
) -> tuple[NDArray[Any], Missing]:
    """Read bands, and which of their pixels are missing.

    Args:
        raster: Raster opened with rasterio.
        bands: Numbers of the bands to read, from 1.
        alpha: Numbers of the alpha bands.
        scale: Full scale of the sensor, in the unit of the bands.
        **part: Which part, as ``DatasetReader.read`` takes it: ``window``, ``out_shape`` (height and width).

    Returns:
        Image ``(C, h, w)`` in the raster's own dtype, and where it is missing ``(h, w)``.
    """
    image, hidden = read_with_hidden(raster, bands, alpha, **part)
    missing: Missing = hidden | _holds_nodata(image, [raster.nodatavals[band - 1] for band in bands], scale)
    return image, missing


def read_with_hidden(
    raster: DatasetReader,
    bands: Sequence[int],
    alpha: Sequence[int],
    **part: Any,  # noqa: ANN401 - handed on
) -> tuple[NDArray[Any], Missing]:
    """Read bands, and which of their pixels are transparent or masked out, whatever they hold."""
    values, opacity = _read_together(raster, bands, alpha, part)
    hidden = np.asarray(~(opacity > 0).all(axis=0))
    if _has_mask(raster, bands[0]):
        hidden |= raster.read_masks(bands[0], **part) == 0
    return values, hidden


def fill_values(image: NDArray[Any], missing: Missing | None) -> NDArray[Any]:
    """Return what missing pixels hold, per band ``(C, 1, 1)``: the mean of the valid ones, 0 where there is none.

    Args:
        image: ``(C, h, w)``; the result has its dtype.
        missing: Where it is missing ``(h, w)``; None: nowhere.
    """
    valid = image.reshape(len(image), -1) if missing is None else image[:, ~missing]
    mean = valid.mean(axis=1, dtype=np.float64) if valid.size else np.zeros(len(image))
    return (np.rint(mean) if image.dtype.kind in "ui" else mean).astype(image.dtype)[:, None, None]


def thinned(height: int, width: int) -> tuple[int, int]:
    """Return height and width that an image is read in, thinned out, to find its :func:`fill_values`."""
    return min(height, _SAMPLE), min(width, _SAMPLE)


def transparent(picture: Pillow.Image) -> Missing:
    """Tell which pixels ``(H, W)`` of an image opened with Pillow are transparent."""
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow gives no alpha
        return np.asarray(np.asarray(picture) == picture.info["transparency"])
    layered = picture if picture.mode in ("RGBA", "LA", "PA") else picture.convert("RGBA")
    return np.asarray(np.asarray(layered.getchannel("A")) == 0)


def _read_together(
    raster: DatasetReader, bands: Sequence[int], alpha: Sequence[int], part: dict[str, Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    if len({raster.dtypes[band - 1] for band in (*bands, *alpha)}) > 1:
        return raster.read(list(bands), **part), raster.read(list(alpha), **part)
    # In one call: GDAL could decode pixel-interleaved blocks twice for two.
    values = raster.read([*bands, *alpha], **part)
    return values[: len(bands)], values[len(bands) :]


def _holds_nodata(image: NDArray[Any], nodata: Sequence[float | None], scale: float) -> Missing:
    every, some = np.ones(image.shape[1:], dtype=bool), np.zeros(image.shape[1:], dtype=bool)
    ambiguous = False
    for plane, value in zip(image, nodata, strict=True):
        if value is None:
            continue
        holds = np.isnan(plane) if np.isnan(value) else plane == value
        if 0 <= value <= scale:
            every &= holds
            ambiguous = True
        else:
            some |= holds
    return some | every if ambiguous else some


def _has_mask(raster: DatasetReader, band: int) -> bool:
    from rasterio.enums import MaskFlags  # here: training from PNG and JPEG does without rasterio

    flags = raster.mask_flag_enums[band - 1]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _is_alpha(raster: DatasetReader, index: int) -> bool:
    """Tell a transparency mask from a band.

    GDAL marks the fourth band of every 8-bit TIFF as alpha unless told otherwise, so also near infrared. A band that
    has another name, or holds more than 0 and full scale, is none.
    """
    if raster.colorinterp[index - 1].name != "alpha":
        return False
    if raster.driver == "PNG":  # whose alpha is alpha by definition
        return True
    if name := raster.descriptions[index - 1]:
        return str(name).lower() == "alpha"
    sample = raster.read(index, out_shape=(min(raster.height, 256), min(raster.width, 256)))
    full = {255, np.iinfo(sample.dtype).max} if sample.dtype.kind in "ui" else {255}
    return set(np.unique(sample).tolist()) <= {0} | full
