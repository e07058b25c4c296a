"""Can these numbers be what a sensor says? Training and mapping ask alike: neither takes what the other refuses."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hqzoo.data.records import Window

__all__ = ["can_be_out_of_range", "out_of_range", "sample_windows", "too_large", "too_narrow"]

SAMPLE = 256
"""Side of the squares whose values are looked at, in pixels."""

_TOO_BRIGHT = 2  # times full scale, as the median of a sample (CHOICE); sunlit clouds reach more than once full scale


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
    """Tell whether :func:`out_of_range` can find anything in numbers of this type."""
    dtype = np.dtype(dtype)
    return dtype.kind not in "ui" or np.iinfo(dtype).max > _TOO_BRIGHT * scale


def out_of_range(values: NDArray[Any], scale: float) -> Literal["unscaled", "too bright"] | None:
    """Judge a sample of a whole file: a part of it alone may well be dark, or nothing but clouds.

    A file of real numbers that truly has nothing above 1 in a unit of large full scale, such as elevations of a tidal
    flat in metres, is taken for unscaled all the same: leave it out, or merge it with its neighbours.

    Args:
        values: Valid values of any shape.
        scale: Full scale of their unit.

    Returns:
        ``"unscaled"`` for real numbers from 0 to 1 where full scale is 100 or more, ``"too bright"`` where most values
        are more than twice full scale, else None.
    """
    if not values.size:
        return None
    # An all-black sample is no evidence.
    if scale >= 100 and values.dtype.kind not in "ui" and values.min() >= 0 and 0 < values.max() <= 1:
        return "unscaled"
    return "too bright" if np.median(values) > _TOO_BRIGHT * scale else None


def sample_windows(height: int, width: int) -> list[Window]:
    """Return the squares along the diagonal of an image whose values stand for the whole."""
    places = (
        (round(part * max(0, height - SAMPLE)), round(part * max(0, width - SAMPLE)))
        for part in (0.5, 0.1, 0.3, 0.7, 0.9)
    )
    return [Window(row, col, min(SAMPLE, height), min(SAMPLE, width)) for row, col in dict.fromkeys(places)]
