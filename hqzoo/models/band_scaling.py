"""From a data set's bands and units to those that a pretrained network was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from hqzoo.data.sensor import Sensor, Statistics, plain_name
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.nn.normalizer import Rescale

__all__ = ["WHITE", "ZERO", "Unit", "Wanted", "find_bands", "pick_bands", "rescale_to", "same_bands"]

Unit = Literal["reflectance x 1e4", "8 bit", "dB"]

WHITE = 2750.0
"""Reflectance x 1e4 that full scale of 8-bit colours stands for in EuroSAT's RGB version."""

ZERO = "zero"
"""Stands in for a band that is missing: 0 in the network's own scaling."""

_SENTINEL2_COLOURS = {"red": "b4", "green": "b3", "blue": "b2"}
_REFLECTANCE = 1e4


@dataclass(frozen=True)
class Wanted:
    """The bands of a pretrained network, and how its images were normalised.

    Args:
        bands: Their names, in its order.
        units: The unit of each.
        mean: What its images were centred on, in that unit.
        std: What they were divided by, likewise.
        sentinel2: Whether its B02, B03 and B04 are blue, green and red.
    """

    bands: tuple[str, ...]
    units: tuple[Unit, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sentinel2: bool = True


def find_bands(there: Sequence[str], wanted: Sequence[str], sentinel2: bool = True) -> list[str | None]:
    """Return by which of its names a data set has each wanted band; None for those that it lacks.

    Names are compared as words for bands: ``B4`` is ``B04``, and of Sentinel-2 also ``red``.

    Args:
        there: Bands of the data set.
        wanted: Bands that are looked for.
        sentinel2: Whether red, green and blue are B04, B03 and B02.
    """
    known = {_word(band, sentinel2): band for band in there}
    return [known.get(_word(band, sentinel2)) for band in wanted]


def same_bands(
    there: Sequence[str], wanted: Sequence[str], sentinel2: bool, network: str, impute: Mapping[str, str] | None = None
) -> list[str]:
    """Return what a data set calls each wanted band, or the one that stands in for it, or :data:`ZERO`.

    Args:
        there: Bands of the data set.
        wanted: Bands that are looked for.
        sentinel2: Whether red, green and blue are B04, B03 and B02.
        network: Who wants them, for errors.
        impute: Band that is missing to the one that stands in for it, or :data:`ZERO`.

    Raises:
        ConfigError: If one is missing, or imputed though it is there.
    """
    instead = {_word(band, sentinel2): other for band, other in (impute or {}).items()}
    found = find_bands(there, wanted, sentinel2)
    for place, band in enumerate(wanted):
        other = instead.pop(_word(band, sentinel2), None)
        if other is None:
            continue
        if found[place] is not None:
            raise ConfigError(f"`impute` gives {other} for {band}, but {band} is there. Leave it out of `impute`.")
        found[place] = ZERO if other == ZERO else find_bands(there, [other], sentinel2)[0]
        if found[place] is None:
            raise ConfigError(f"`impute: {{{band}: {other}}}`: {unknown_name('band', other, there)}")
    if instead:
        raise ConfigError(f"`impute` names {', '.join(instead)}, which {network} does not take: it takes "
                          f"{', '.join(wanted)}.")  # fmt: skip
    missing = [band for band, name in zip(wanted, found, strict=True) if name is None]
    if missing:
        raise ConfigError(
            f"{network} needs the bands {', '.join(wanted)}; the images have {', '.join(there)}, without "
            f"{', '.join(missing)}. Name the bands of the data as they are, choose an encoder for these bands, or let "
            f"something stand in where you want that: `impute: {{{missing[0]}: {ZERO}}}`."
        )
    return [name for name in found if name is not None]


def rescale_to(
    sensor: Sensor, statistics: Statistics, wanted: Wanted, network: str, white: float = WHITE,
    impute: Mapping[str, str] | None = None,
) -> Rescale:  # fmt: skip
    r"""Return the affine map from a data set's normalised images to a network's.

    A value :math:`v` of the sensor becomes :math:`k (v - o)` in the network's unit, where :math:`o` is the sensor's
    offset and :math:`k` is 1 for the same unit; 8 bits are full scale of digital numbers, and ``white`` reflectance.

    Args:
        sensor: The data set's sensor.
        statistics: What normalised its images.
        wanted: What the network takes.
        network: Its name, for errors.
        white: Reflectance x 1e4 that full scale of digital numbers stands for.
        impute: As of :func:`same_bands`.

    Raises:
        ConfigError: If a band is missing, or a unit cannot be converted.
    """
    names = same_bands(sensor.bands, wanted.bands, wanted.sentinel2, network, impute)
    if not white > 0:
        raise ConfigError(f"white={white} is a reflectance x 1e4, more than 0.")
    factors = [_factor(sensor, unit, white, network) * sensor.scale for unit in wanted.units]
    return _placed(
        sensor.bands, statistics.mean, statistics.std, names,
        [mean / k for mean, k in zip(wanted.mean, factors, strict=True)],
        [std / k for std, k in zip(wanted.std, factors, strict=True)],
        sensor.scale, sensor.offset,
    )  # fmt: skip


def pick_bands(
    there: Sequence[str], wanted: Sequence[str], network: str, impute: Mapping[str, str] | None = None
) -> Rescale:
    """Return the map that puts bands into a network's order and leaves their values as they are.

    Args:
        there: Bands of the images, in order.
        wanted: Bands that the network takes, in its order.
        network: Its name, for errors.
        impute: As of :func:`same_bands`.

    Raises:
        ConfigError: If a band is missing.
    """
    names = same_bands(there, wanted, True, network, impute)
    same = [0.0] * len(there), [1.0] * len(there)
    return _placed(there, *same, names, [0.0] * len(names), [1.0] * len(names), 1.0, 0.0)


def _placed(
    there: Sequence[str], mean: Sequence[float], std: Sequence[float], names: Sequence[str],
    wanted_mean: Sequence[float], wanted_std: Sequence[float], scale: float, offset: float,
) -> Rescale:  # fmt: skip
    """Return the map to bands of these names, of which some are :data:`ZERO`."""
    blank = torch.tensor([name == ZERO for name in names])
    known = [there[0] if name == ZERO else name for name in names]
    rescale = Rescale(there, mean, std, known, wanted_mean, wanted_std, scale, offset)
    rescale.factor[blank] = 0
    rescale.shift[blank] = 0
    return rescale


def _word(band: str, sentinel2: bool) -> str:
    word = plain_name(band)
    return _SENTINEL2_COLOURS.get(word, word) if sentinel2 else word


def _factor(sensor: Sensor, unit: Unit, white: float, network: str) -> float:
    """Return what one unit of the sensor is in another."""
    reflectance = {"reflectance x 1e4": 1.0, "reflectance": _REFLECTANCE}.get(sensor.unit)
    known: Mapping[str, float] = {}
    if sensor.unit == "dB":
        known = {"dB": 1.0}
    elif reflectance is not None:
        known = {"reflectance x 1e4": reflectance, "8 bit": 255 * reflectance / white}
    elif sensor.unit == "digital number":
        known = {"reflectance x 1e4": white / sensor.scale, "8 bit": 255 / sensor.scale}
    if unit not in known:
        raise ConfigError(
            f"{network} takes values in {unit}; those of the data are in '{sensor.unit}', which does not convert. "
            "Declare what they are as the sensor's unit: 'reflectance x 1e4', 'reflectance', 'digital number' or 'dB'."
        )
    return known[unit]
