"""What the files of a map hold: class indices with colours and names, and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from hqzoo.errors import ConfigError

__all__ = ["NODATA", "Content", "class_content", "class_pixels", "probability_content", "probability_pixels"]

NODATA = 255
"""Value of missing pixels in 8-bit maps."""

FULL = 254
"""Probability 1 in 8-bit files."""


@dataclass(frozen=True)
class Content:
    """Everything about a file of the map but its grid and its pixels.

    Args:
        descriptions: Name of each band.
        dtype: Type of the pixels.
        nodata: Value of missing pixels.
        tags: Metadata of the first band.
        colours: Colour table (red, green, blue, alpha) of the first band; empty for none.
        scale: Factor from stored to true values, of all bands.
        sidecar: Content of the file ``.aux.xml`` beside, for what a GeoTIFF itself cannot hold.
    """

    descriptions: tuple[str, ...]
    dtype: str
    nodata: float
    tags: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[int, tuple[int, int, int, int]] = field(default_factory=dict)
    scale: float = 1.0
    sidecar: str | None = None


def class_content(classes: Sequence[str], palette: Sequence[Sequence[int]] | None) -> Content:
    """Return the content of a class map: one uint8 band of class indices, 255 where pixels are missing.

    The names of the classes stand in the band's tags ``CLASS_0``, ``CLASS_1``, ..., and as GDAL's category
    names, which GIS programs show in their legends, in a file ``.aux.xml`` beside: a GeoTIFF has no place for
    them.

    Args:
        classes: Names of the K classes.
        palette: RGB colour (0 to 255) of each class, or ``None``.

    Raises:
        ConfigError: If there are more classes than 8 bits can hold beside nodata.
    """
    if not 0 < len(classes) <= NODATA:
        raise ConfigError(f"A class map holds 1 to {NODATA} classes, the task has {len(classes)}.")
    colours = {index: (red, green, blue, 255) for index, (red, green, blue) in enumerate(palette or ())}
    names = "".join(f"      <Category>{escape(name)}</Category>\n" for name in classes)
    return Content(
        descriptions=("class",),
        dtype="uint8",
        nodata=NODATA,
        tags={f"CLASS_{index}": name for index, name in enumerate(classes)},
        colours=colours | {NODATA: (0, 0, 0, 0)} if colours else {},
        sidecar="<PAMDataset>\n"
        '  <PAMRasterBand band="1">\n'
        f"    <CategoryNames>\n{names}    </CategoryNames>\n"
        "  </PAMRasterBand>\n"
        "</PAMDataset>\n",
    )


def class_pixels(probabilities: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the most probable class of probabilities (K, h, w) as (1, h, w)."""
    return np.where(valid, probabilities.argmax(axis=0), NODATA).astype(np.uint8)[None]


def probability_content(classes: Sequence[str], dtype: str) -> Content:
    """Return the content of a probability file: one band per class.

    Args:
        classes: Names of the K classes.
        dtype: ``"float32"`` (missing pixels are NaN) or ``"uint8"`` (0 to 254 with a GDAL scale of 1/254,
            missing pixels are 255), which takes a quarter of the disk.

    Raises:
        ConfigError: If ``dtype`` is neither.
    """
    if dtype == "float32":
        return Content(descriptions=tuple(classes), dtype=dtype, nodata=float("nan"))
    if dtype == "uint8":
        return Content(descriptions=tuple(classes), dtype=dtype, nodata=NODATA, scale=1 / FULL)
    raise ConfigError(f"Probabilities are stored as 'float32' or 'uint8', not as '{dtype}'.")


def probability_pixels(
    probabilities: NDArray[np.float32], valid: NDArray[np.bool_], dtype: str
) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Return probabilities (K, h, w) as they are stored."""
    if dtype == "uint8":
        return np.where(valid, np.rint(probabilities.clip(0, 1) * FULL), NODATA).astype(np.uint8)
    return np.where(valid, probabilities, np.float32(np.nan))
