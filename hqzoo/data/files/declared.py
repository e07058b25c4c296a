"""What a file says of its own reading: which way up it is shown, how many pages it has, what its numbers stand for.

Orientation and palettes of PNG and JPEG are honoured, because every program that shows such a file honours them. In
TIFF they are refused, with the way out: programs disagree, and georeferences speak of the rows as they are stored.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags, ImageOps
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngImageFile

from hqzoo.data.files.raster_files import open_pillow, open_raster
from hqzoo.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = [
    "is_lossy",
    "open_image",
    "open_picture",
    "picture_orientation",
    "shown_size",
    "unread",
    "unread_colours",
    "upright",
]

_UPRIGHT = 1
_PICTURES = ("PNG", "JPEG")
_QUARTER_TURNS = (5, 6, 7, 8)
_EXIF_OF_PNG = {"exif", "Raw profile type exif", "XML:com.adobe.xmp"}
_TIFF_LAYOUTS = {b"II": "<", b"MM": ">"}


@contextmanager
def open_image(path: Path, **options: str) -> Iterator[DatasetReader]:
    """Open an image or a mask with GDAL.

    Args:
        path: The file.
        **options: Open options of its driver.

    Raises:
        DataError: If the file is missing or damaged, or says of itself what GDAL does not heed.
    """
    with open_raster(path, **options) as raster:
        if fault := unread(raster, path):
            raise DataError(fault)
        yield raster


@contextmanager
def open_picture(path: Path) -> Iterator[Pillow.Image]:
    """Open an image or a mask of one frame with Pillow.

    Raises:
        DataError: If the file is missing or damaged, or has several frames.
    """
    with open_pillow(path) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and not _has_previews_only(picture):
            raise DataError(
                f"The image {path} has {frames} frames, of which one would be read. Save the one that is meant as a "
                "file of its own."
            )
        yield picture


def upright(picture: Pillow.Image) -> Pillow.Image:
    """Return a picture with its pixels turned the way that its EXIF data say it is shown."""
    return picture if _orientation(picture) == _UPRIGHT else ImageOps.exif_transpose(picture)


def shown_size(picture: Pillow.Image) -> tuple[int, int]:
    """Return height and width of the upright picture."""
    turned = _orientation(picture) in _QUARTER_TURNS
    return (picture.width, picture.height) if turned else (picture.height, picture.width)


def picture_orientation(path: Path) -> int:
    """Return the EXIF orientation of a PNG or JPEG, 1 to 8; 1 is upright."""
    with open_pillow(path) as picture:
        return _orientation(picture)


def unread(raster: DatasetReader, path: Path | str) -> str | None:
    """Say what a file says of itself that GDAL does not heed, and how to mend it; None where there is nothing.

    Args:
        raster: The file, opened with rasterio.
        path: Its name; the orientation tag is looked up where that is a local file.
    """
    if len(raster.subdatasets) > 1:
        pages = " ".join(raster.subdatasets[:4])
        return (
            f"The image {path} has {len(raster.subdatasets)} pages (subdatasets), of which one would be read. If they "
            f"are its bands, stack them: rio stack {pages}{' ...' if len(raster.subdatasets) > 4 else ''} -o OUT.tif; "
            f"if not, save each as a file: gdal_translate {raster.subdatasets[0]} OUT.tif."
        )
    turn = _UPRIGHT
    if Path(path).is_file():
        if raster.driver == "GTiff":
            turn = _tiff_orientation(Path(path))
        elif raster.driver in _PICTURES:
            turn = picture_orientation(Path(path))
    if turn != _UPRIGHT:
        return (
            f"The image {path} says that its pixels are shown turned or mirrored (orientation {turn}), which programs "
            f"heed or not as they like. Turn the pixels themselves (magick {path} -auto-orient OUT), or, if they are "
            f"right as they are stored, remove the tag: in TIFF by tiffset -s 274 1 {path}."
        )
    return None


def unread_colours(raster: DatasetReader, path: Path | str) -> str | None:
    """Say that the numbers of an image stand for colours of a table, and how to mend it; None where they do not."""
    if not any(colour.name == "palette" for colour in raster.colorinterp):
        return None
    return (
        f"The image {path} holds indices into a colour table (a palette), which are no measurements. Turn them into "
        "colours: gdal_translate -expand rgb FILE OUT; or, if the table only paints measured numbers, remove it: "
        "gdal_translate -colorinterp_1 gray FILE OUT."
    )


def is_lossy(raster: DatasetReader) -> bool:
    """Tell whether a file was compressed so that its pixels are no longer those that were written."""
    stored = raster.tags(ns="IMAGE_STRUCTURE")
    return (
        "JPEG" in stored.get("COMPRESSION", "")
        or stored.get("COMPRESSION_REVERSIBILITY") == "LOSSY"
        or float(stored.get("MAX_Z_ERROR", 0)) > 0
    )


def _orientation(picture: Pillow.Image) -> int:
    if isinstance(picture, PngImageFile) and not (picture.info.keys() & _EXIF_OF_PNG or _says_more(picture)):
        return _UPRIGHT  # Pillow would decode the pixels to find out
    found = picture.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    return found if found in range(1, 9) else _UPRIGHT


def _has_previews_only(picture: Pillow.Image) -> bool:
    """Tell whether the further frames of a JPEG are previews or gain maps of its first, as cameras add them."""
    if picture.format != "MPO":
        return False
    entries = picture.mpinfo[0xB002]  # type: ignore[attr-defined]
    return not any("Multi-Frame" in str(entry["Attribute"]["MPType"]) for entry in entries)


def _says_more(picture: PngImageFile) -> bool:
    """Tell whether a PNG has EXIF data behind its pixels."""
    with Path(str(picture.filename)).open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return True
            file.seek(length + 4, 1)
    return False


def _tiff_orientation(path: Path) -> int:
    """Return the tag of the first page; GDAL does not tell, and Pillow opens not every TIFF."""
    with path.open("rb") as file:
        head = file.read(16)
        order = _TIFF_LAYOUTS.get(head[:2])
        if order is None or len(head) < 16:
            return _UPRIGHT
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        file.seek(struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0])
        return _tag(file, order, big)


def _tag(file: BinaryIO, order: str, big: bool) -> int:
    """Return the orientation in the directory of tags that begins here."""
    counter, entry = ("Q", 20) if big else ("H", 12)
    size = struct.calcsize(order + counter)
    count = struct.unpack(order + counter, file.read(size).ljust(size, b"\0"))[0]
    tags = file.read(min(count, 1 << 16) * entry)
    for place in range(0, len(tags) - entry + 1, entry):
        number, kind = struct.unpack_from(order + "HH", tags, place)
        if number == ExifTags.Base.Orientation and kind == 3:
            found = struct.unpack_from(order + "H", tags, place + (12 if big else 8))[0]
            return found if found in range(1, 9) else _UPRIGHT
    return _UPRIGHT
