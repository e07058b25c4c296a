"""The bands of Sentinel-1 and Sentinel-2 as BigEarthNet has them: names, order, sizes and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hqzoo.data.sensor import Sensor
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["NATIVE_SIDES", "S1_BANDS", "S2_BANDS", "SIDE", "sensors_of"]

SIDE = 120
"""Height and width of a patch in pixels of 10 m."""

S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""Sentinel-2 at level 2A, which has no B10 (cirrus)."""

S1_BANDS = ("VV", "VH")

_FINE, _COARSE = ("B02", "B03", "B04", "B08"), ("B01", "B09")
NATIVE_SIDES: Mapping[str, int] = {
    **{band: SIDE if band in _FINE else SIDE // 6 if band in _COARSE else SIDE // 2 for band in S2_BANDS},
    **dict.fromkeys(S1_BANDS, SIDE),
}
"""Band to height and width of a patch as the archive holds it: pixels of 10, 20 or 60 m."""

# Processing baseline 04.00, which adds 1000 to every value, began years after these images: their offset is 0.
_ALL = {
    "s2": Sensor(S2_BANDS, "reflectance x 1e4", 10_000.0, gsd=10.0, level="L2A"),
    "s1": Sensor(S1_BANDS, "dB", 30.0, gsd=10.0, level="GRD"),
}


def sensors_of(names: Sequence[str], bands: Sequence[str] | None = None) -> dict[str, Sensor]:
    """Return the sensors of these names, in their order.

    Args:
        names: ``s2``, ``s1``, or both.
        bands: Bands of Sentinel-2 in the order wanted; None: all 12. Sentinel-1 always has VV, VH.

    Raises:
        ConfigError: If a name is unknown or repeats, or bands are given but no Sentinel-2 is.
    """
    for name in names:
        if name not in _ALL:
            raise ConfigError(unknown_name("sensor", name, _ALL))
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"`sensors` names one or more of {', '.join(_ALL)}, each once; got {list(names)}.")
    sensors = {name: _ALL[name] for name in names}
    if bands is None:
        return sensors
    if "s2" not in sensors:
        raise ConfigError("`bands` chooses bands of Sentinel-2, but `sensors` does not have s2: leave it out.")
    for band in bands:
        if band not in S2_BANDS:
            raise ConfigError(unknown_name("band of Sentinel-2 at level 2A", band, S2_BANDS))
    if not bands or len(set(bands)) < len(bands):
        raise ConfigError(f"`bands` names one or more bands, each once; got {list(bands)}.")
    whole = _ALL["s2"]
    sensors["s2"] = Sensor(tuple(bands), whole.unit, whole.scale, whole.gsd, whole.level)
    return sensors
