"""Opens image files, by GDAL or by Pillow; every fault ends in one error that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image as Pillow

from hqzoo.data.records import Window
from hqzoo.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = ["LOUD_GDAL", "as_ranges", "is_raster", "open_pillow", "open_raster"]

LOUD_GDAL = {
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # otherwise the rest of a truncated JPEG reads as grey
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # it would read a truncated PNG as black, and all of a PNG at once
}
"""Options that turn damage which GDAL glosses over into errors."""

_PNG_GREY, _PNG_INDEX = 0, 3  # colour types of PNG with one number a pixel


def is_raster(path: Path) -> bool:
    """Tell whether GDAL reads a file: TIFF, and PNG with several 16-bit channels, of which Pillow keeps 8 bits."""
    suffix = path.suffix.lower()
    return suffix in (".tif", ".tiff") or (suffix == ".png" and _is_deep_png(path))


def as_ranges(window: Window | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return a window as rasterio takes it: first row and the row behind the last, likewise columns."""
    if window is None:
        return None
    return (window.row, window.row + window.height), (window.col, window.col + window.width)


def _is_deep_png(path: Path) -> bool:
    if not path.is_file():
        return False  # whoever opens it says so
    with path.open("rb", buffering=0) as file:
        head = file.read(26)  # signature, length and name of IHDR, width, height, bit depth, colour type
    return len(head) == 26 and head[24] == 16 and head[25] not in (_PNG_GREY, _PNG_INDEX)


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
def open_raster(path: Path, **options: str) -> Iterator[DatasetReader]:
    """Open an image with GDAL.

    Args:
        path: The file.
        **options: Open options of its driver.

    Raises:
        DataError: If the file is missing, damaged, truncated, or no image, now or while it is decoded.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.Env(**LOUD_GDAL), rasterio.open(path, **options) as raster:
                yield raster
    except RasterioError as error:
        if not path.exists():
            raise DataError(f"The file {path} does not exist.") from error
        reason = error.__cause__ or error
        kind = "TIFF" if path.suffix.lower() != ".png" else "PNG"
        raise DataError(f"The image {path} is damaged, truncated or no {kind}: {reason}. Copy it anew.") from error
