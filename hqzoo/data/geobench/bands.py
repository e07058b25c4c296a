"""Bands of GEO-Bench: what the names in its files claim, what is true of them, and how that is told from statistics.

Two data sets were written with the names of Sentinel-2's bands in their usual order over arrays in another one
(https://github.com/ServiceNow/geo-bench/issues/28 and 29). Files may have been mended since, and neither names nor
versions tell. The means of a whole data set do: true colour of 8 bits lies below 256, and reflectance above; the
cirrus band of images on the ground is nearly black; B07, B08 and B8A see nearly the same light, brighter than the
short-wave infrared; and of the others the darker ones are known. What means cannot tell is a swap among B07, B08 and
B8A.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from hqzoo.errors import ConfigError, DataError, unknown_name

__all__ = ["SENTINEL2", "BandMap", "Measured", "Order", "claimed", "find_order", "map_bands", "read_statistics"]

BandMap = Literal["by_name", "true"]
Order = Literal["published", "mended"]

SENTINEL2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")

_KEY = re.compile(r"(?P<number>\d\dA?) - (?P<what>.+?)(_\d{4}-\d{2}-\d{2}.*)?$")  # "08A - Vegetation Red Edge"
_CIRRUS = 0.1  # of B8A, at most; published means are 0.005 of it. CHOICE, as the next
_SAME_LIGHT = (0.7, 1.5)  # B07 and B8A over B08; published means give 0.96 to 1.13
_EIGHT_BITS = 255.0


class Measured(NamedTuple):
    """What ``band_stats.json`` says of one band."""

    mean: float
    std: float
    low: float
    high: float


def claimed(key: str) -> str | None:
    """Return the band that the name of an array claims to be; None for labels, clouds and the like.

    ``08A - Vegetation Red Edge`` claims B8A, ``05 - VH.LEE Filtered`` the band ``VH.LEE Filtered`` of Sentinel-1; what
    follows an underscore is a date.
    """
    found = _KEY.match(key)
    if found is None:
        return None
    number, what = found["number"], found["what"]
    if what[:2] in ("VH", "VV"):
        return what
    band = "B8A" if number == "08A" else f"B{number}"
    return band if band in SENTINEL2 else None


def read_statistics(path: Path) -> dict[str, Measured]:
    """Read ``band_stats.json``: claimed band to what was measured.

    Raises:
        DataError: If the file is missing or damaged.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = {
            band: Measured(*(float(each[name]) for name in ("mean", "std", "min", "max")))
            for key, each in stored.items()
            if (band := claimed(key)) is not None
        }
    except OSError as error:
        raise DataError(f"Cannot read {path}, which every data set of GEO-Bench has: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}). Expected mean, std, min and max of every band."
        ) from error
    if not found:
        raise DataError(f"{path} names no band of Sentinel-1 or 2, but {', '.join(stored) or 'nothing'}.")
    return found


def find_order(means: Mapping[str, float], faulty: Mapping[str, str], darker: Sequence[str]) -> Order | None:
    """Tell whether means are those of the published, faulty order, or of bands that are what they claim to be.

    Args:
        means: Claimed band to its mean over the data set.
        faulty: Claimed band to the true one in the published files.
        darker: True bands, each darker on average than the next.

    Returns:
        None where it is neither.
    """
    orders: dict[Order, Mapping[str, str]] = {"published": faulty, "mended": {}}
    for order, truth in orders.items():
        if _plausible({truth.get(band, band): mean for band, mean in means.items()}, darker):
            return order
    return None


def _plausible(means: Mapping[str, float], darker: Sequence[str]) -> bool:
    """Tell whether true bands can have these means."""
    if not {"B07", "B08", "B8A", "B11", "B12"} <= set(means):
        return False
    colours = {band: mean for band, mean in means.items() if band.startswith("TCI")}
    reflectances = [mean for band, mean in means.items() if band not in (*colours, "B10")]
    if min(reflectances) <= _EIGHT_BITS or max(colours.values(), default=0.0) > _EIGHT_BITS:
        return False
    known = [means[band] for band in darker if band in means]
    return (
        all(_SAME_LIGHT[0] <= means[band] / means["B08"] <= _SAME_LIGHT[1] for band in ("B07", "B8A"))
        and means["B11"] < min(means[band] for band in ("B07", "B08", "B8A"))
        and means.get("B10", 0.0) <= _CIRRUS * means["B8A"]
        and all(first < second for first, second in pairwise(known))
    )


def map_bands(
    there: Sequence[str], truth: Mapping[str, str], wanted: Sequence[str] | None, impute: Mapping[str, str]
) -> dict[str, str]:
    """Return which array each band is read from.

    Args:
        there: Claimed bands of the files.
        truth: Claimed band to the band that it is taken for, where that differs.
        wanted: Bands in the order wanted; None: all of Sentinel-2 that are there or imputed, in its order.
        impute: Band that is absent to the one that stands in for it.

    Returns:
        Band to claimed band.

    Raises:
        ConfigError: If a band is absent, named twice, or imputed though it is there.
    """
    known = {truth.get(band, band): band for band in there}
    known = {band: key for band, key in known.items() if not band.startswith("TCI")}  # true colour has another unit
    for band, instead in impute.items():
        if band in known:
            raise ConfigError(f"`impute` gives {instead} for {band}, but {band} is there. Leave it out of `impute`.")
        if instead not in known:
            raise ConfigError(f"`impute: {{{band}: {instead}}}`: {unknown_name('band', instead, known)}")
    known |= {band: known[instead] for band, instead in impute.items()}
    bands = [band for band in SENTINEL2 if band in known] if wanted is None else list(wanted)
    for band in bands:
        if band not in known:
            raise ConfigError(
                f"{unknown_name('band', band, known)} Let another one stand in for it if you want that: "
                f"`impute: {{{band}: ...}}`."
            )
    if not bands or len(set(bands)) < len(bands):
        raise ConfigError(f"`bands` names one or more bands, each once; got {bands}.")
    return {band: known[band] for band in bands}
