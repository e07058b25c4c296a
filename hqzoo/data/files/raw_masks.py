"""Reads masks as their files hold them, and tells which of their pixels have no class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data.files.declared import is_lossy, open_image, open_picture, upright
from hqzoo.data.files.missing import read_with_hidden, split_alpha, transparent
from hqzoo.data.files.raster_files import as_ranges, is_raster
from hqzoo.data.labels import IGNORE_INDEX, ClassMap, Colour, colour_value
from hqzoo.data.records import Mask, Missing, Window
from hqzoo.errors import DataError

if TYPE_CHECKING:
    from PIL import Image as Pillow
    from rasterio.io import DatasetReader

__all__ = ["RawMask", "encode_mask", "mask_palette", "read_mask"]


_LOSSY_FORMATS = ("JPEG", "MPO")


class RawMask(NamedTuple):
    """A mask as its file holds it."""

    values: npt.NDArray[Any]
    """Grey or index values ``(H, W)``, or colours ``(H, W, 3)``."""

    hidden: Missing | None
    """Where the mask is transparent or masked out ``(H, W)``; None where it cannot be."""

    nodata: tuple[int, ...]
    """Values, or colours as numbers (see :func:`~hqzoo.data.labels.colour_value`), declared as nodata or transparent.

    They are ignored unless somebody makes a class of them.
    """


def read_mask(path: Path, window: Window | None = None) -> RawMask:
    """Read a mask file.

    Args:
        path: PNG, JPEG or TIFF file.
        window: Part to read; None for all.

    Raises:
        DataError: If the file is missing, damaged or truncated, or does not hold classes as they were drawn.
    """
    if is_raster(path):
        with open_image(path) as raster:
            _check_raster(raster, path)
            return _read_raster(raster, window)
    with open_picture(path) as file:
        if file.format in _LOSSY_FORMATS:
            raise _lossy(path, str(file.format))
        picture = upright(file)
        layered = picture.mode in ("RGBA", "LA", "PA")
        pixels = np.asarray(picture.convert("RGB") if picture.mode == "RGBA" else picture)
        values = pixels[..., 0] if picture.mode in ("LA", "PA") else pixels
        hidden = transparent(picture) if layered else None
        nodata = () if layered else _transparent_values(picture)
    if window is not None:
        values = values[window.row :, window.col :][: window.height, : window.width]
        hidden = None if hidden is None else window.of(hidden)
    return RawMask(values, hidden, nodata)


def encode_mask(raw: RawMask, class_map: ClassMap, source: Path) -> Mask:
    """Turn a mask into class indices ``(H, W)``; hidden pixels, and nodata that is no class, are ignored.

    Raises:
        DataError: If it holds a value that is neither a class nor ignored.
    """
    if raw.hidden is None or not raw.hidden.any():
        return class_map.encode(raw.values, source, raw.nodata)
    shown = ~raw.hidden
    encoded = np.full(shown.shape, IGNORE_INDEX, np.uint8)
    encoded[shown] = class_map.encode(raw.values[shown][None], source, raw.nodata)[0]
    return encoded


def mask_palette(path: Path) -> dict[int, Colour]:
    """Return the colours that a mask file itself gives to its index values; empty where it has none."""
    if is_raster(path):
        with open_image(path) as raster:
            if raster.colorinterp[0].name != "palette":
                return {}
            return {value: (r, g, b) for value, (r, g, b, _) in raster.colormap(1).items()}
    with open_picture(path) as image:
        flat = image.getpalette() if image.mode == "P" else None
    triples = zip(*[iter(flat or [])] * 3, strict=False)
    return {value: (r, g, b) for value, (r, g, b) in enumerate(triples)}


def _check_raster(raster: DatasetReader, path: Path) -> None:
    if is_lossy(raster):
        raise _lossy(path, raster.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"])
    if raster.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        raise DataError(
            f"The mask {path} declares 0 to be white (PhotometricInterpretation WhiteIsZero), so that programs "
            "disagree on what its numbers are. Save it with 0 as black, or as class numbers."
        )
    if len(bands := split_alpha(raster)[0]) not in (1, 3):
        raise DataError(
            f"The mask {path} has {len(bands)} bands; expected one of class numbers, or red, green and blue. Choose "
            "the one that is meant: gdal_translate -b NUMBER FILE OUT."
        )


def _lossy(path: Path, how: str) -> DataError:
    return DataError(
        f"The mask {path} is compressed with losses ({how}), which changes class numbers and blurs their borders. Take "
        "the original, or bring its values back to those of the classes and save it as PNG or as losslessly compressed "
        "TIFF."
    )


def _read_raster(raster: DatasetReader, window: Window | None) -> RawMask:
    bands, alpha = split_alpha(raster)
    planes, hidden = read_with_hidden(raster, bands, alpha, window=as_ranges(window))
    declared = [raster.nodatavals[band - 1] for band in bands]
    whole = [int(value) for value in declared if value is not None and float(value).is_integer()]
    nodata: tuple[int, ...] = ()
    if len(whole) == len(bands) == 1:
        nodata = (whole[0],)
    elif len(whole) == len(bands) == 3 and all(0 <= value <= 255 for value in whole):
        nodata = (colour_value(whole),)
    return RawMask(planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1), hidden, nodata)


def _transparent_values(picture: Pillow.Image) -> tuple[int, ...]:
    """Return the values that a PNG without alpha declares as transparent (its chunk tRNS)."""
    key = picture.info.get("transparency")
    if key is None:
        return ()
    if isinstance(key, bytes):  # of an index PNG: the opacity of each index
        return tuple(index for index, opacity in enumerate(key) if opacity == 0)
    return (colour_value(key) if isinstance(key, tuple) else int(key),)
