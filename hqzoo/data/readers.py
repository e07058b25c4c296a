"""Reads images and raw masks from PNG, JPEG and TIFF; every fault ends in one error that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqzoo.data.labels import ClassMap, Colour
from hqzoo.data.records import Image, Mask, Record, Window
from hqzoo.data.sensor import Sensor
from hqzoo.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = [
    "SUFFIXES",
    "FileRecord",
    "Header",
    "check_sizes",
    "mask_palette",
    "open_pillow",
    "read_header",
    "read_image",
    "read_mask",
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


class FileRecord(Record):
    """An image file with its mask file.

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
        self.image, self.mask = image, mask
        self.indexes, self.sensor, self.class_map = tuple(indexes), sensor, class_map

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read and check the image and its mask (see :class:`Record`)."""
        image = read_image(self.image, self.indexes, window)
        _check_values(image, self.sensor, self.image)
        if self.mask is None or self.class_map is None:
            return image, None
        mask = self.class_map.encode(read_mask(self.mask, window), self.mask)
        check_sizes(self.image, image.shape[1:], self.mask, mask.shape)
        return image, mask


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


def read_header(path: Path) -> Header:
    """Read the size and the bands of an image file without decoding it.

    Raises:
        DataError: If the file is missing, damaged or no image.
    """
    if _is_tiff(path):
        with _open_tiff(path) as tiff:
            kept = [i for i in tiff.indexes if not _is_alpha(tiff, i)]
            named = [tiff.descriptions[i - 1] or "" for i in kept]
            bands = tuple(named) if all(named) and len(set(named)) == len(named) else _band_names(len(kept))
            return Header(tiff.height, tiff.width, bands, tuple(kept))
    with open_pillow(path) as image:
        mode = _REDUCED_MODES.get(image.mode, image.mode)
        if mode not in _PLAIN_MODES:
            raise DataError(f"The image {path} has the unsupported pixel format {image.mode}.")
        count = _PLAIN_MODES[mode]
        return Header(image.height, image.width, _band_names(count), tuple(range(1, count + 1)))


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
    if _is_tiff(path):
        with _open_tiff(path) as tiff:
            _check_indexes(indexes, tiff.count, path)
            return np.asarray(tiff.read(list(indexes), window=_slices(window)))
    with open_pillow(path) as image:
        mode = _REDUCED_MODES.get(image.mode)
        pixels = np.asarray(image.convert(mode) if mode else image)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    _check_indexes(indexes, len(planes), path)
    if tuple(indexes) != tuple(range(1, len(planes) + 1)):
        planes = planes[np.array(indexes) - 1]
    # Bands as planes make crops and colour matrices several times faster than interleaved pixels.
    return np.ascontiguousarray(planes if window is None else window.of(planes))


def read_mask(path: Path, window: Window | None = None) -> npt.NDArray[Any]:
    """Read the raw values of a mask: ``(H, W)`` grey or index values, or ``(H, W, 3)`` colours.

    Raises:
        DataError: If the file is missing, damaged or truncated.
    """
    if _is_tiff(path):
        with _open_tiff(path) as tiff:
            planes = np.asarray(tiff.read(window=_slices(window)))
        return planes[0] if len(planes) == 1 else np.moveaxis(planes[:3], 0, -1)
    with open_pillow(path) as image:
        pixels = np.asarray(image.convert("RGB") if image.mode == "RGBA" else image)
        pixels = pixels[..., 0] if image.mode == "LA" else pixels
    return pixels if window is None else pixels[window.row :, window.col :][: window.height, : window.width]


def mask_palette(path: Path) -> dict[int, Colour]:
    """Return the colours that a mask file itself gives to its index values; empty where it has none."""
    if _is_tiff(path):
        with _open_tiff(path) as tiff:
            if tiff.colorinterp[0].name != "palette":
                return {}
            return {value: (r, g, b) for value, (r, g, b, _) in tiff.colormap(1).items()}
    with open_pillow(path) as image:
        flat = image.getpalette() if image.mode == "P" else None
    triples = zip(*[iter(flat or [])] * 3, strict=False)
    return {value: (r, g, b) for value, (r, g, b) in enumerate(triples)}


def _check_values(image: Image, sensor: Sensor, path: Path) -> None:
    """Refuse numbers that cannot be what the sensor says."""
    if image.dtype == np.uint8 and sensor.scale <= 255:
        return
    if image.dtype.kind == "f":
        bad = [band for band, plane in zip(sensor.bands, image, strict=True) if not np.isfinite(plane).all()]
        if bad:
            raise DataError(
                f"The image {path} holds NaN or infinite values in the band(s) {', '.join(bad)}. "
                "Fill these pixels with a finite value and mark them as ignored in the mask."
            )
    elif image.dtype.kind not in "ui":
        raise DataError(f"The image {path} has values of type {image.dtype}; expected integers or real numbers.")
    elif image.dtype == np.uint8:
        raise DataError(
            f"The image {path} is of type uint8, but its data set declares {sensor.unit} with full scale "
            f"{sensor.scale:g}. Give `unit` and `scale` of the file itself (8-bit imagery: scale 255)."
        )
    elif sensor.scale <= 255 and image.size and image.max() > 255:
        raise DataError(
            f"The image {path} is of type {image.dtype} with values up to {image.max()}, but its data set "
            f"declares {sensor.unit} with full scale {sensor.scale:g}. Set `unit` and `scale` (reflectance "
            "x 1e4: 10000; 16-bit digital numbers: 65535)."
        )


def _is_alpha(tiff: DatasetReader, index: int) -> bool:
    """Tell a transparency mask from a band.

    GDAL marks the fourth band of every 8-bit file as alpha unless told otherwise, so also near infrared. A
    band that has another name, or holds more than 0 and 255, is none.
    """
    if tiff.colorinterp[index - 1].name != "alpha":
        return False
    if name := tiff.descriptions[index - 1]:
        return str(name).lower() == "alpha"
    sample = tiff.read(index, out_shape=(min(tiff.height, 256), min(tiff.width, 256)))
    values: list[int] = np.unique(sample).tolist()
    return set(values) <= {0, 255}


def _check_indexes(indexes: Sequence[int], count: int, path: Path) -> None:
    if not indexes or min(indexes) < 1 or max(indexes) > count:
        raise DataError(f"The image {path} has {count} band(s); bands {list(indexes)} were asked for.")


def _band_names(count: int) -> tuple[str, ...]:
    known = {1: ("grey",), 3: ("red", "green", "blue")}
    return known.get(count, tuple(f"band_{number}" for number in range(1, count + 1)))


def _slices(window: Window | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
    if window is None:
        return None
    return (window.row, window.row + window.height), (window.col, window.col + window.width)


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


@contextmanager
def open_pillow(path: Path) -> Iterator[Pillow.Image]:
    """Open an image with Pillow.

    Raises:
        DataError: If the file is missing, damaged, truncated, or no image, now or while it is decoded.
    """
    try:
        with Pillow.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise DataError(f"The file {path} does not exist.") from error
    except Pillow.DecompressionBombError as error:
        raise DataError(f"The image {path} is too large for one PNG or JPEG ({error}). Save it as TIFF.") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        TypeError,
    ) as error:  # what Pillow's decoders raise on damaged files
        raise DataError(f"The image {path} is damaged, truncated or no image: {error}. Copy it anew.") from error


@contextmanager
def _open_tiff(path: Path) -> Iterator[DatasetReader]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as tiff:
                yield tiff
    except RasterioError as error:
        if not path.exists():
            raise DataError(f"The file {path} does not exist.") from error
        reason = error.__cause__ or error
        raise DataError(f"The image {path} is damaged, truncated or no TIFF: {reason}. Copy it anew.") from error
