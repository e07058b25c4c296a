"""What the numbers of an image mean: its bands, their order and unit, and their statistics."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hqzoo.data.plain import Plain
from hqzoo.errors import SensorError

__all__ = ["Inputs", "Sensor", "Statistics", "plain_name"]

_SAME_BAND = {"r": "red", "g": "green", "b": "blue"}


@dataclass(frozen=True)
class Sensor(Plain):
    """Bands, unit and full scale of the images that a data set hands over and a model was trained on.

    Args:
        bands: Names of the bands in the order of the image's channels, for example ``("red", "green",
            "blue")``.
        unit: Physical unit of the values: ``"digital number"``, ``"reflectance x 1e4"``, ``"dB"``.
        scale: The value, in ``unit``, that is full scale: 255 for 8-bit imagery, 10000 for reflectance x 1e4.
        gsd: Ground sampling distance in metres, the finest where bands differ; None: not stated.
        level: Processing level, such as ``"L1C"`` or ``"L2A"``; empty: not stated.
        offset: What was added to the physical value before it was stored, in ``unit``: 1000 for Sentinel-2 from
            processing baseline 04.00 on.

    Raises:
        SensorError: If there is no band, a band is named twice, or a number is out of range.
    """

    SCHEMA: ClassVar[int] = 1

    bands: tuple[str, ...]
    unit: str = "digital number"
    scale: float = 255.0
    gsd: float | None = None
    level: str = ""
    offset: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.bands, str):
            raise SensorError(f"bands must be a list of names, got the text '{self.bands}'.")
        object.__setattr__(self, "bands", tuple(str(band) for band in self.bands))
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "offset", float(self.offset))
        if not self.bands or len(set(self.bands)) != len(self.bands):
            raise SensorError(f"A sensor needs one or more bands with distinct names, got {list(self.bands)}.")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise SensorError(f"The scale of a sensor is a positive number, got {self.scale}.")
        if self.gsd is not None and not self.gsd > 0:
            raise SensorError(
                f"The ground sampling distance of a sensor is a positive number of metres, got {self.gsd}."
            )
        if not math.isfinite(self.offset):
            raise SensorError(f"The offset of a sensor is a finite number, got {self.offset}.")

    def __len__(self) -> int:
        return len(self.bands)

    def difference(self, other: Sensor) -> str | None:
        """Say in a sentence how ``other`` differs from this sensor, or return None where it does not.

        Ground sampling distances may differ; processing levels count where both are stated.
        """
        if set(self.bands) != set(other.bands):
            return (
                f"The bands differ: {len(self)} ({', '.join(self.bands)}) "
                f"against {len(other)} ({', '.join(other.bands)})."
            )
        if self.bands != other.bands:
            return f"The order of the bands differs: {', '.join(self.bands)} against {', '.join(other.bands)}."
        if self.unit != other.unit:
            return f"The units differ: '{self.unit}' against '{other.unit}'."
        if self.scale != other.scale:
            return f"The full scales differ: {self.scale:g} against {other.scale:g} {self.unit}."
        if self.offset != other.offset:
            return f"The offsets differ: {self.offset:g} against {other.offset:g} {self.unit}."
        if self.level and other.level and self.level != other.level:
            return f"The processing levels differ: {self.level} against {other.level}."
        return None


@dataclass(frozen=True)
class Statistics(Plain):
    """Mean and standard deviation of each band over the training split, in the sensor's unit.

    Args:
        mean: Mean per band.
        std: Population standard deviation per band, positive.
        quantiles: Pairs of a share of pixels, 0 to 1, and the value per band below which so many lie; empty: not
            computed.

    Raises:
        SensorError: If the lengths differ, a value is not finite or a deviation is not positive.
    """

    SCHEMA: ClassVar[int] = 1

    mean: tuple[float, ...]
    std: tuple[float, ...]
    quantiles: tuple[tuple[float, tuple[float, ...]], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        quantiles = tuple((float(share), tuple(map(float, values))) for share, values in self.quantiles)
        object.__setattr__(self, "quantiles", quantiles)
        if not self.mean or len(self.mean) != len(self.std):
            raise SensorError(
                f"Statistics hold a mean and a deviation per band, got {len(self.mean)} and {len(self.std)}."
            )
        if not all(map(math.isfinite, self.mean + self.std)) or min(self.std) <= 0:
            raise SensorError(f"Means must be finite and deviations positive, got {self.mean} and {self.std}.")
        for share, values in quantiles:
            if not 0 <= share <= 1 or len(values) != len(self.mean):
                raise SensorError(
                    f"A quantile has a share from 0 to 1 and a value for each of {len(self.mean)} bands, "
                    f"got {share} and {len(values)} values."
                )


@dataclass(frozen=True)
class Inputs:
    """What a model is going to see: every sensor by the name that its images have in a batch, with its statistics.

    The images themselves reach a model normalised, (value - mean) / deviation per band. A frozen backbone with a
    scaling of its own reads here what that was.

    Args:
        sensors: Name in the batch (``"image"``, or ``"s2"`` and ``"s1"``) to sensor.
        statistics: The same names to statistics.

    Raises:
        SensorError: If names or numbers of bands do not agree.
    """

    sensors: Mapping[str, Sensor]
    statistics: Mapping[str, Statistics]

    def __post_init__(self) -> None:
        if not self.sensors or set(self.sensors) != set(self.statistics):
            raise SensorError(
                f"Every sensor needs statistics: got the sensors {', '.join(self.sensors) or 'none'} and statistics of "
                f"{', '.join(self.statistics) or 'none'}."
            )
        for name, sensor in self.sensors.items():
            if len(sensor) != len(self.statistics[name].mean):
                raise SensorError(
                    f"The sensor '{name}' has {len(sensor)} bands, but statistics of {len(self.statistics[name].mean)}."
                )

    @property
    def single(self) -> Sensor:
        """The only sensor.

        Raises:
            SensorError: If there are several.
        """
        if len(self.sensors) > 1:
            raise SensorError(f"One sensor is expected, but there are {len(self.sensors)}: {', '.join(self.sensors)}.")
        return next(iter(self.sensors.values()))


def plain_name(name: str) -> str:
    """Return the same word for the same band: "B04, central wavelength 665 nm", "B4" and "b04" are one."""
    plain = re.sub(r"^b0+(?=\d)", "b", name.split(",")[0].strip().casefold())
    return _SAME_BAND.get(plain, plain)
