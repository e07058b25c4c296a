"""What the numbers of an image mean: its bands, their order and unit, and their statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from hqzoo.errors import SensorError, unknown_name

__all__ = ["Sensor", "Statistics"]


class _Plain:
    """Conversion to and from dictionaries of plain types, which checkpoints and JSON files hold."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as lists, strings and numbers only."""
        values = asdict(self)  # type: ignore[call-overload]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the object from :meth:`to_dict`'s result.

        Raises:
            SensorError: If a key is unknown or missing.
        """
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        for key in values:
            if key not in known:
                raise SensorError(unknown_name(f"field of {cls.__name__}", key, known))
        try:
            return cls(**values)
        except TypeError as error:
            raise SensorError(f"{cls.__name__} needs the fields {sorted(known)}, got {sorted(values)}.") from error


@dataclass(frozen=True)
class Sensor(_Plain):
    """Bands, unit and full scale of the images that a data set hands over and a model was trained on.

    Args:
        bands: Names of the bands in the order of the image's channels, for example ``("red", "green",
            "blue")``.
        unit: Physical unit of the values: ``"digital number"``, ``"reflectance x 1e4"``, ``"dB"``.
        scale: The value, in ``unit``, that is full scale: 255 for 8-bit imagery, 10000 for reflectance x 1e4.

    Raises:
        SensorError: If there is no band, a band is named twice, or the scale is not a positive number.
    """

    bands: tuple[str, ...]
    unit: str = "digital number"
    scale: float = 255.0

    def __post_init__(self) -> None:
        if isinstance(self.bands, str):
            raise SensorError(f"bands must be a list of names, got the text '{self.bands}'.")
        object.__setattr__(self, "bands", tuple(str(band) for band in self.bands))
        object.__setattr__(self, "scale", float(self.scale))
        if not self.bands or len(set(self.bands)) != len(self.bands):
            raise SensorError(f"A sensor needs one or more bands with distinct names, got {list(self.bands)}.")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise SensorError(f"The scale of a sensor is a positive number, got {self.scale}.")

    def __len__(self) -> int:
        return len(self.bands)

    def difference(self, other: Sensor) -> str | None:
        """Say in a sentence how ``other`` differs from this sensor, or return None where it does not."""
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
        return None


@dataclass(frozen=True)
class Statistics(_Plain):
    """Mean and standard deviation of each band over the training split, in the sensor's unit.

    Args:
        mean: Mean per band.
        std: Population standard deviation per band, positive.

    Raises:
        SensorError: If the lengths differ, a value is not finite or a deviation is not positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        if not self.mean or len(self.mean) != len(self.std):
            raise SensorError(
                f"Statistics hold a mean and a deviation per band, got {len(self.mean)} and {len(self.std)}."
            )
        if not all(map(math.isfinite, self.mean + self.std)) or min(self.std) <= 0:
            raise SensorError(f"Means must be finite and deviations positive, got {self.mean} and {self.std}.")
