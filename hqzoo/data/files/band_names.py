"""What the bands of a file are called, so that an order of bands is never taken for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hqzoo.data.sensor import plain_name

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = [
    "BandNames",
    "arrange",
    "band_colours",
    "band_descriptions",
    "generic_names",
    "name_bands",
    "order_bands",
    "plain_name",
]

_RGB = ("red", "green", "blue")


class BandNames(NamedTuple):
    """Names of bands, and whether they are the file's own."""

    names: tuple[str, ...]
    own: bool


def name_bands(raster: DatasetReader, bands: Sequence[int]) -> BandNames:
    """Name bands by their descriptions, else by their colours if these are red, green and blue, else by number.

    Red, green, blue in this order count as no name of the file's own: it is GDAL's default for three 8-bit bands.

    Args:
        raster: Raster opened with rasterio.
        bands: Numbers of the bands, from 1.
    """
    described, coloured = band_descriptions(raster, bands), band_colours(raster, bands)
    if all(described) and len(set(described)) == len(described):
        return BandNames(described, own=True)
    if sorted(coloured) == sorted(_RGB):
        return BandNames(coloured, own=coloured != _RGB)
    return BandNames(generic_names(len(bands)), own=False)


def arrange(bands: BandNames, indexes: Sequence[int], wanted: BandNames) -> tuple[int, ...] | None:
    """Return the numbers of a file's bands in the order wanted.

    Args:
        bands: Names of the file's bands.
        indexes: Their numbers in the file, from 1.
        wanted: Names in the order to read them in.

    Returns:
        The numbers as they are where names tell nothing, because either side's are not its own; None where they tell
        that these are other bands.
    """
    place = {plain_name(name): index for name, index in zip(bands.names, indexes, strict=True)}
    names = [plain_name(name) for name in wanted.names]
    if len(place) == len(indexes) and set(names) == set(place):
        return tuple(place[name] for name in names)
    return None if bands.own and wanted.own else tuple(indexes)


def order_bands(raster: DatasetReader, bands: Sequence[int], wanted: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of a raster's bands in the order wanted, where its own names are exactly those wanted.

    Args:
        raster: Raster opened with rasterio.
        bands: Numbers of its bands, from 1.
        wanted: Names in the order to read them in.
    """
    coloured = band_colours(raster, bands)
    sources = [band_descriptions(raster, bands)] + ([] if coloured == _RGB else [coloured])
    for names in sources:
        place = {plain_name(name): band for name, band in zip(names, bands, strict=True)}
        if len(place) == len(bands) and {plain_name(name) for name in wanted} == set(place):
            return tuple(place[plain_name(name)] for name in wanted)
    return tuple(bands)


def band_descriptions(raster: DatasetReader, bands: Sequence[int]) -> tuple[str, ...]:
    """Return what somebody called the bands; "" for those without a name."""
    return tuple(raster.descriptions[band - 1] or "" for band in bands)


def band_colours(raster: DatasetReader, bands: Sequence[int]) -> tuple[str, ...]:
    """Return the colours that a file, or GDAL by default, gives to the bands."""
    return tuple(str(raster.colorinterp[band - 1].name) for band in bands)


def generic_names(count: int) -> tuple[str, ...]:
    """Return the names of bands that nobody named."""
    return {1: ("grey",), 3: _RGB}.get(count) or tuple(f"band_{number}" for number in range(1, count + 1))
