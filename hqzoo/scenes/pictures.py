"""PNG and JPEG whose pixels GDAL shows in another way than training reads them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from hqzoo.data.files.declared import open_picture, picture_orientation
from hqzoo.data.files.raster_files import is_raster
from hqzoo.data.files.readers import FileRecord, read_header, read_image
from hqzoo.data.sensor import Sensor
from hqzoo.errors import SceneError

__all__ = ["as_trained"]

_DRIVERS = ("PNG", "JPEG")
_OWN_MODES = ("1", "P", "PA", "CMYK")  # Pillow's names of pixels that are brought to grey or RGB in training


@contextmanager
def as_trained(raster: rasterio.DatasetReader, path: Path, sensor: Sensor) -> Iterator[rasterio.DatasetReader]:
    """Yield a raster with the pixels that training would read from the file: turned as shown, palettes as colours.

    Such a picture is held in memory as a whole, which is how these formats are decoded anyway.

    Args:
        raster: The file as GDAL opened it, which is yielded itself wherever both agree.
        path: Its name.
        sensor: Sensor of the model.

    Raises:
        DataError: If the picture is damaged, or has several frames.
        SceneError: If it is georeferenced and turned: nobody knows which rows the georeference is of.
    """
    if raster.driver not in _DRIVERS or not path.is_file() or is_raster(path):
        yield raster
        return
    turned = picture_orientation(path) != 1
    if turned and not raster.transform.is_identity:
        raise SceneError(
            f"The scene {path} is georeferenced, and says that it is shown turned (EXIF orientation). Turn its pixels "
            "and georeference them anew, or remove the orientation: exiftool -Orientation= FILE."
        )
    with open_picture(path) as picture:
        own = picture.mode in _OWN_MODES or "NBITS" in raster.tags(1, ns="IMAGE_STRUCTURE")
    if not turned and not own:
        yield raster
        return
    with rasterio.MemoryFile() as memory:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            _write(memory, raster, path, sensor)
            upright = memory.open()
        with upright:
            yield upright


def _write(memory: rasterio.MemoryFile, raster: rasterio.DatasetReader, path: Path, sensor: Sensor) -> None:
    header = read_header(path)
    image = read_image(path, header.indexes)
    missing = FileRecord(path.name, path, None, header, header.indexes, sensor, None).missing()
    planes = [image] if missing is None else [image, np.where(missing, 0, 255).astype(image.dtype)[None]]
    pixels = np.concatenate(planes)
    place = {} if raster.transform.is_identity else {"transform": raster.transform, "crs": raster.crs}
    count, height, width = pixels.shape
    options = {"count": count, "height": height, "width": width, "dtype": pixels.dtype, **place}
    with memory.open(driver="GTiff", **options) as file:
        colours = {1: (ColorInterp.gray,)}.get(len(image), (ColorInterp.red, ColorInterp.green, ColorInterp.blue))
        file.colorinterp = (*colours, *[ColorInterp.alpha] * (count - len(image)))
        file.write(pixels)
