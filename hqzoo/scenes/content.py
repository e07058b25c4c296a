"""What the files of a map hold: class indices with colours and names, and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from hqzoo.errors import ConfigError

__all__ = [
    "NODATA",
    "ClassPixels",
    "Content",
    "class_content",
    "most_probable",
    "probability_content",
    "probability_pixels",
]

NODATA = 255
"""Value of missing pixels in 8-bit files."""

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


@dataclass(frozen=True)
class ClassPixels:
    """From class indices to the numbers that a map holds.

    Args:
        codes: Number of each of the K classes.
        missing: Number of missing pixels.
        dtype: ``"uint8"``, or ``"uint16"`` or ``"int32"`` where codes need it.
    """

    codes: tuple[int, ...]
    missing: int
    dtype: str

    @classmethod
    def of(cls, number: int, codes: Sequence[int] | None = None) -> ClassPixels:
        """Choose type and nodata value.

        Args:
            number: Number of classes K.
            codes: Their codes; None: the class indices.

        Raises:
            ConfigError: If there is no type that holds the codes and a value for missing pixels.
        """
        codes = tuple(range(number) if codes is None else codes)
        for dtype in ("uint8", "uint16", "int32"):
            limits = np.iinfo(dtype)
            if codes and limits.min <= min(codes) and max(codes) <= limits.max:
                free = (value for value in range(limits.max, limits.min, -1) if value not in codes)
                missing = next(free, None)
                if missing is not None:
                    return cls(codes, missing, dtype)
        raise ConfigError(f"A class map holds one or more classes of 32-bit codes, the task has {codes}.")

    def of_indices(self, indices: NDArray[np.integer[Any]], valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the numbers of class indices of any shape."""
        table = np.array((*self.codes, self.missing), dtype=self.dtype)
        return table[np.where(valid, indices, len(self.codes))]

    def of_probabilities(self, probabilities: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the number of the most probable class of probabilities (K, h, w) as (1, h, w)."""
        return self.of_indices(most_probable(probabilities), valid)[None]


def most_probable(probabilities: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the most probable class (h, w) of probabilities (K, h, w), the first of equals."""
    # Planes one after another: several times faster than argmax along the slowest axis.
    best, found = probabilities[0].copy(), np.zeros(probabilities.shape[1:], dtype=np.uint16)
    for index, plane in enumerate(probabilities[1:], start=1):
        np.copyto(found, index, where=plane > best)  # which lets other threads run
        np.maximum(best, plane, out=best)
    return found


def class_content(
    classes: Sequence[str], palette: Sequence[Sequence[int]] | None, pixels: ClassPixels | None = None
) -> Content:
    """Return the content of a class map: one band of class numbers, and one more number where pixels are missing.

    The names of the classes stand in the band's tags ``CLASS_0``, ``CLASS_1``, ... (the number is the pixels'), and, of
    8-bit maps, as GDAL's category names, which GIS programs show in their legends, in a file ``.aux.xml`` beside: a
    GeoTIFF has no place for them.

    Args:
        classes: Names of the K classes.
        palette: RGB colour (0 to 255) of each class, or ``None``.
        pixels: Numbers of the classes; ``None``: their indices, and 255 where missing.
    """
    pixels = pixels or ClassPixels.of(len(classes))
    shown = pixels.dtype in ("uint8", "uint16")  # a GeoTIFF has no other colour tables
    coloured = zip(pixels.codes, palette or (), strict=False)
    colours = {code: (red, green, blue, 255) for code, (red, green, blue) in coloured if shown}
    return Content(
        descriptions=("class",),
        dtype=pixels.dtype,
        nodata=pixels.missing,
        tags={f"CLASS_{code}": name for code, name in zip(pixels.codes, classes, strict=True)},
        colours=colours | {pixels.missing: (0, 0, 0, 0)} if colours else {},
        sidecar=_categories(dict(zip(pixels.codes, classes, strict=True))) if pixels.dtype == "uint8" else None,
    )


def _categories(names: Mapping[int, str]) -> str:
    listed = (names.get(value, "") for value in range(max(names) + 1))
    entries = "".join(f"      <Category>{escape(name)}</Category>\n" for name in listed)
    return (
        "<PAMDataset>\n"
        '  <PAMRasterBand band="1">\n'
        f"    <CategoryNames>\n{entries}    </CategoryNames>\n"
        "  </PAMRasterBand>\n"
        "</PAMDataset>\n"
    )


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
