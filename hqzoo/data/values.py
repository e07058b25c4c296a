"""Can these numbers be what a sensor says? Training and mapping ask alike: neither takes what the other refuses."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hqzoo.data.records import Window
from hqzoo.data.sensor import Statistics

__all__ = [
    "can_be_out_of_range",
    "hardly_above_zero",
    "looks_unscaled",
    "out_of_range",
    "sample_windows",
    "too_large",
    "too_narrow",
    "unexplained",
]

SAMPLE = 256
"""Side of the squares whose values are looked at, in pixels."""

_TOO_BRIGHT = 2  # times full scale, as the median of a sample (CHOICE); sunlit clouds reach more than once full scale
_FAR = 100  # times full scale: no measurement, however few (CHOICE)
_REPEATED = 16  # pixels with one and the same extreme value, which measurements do not repeat (CHOICE)
_USUAL_FILL = -9999  # may lie within twice full scale, where nothing else tells it from a measurement
_ONE = 2.0  # real numbers up to here are shares of full scale: resampling and glints exceed 1 (CHOICE)


def too_narrow(dtype: DTypeLike, scale: float) -> bool:
    """Tell whether numbers are stored in 8 bits though their unit has a larger full scale."""
    dtype = np.dtype(dtype)
    return dtype.kind in "ui" and dtype.itemsize == 1 and np.iinfo(dtype).max < scale


def too_large(values: NDArray[Any], scale: float) -> bool:
    """Tell whether integers are more than 8 bits wide though their unit has a full scale of 8 bits.

    The type alone says nothing: 8-bit imagery is often stored in 16 bits.
    """
    if values.dtype.kind not in "ui" or values.dtype.itemsize == 1 or scale > 255:
        return False
    return bool(values.size) and int(values.max()) > 255


def can_be_out_of_range(dtype: DTypeLike, scale: float) -> bool:
    """Tell whether :func:`out_of_range` or :func:`unexplained` can find anything in numbers of this type."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "ui":
        return True
    return np.iinfo(dtype).max > _TOO_BRIGHT * scale or np.iinfo(dtype).min <= _USUAL_FILL


def out_of_range(values: NDArray[Any], scale: float) -> Literal["unscaled", "too bright"] | None:
    """Judge a sample of a whole file: a part of it alone may well be dark, or nothing but clouds.

    A file of real numbers that truly has nothing above 1 in a unit of large full scale, such as elevations of a tidal
    flat in metres, is taken for unscaled all the same: leave it out, or merge it with its neighbours.

    Args:
        values: Valid values of any shape.
        scale: Full scale of their unit.

    Returns:
        ``"unscaled"`` for real numbers from 0 to about 1 where full scale is 100 or more, ``"too bright"`` where
        most values are more than twice full scale, else None.
    """
    if not values.size:
        return None
    # An all-black sample is no evidence.
    if scale >= 100 and values.dtype.kind not in "ui" and values.min() > -0.5 and 0 < values.max() <= _ONE:
        return "unscaled"
    return "too bright" if np.median(values) > _TOO_BRIGHT * scale else None


def hardly_above_zero(found: Statistics, scale: float) -> bool:
    """Tell whether images of a full scale of 100 or more hold hardly anything but 0 and 1, by their statistics."""
    return scale >= 100 and all(mean >= 0 and mean + std < 1.5 for mean, std in zip(found.mean, found.std, strict=True))


def looks_unscaled(values: NDArray[Any], scale: float) -> bool:
    """Tell whether integers hold nothing but 0 and 1 though full scale is 100 or more: possible, but hardly meant."""
    return bool(values.size) and scale >= 100 and values.dtype.kind in "ui" and int(values.max()) == 1


def unexplained(values: NDArray[Any], scale: float) -> float | None:
    """Return a value that is no measurement though nothing declares it as missing, such as -9999 or 65535; else None.

    It lies beyond 100 times full scale; or it is the extreme of many pixels alike, beyond twice full scale, with
    nothing in between (CHOICE). The value -9999 needs no distance from full scale.

    Args:
        values: Finite values of any shape that are not declared as missing.
        scale: Full scale of their unit.
    """
    if not values.size or not can_be_out_of_range(values.dtype, scale):
        return None
    for extreme in (values.min(), values.max()):
        value = float(extreme)
        if abs(value) > _FAR * scale:
            return value
        if abs(value) > _TOO_BRIGHT * scale or value == _USUAL_FILL:
            beyond = values < value / 2 if value < 0 else values > value / 2
            alike = np.count_nonzero(values == extreme)
            if alike >= _REPEATED and alike == np.count_nonzero(beyond):
                return value
    return None


def sample_windows(height: int, width: int) -> list[Window]:
    """Return the squares along the diagonal of an image whose values stand for the whole."""
    places = (
        (round(part * max(0, height - SAMPLE)), round(part * max(0, width - SAMPLE)))
        for part in (0.5, 0.1, 0.3, 0.7, 0.9)
    )
    return [Window(row, col, min(SAMPLE, height), min(SAMPLE, width)) for row, col in dict.fromkeys(places)]
