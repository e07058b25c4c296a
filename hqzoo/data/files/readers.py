"""Reads images with their masks from PNG, JPEG and TIFF; every fault ends in one error that names the file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from hqzoo.data.files.band_names import generic_names, name_bands
from hqzoo.data.files.declared import open_image, open_picture, shown_size, unread_colours, upright
from hqzoo.data.files.grids import Grid, check_grids, read_grid
from hqzoo.data.files.missing import declares_missing, fill_values, read_with_missing, split_alpha, thinned, transparent
from hqzoo.data.files.raster_files import as_ranges, is_raster
from hqzoo.data.files.raw_masks import encode_mask, read_mask
from hqzoo.data.labels import IGNORE_INDEX, ClassMap
from hqzoo.data.records import Image, ImageRecord, Mask, Missing, Window
from hqzoo.data.sensor import Sensor
from hqzoo.data.values import can_be_out_of_range, out_of_range, sample_windows, too_large, too_narrow, unexplained
from hqzoo.errors import DataError

__all__ = [
    "SUFFIXES",
    "FileRecord",
    "Header",
    "check_pair",
    "check_sizes",
    "read_header",
    "read_image",
]

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

_PLAIN_MODES = {"L": 1, "RGB": 3, "I;16": 1, "I;16B": 1, "I": 1, "F": 1}
_REDUCED_MODES = {"1": "L", "LA": "L", "RGBA": "RGB", "P": "RGB", "PA": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}


class Header(NamedTuple):
    """What a file says of itself before its pixels are decoded."""

    height: int
    width: int
    bands: tuple[str, ...]
    indexes: tuple[int, ...]  # numbers of these bands in the file, from 1; alpha is left out
    alpha: tuple[int, ...] = ()  # numbers of the alpha bands of a raster
    named: bool = False  # whether the file itself names its bands
    holes: bool = False  # whether pixels may be missing: the file declares nodata, a mask or transparency
    grid: Grid | None = None  # where the file lies on the ground, if it says so


class FileRecord(ImageRecord):
    """An image file with its mask file.

    Pixels that the image file itself declares as missing (nodata, an internal mask, transparency) are ignored in the
    mask. In the image they hold the mean of their band over the others, taken once from at most 512 x 512 pixels of the
    whole file (CHOICE). What GDAL keeps in an ``.aux.xml`` beside a PNG or JPEG is not read.

    Args:
        name: Name of the image.
        image: Image file.
        mask: Mask file of the same size, or None.
        header: Header of the image file.
        indexes: Numbers of the bands to read, from 1.
        sensor: Sensor that the image must fit.
        class_map: Classes of the mask.
    """

    def __init__(
        self,
        name: str,
        image: Path,
        mask: Path | None,
        header: Header,
        indexes: Sequence[int],
        sensor: Sensor,
        class_map: ClassMap | None,
    ) -> None:
        super().__init__(name, header.height, header.width)
        self.image, self.mask, self.header = image, mask, header
        self.indexes, self.sensor, self.class_map = tuple(indexes), sensor, class_map

    @property
    def labelled(self) -> bool:
        """Whether there is a mask."""
        return self.mask is not None

    @property
    def file(self) -> Path:
        """The image file."""
        return self.image

    @property
    def files(self) -> tuple[Path, ...]:
        """Image and mask file."""
        return (self.image,) if self.mask is None else (self.image, self.mask)

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read and check the image and its mask (see :class:`ImageRecord`)."""
        image, missing = self._read_valid(window)
        if missing is not None and missing.any():
            image = np.where(missing, self._fill, image)
        _check_values(image, self.sensor, self.image)
        if can_be_out_of_range(image.dtype, self.sensor.scale) and self._range_fault:
            raise DataError(self._range_fault)
        _check_fills(image, self.sensor, self.image)
        if self.mask is None or self.class_map is None:
            return image, None
        mask = encode_mask(read_mask(self.mask, window), self.class_map, self.mask)
        check_sizes(self.image, image.shape[1:], self.mask, mask.shape)
        if missing is not None:
            mask[missing] = IGNORE_INDEX
        return image, mask

    def missing(self, window: Window | None = None) -> Missing | None:
        """Tell which pixels the image file declares as missing (see :class:`ImageRecord`)."""
        return self._read_valid(window)[1] if self.header.holes else None

    def _read_valid(self, window: Window | None = None, thin: bool = False) -> tuple[Image, Missing | None]:
        """Read the image as it is stored, and where it is missing; ``thin`` leaves pixels of large rasters out."""
        if not self.header.holes:
            return read_image(self.image, self.indexes, window), None
        if not is_raster(self.image):
            with open_picture(self.image) as picture:
                turned = upright(picture)
                planes, missing = _planes(turned, self.indexes, self.image), transparent(turned)
            if window is not None:
                planes, missing = window.of(planes), window.of(missing)
            return np.ascontiguousarray(planes), missing
        alpha = [index for index in self.header.alpha if index not in self.indexes]
        shape = thinned(self.height, self.width) if thin else None
        # Overviews could be averages that mix nodata in.
        with open_image(self.image, **({"OVERVIEW_LEVEL": "NONE"} if thin else {})) as raster:
            _check_indexes(self.indexes, raster.count, self.image)
            part = {"window": as_ranges(window), "out_shape": shape}
            return read_with_missing(raster, self.indexes, alpha, self.sensor.scale, **part)

    @cached_property
    def _fill(self) -> Image:
        """What missing pixels hold, per band ``(C, 1, 1)``; the same whatever window is read. 0 if none is valid."""
        return fill_values(*self._read_valid(thin=True))

    @cached_property
    def _range_fault(self) -> str | None:
        """What a look at the whole file finds wrong with its values, or None."""
        parts = [self._read_valid(window) for window in sample_windows(self.height, self.width)]
        values = np.concatenate([image.ravel() if gaps is None else image[:, ~gaps].ravel() for image, gaps in parts])
        values = values[np.isfinite(values)]
        fault = out_of_range(values, self.sensor.scale)
        if fault is None:
            return None
        remedy = "`scale: 1`" if fault == "unscaled" else "`unit` and `scale` of the files themselves"
        return (
            f"The values of the image {self.image} go from {values.min():g} to {values.max():g} (half of them above "
            f"{np.median(values):g}), but its data set declares {self.sensor.unit} with full scale "
            f"{self.sensor.scale:g}. Set {remedy}."
        )


def check_sizes(image: Path, size: tuple[int, ...], mask: Path, mask_size: tuple[int, ...]) -> None:
    """Refuse a mask of another size than its image.

    Raises:
        DataError: If the two sizes (height, width) differ.
    """
    if size != mask_size:
        raise DataError(
            f"The mask {mask} has {mask_size[0]} x {mask_size[1]} pixels, but its image {image} "
            f"{size[0]} x {size[1]} (height x width)."
        )


def check_pair(image: Path, header: Header, mask: Path) -> None:
    """Refuse a mask of another size than its image, or of another place on the ground.

    Args:
        image: Image file.
        header: Its header.
        mask: Mask file.

    Raises:
        DataError: If they differ, or the mask cannot be read.
    """
    truth = read_header(mask, is_mask=True)
    check_sizes(image, header[:2], mask, truth[:2])
    check_grids(image, header.grid, mask, truth.grid, header[:2])


def read_header(path: Path, *, is_mask: bool = False) -> Header:
    """Read the size and the bands of a file without decoding it.

    Args:
        path: PNG, JPEG or TIFF file.
        is_mask: Whether numbers may stand for colours of a table, as class numbers do.

    Raises:
        DataError: If the file is missing, damaged or no image, or says of itself what would not be heeded.
    """
    if is_raster(path):
        with open_image(path) as raster:
            bands, alpha = split_alpha(raster)
            if not is_mask and (fault := unread_colours(raster, path)):
                raise DataError(fault)
            if not bands:
                raise DataError(f"The image {path} holds transparency only. Expected one or more bands of imagery.")
            names, own = name_bands(raster, bands)
            holes = declares_missing(raster, bands, alpha)
            return Header(raster.height, raster.width, names, bands, alpha, own, holes, read_grid(raster))
    with open_picture(path) as image:
        mode = _REDUCED_MODES.get(image.mode, image.mode)
        if mode not in _PLAIN_MODES:
            raise DataError(f"The image {path} has the unsupported pixel format {image.mode}.")
        count = _PLAIN_MODES[mode]
        indexes = tuple(range(1, count + 1))
        holes = bool(image.has_transparency_data)
        return Header(*shown_size(image), generic_names(count), indexes, holes=holes, grid=read_grid(path))


def read_image(path: Path, indexes: Sequence[int], window: Window | None = None) -> Image:
    """Read bands of an image.

    Args:
        path: PNG, JPEG or TIFF file.
        indexes: Numbers of the bands, from 1.
        window: Part to read; None for all. Only TIFF saves time by it.

    Returns:
        Image ``(C, H, W)`` in the file's own dtype.

    Raises:
        DataError: If the file is missing, damaged, truncated, or has no such band.
    """
    if is_raster(path):
        with open_image(path) as raster:
            _check_indexes(indexes, raster.count, path)
            return np.asarray(raster.read(list(indexes), window=as_ranges(window)))
    with open_picture(path) as picture:
        planes = _planes(upright(picture), indexes, path)
    # Bands as planes make crops and colour matrices several times faster than interleaved pixels.
    return np.ascontiguousarray(planes if window is None else window.of(planes))


def _check_fills(image: Image, sensor: Sensor, path: Path) -> None:
    """Refuse values that mark missing pixels, or are nonsense, without being declared as nodata."""
    if (value := unexplained(image, sensor.scale)) is not None:
        raise DataError(
            f"The image {path} holds the value {value:g}, which is no {sensor.unit} with full scale {sensor.scale:g}, "
            f"and does not declare it as nodata. If it marks missing pixels, say so: gdal_edit.py -a_nodata {value:g} "
            "FILE (several such values: bring them to one); else mend it, or give `unit` and `scale` of the file."
        )


def _planes(picture: Pillow.Image, indexes: Sequence[int], path: Path) -> Image:
    mode = _REDUCED_MODES.get(picture.mode)
    pixels = np.asarray(picture.convert(mode) if mode else picture)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    _check_indexes(indexes, len(planes), path)
    return planes if tuple(indexes) == tuple(range(1, len(planes) + 1)) else planes[np.array(indexes) - 1]


def _check_indexes(indexes: Sequence[int], count: int, path: Path) -> None:
    if not indexes or min(indexes) < 1 or max(indexes) > count:
        raise DataError(f"The image {path} has {count} band(s); bands {list(indexes)} were asked for.")


def _check_values(image: Image, sensor: Sensor, path: Path) -> None:
    """Refuse numbers that cannot be what the sensor says, whatever part of the image they come from."""
    declared = f"{sensor.unit} with full scale {sensor.scale:g}"
    if image.dtype.kind not in "uif":
        raise DataError(f"The image {path} has values of type {image.dtype}; expected integers or real numbers.")
    if too_narrow(image.dtype, sensor.scale):
        raise DataError(
            f"The image {path} is of type {image.dtype}, but its data set declares {declared}. "
            "Give `unit` and `scale` of the file itself (8-bit imagery: scale 255)."
        )
    if too_large(image, sensor.scale):
        raise DataError(
            f"The image {path} is of type {image.dtype} with values up to {image.max()}, but its data set "
            f"declares {declared}. Set `unit` and `scale` (reflectance x 1e4: 10000; 16-bit digital numbers: 65535)."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        bad = [band for band, plane in zip(sensor.bands, image, strict=True) if not np.isfinite(plane).all()]
        raise DataError(
            f"The image {path} holds NaN or infinite values in the band(s) {', '.join(bad)}. Declare them as nodata "
            "(gdal_edit.py -a_nodata nan FILE), or fill them with a finite value and ignore them in the mask."
        )
