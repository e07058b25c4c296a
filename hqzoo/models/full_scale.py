"""From normalised images back to shares of full scale, for models whose pixels are angles."""

from __future__ import annotations

from collections.abc import Sequence

from hqzoo.data.sensor import Inputs
from hqzoo.nn import Rescale

__all__ = ["shares_of_full_scale"]


def shares_of_full_scale(inputs: Inputs, bands: Sequence[str]) -> Rescale:
    """Return what takes normalised images back to shares of full scale, of some bands: pixels in [0, 1] are angles.

    Raises:
        ConfigError: If the images lack a band.
    """
    sensor, statistics = inputs.single, inputs.statistics[next(iter(inputs.sensors))]
    zeros, ones = (0.0,) * len(bands), (1.0,) * len(bands)
    return Rescale(
        sensor.bands, statistics.mean, statistics.std, bands, zeros, ones, scale=sensor.scale, offset=sensor.offset
    )
