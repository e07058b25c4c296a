"""Gate angles: affine functions of the data, the trainable weights and constants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
from torch import Tensor

from hqzoo.errors import CircuitError

__all__ = ["Angle", "as_angle", "feature", "weight"]

Terms = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Angle:
    """An angle in radians: ``constant + sum(c * data[i]) + sum(c * weight[j])``.

    Build angles with :func:`feature` and :func:`weight` and ordinary arithmetic: ``math.pi * feature(3) + weight(0)``.

    Args:
        data: Pairs ``(i, c)``, sorted by ``i``, without zero coefficients.
        weight: Pairs ``(j, c)``, sorted by ``j``, without zero coefficients.
        constant: Radians.
    """

    data: Terms = ()
    weight: Terms = ()
    constant: float = 0.0

    def __add__(self, other: Angle | float) -> Angle:
        other = as_angle(other)
        return Angle(
            _collect(self.data + other.data),
            _collect(self.weight + other.weight),
            self.constant + other.constant,
        )

    __radd__ = __add__

    def __neg__(self) -> Angle:
        return self * -1.0

    def __sub__(self, other: Angle | float) -> Angle:
        return self + -as_angle(other)

    def __rsub__(self, other: Angle | float) -> Angle:
        return as_angle(other) - self

    def __mul__(self, factor: float) -> Angle:
        factor = _number(factor)
        return Angle(
            _collect((i, c * factor) for i, c in self.data),
            _collect((j, c * factor) for j, c in self.weight),
            self.constant * factor,
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Angle:
        return self * (1.0 / _number(divisor))

    @property
    def is_constant(self) -> bool:
        """Whether the angle depends on neither data nor weights."""
        return not self.data and not self.weight

    def __str__(self) -> str:
        parts = [_term(c, f"x[{i}]") for i, c in self.data] + [_term(c, f"w[{j}]") for j, c in self.weight]
        if self.constant or not parts:
            parts.append(f"{self.constant:.6g}")
        return " + ".join(parts).replace("+ -", "- ")


def feature(index: int) -> Angle:
    """Return the angle ``data[..., index]``: a feature of every sample, as a layer is called with it."""
    return Angle(data=((_index("data", index), 1.0),))


def weight(index: int) -> Angle:
    """Return the angle ``weight[index]``; gates that name the same index share the parameter."""
    return Angle(weight=((_index("weight", index), 1.0),))


def as_angle(value: Angle | float) -> Angle:
    """Return ``value`` as an angle; numbers are constants in radians."""
    return value if isinstance(value, Angle) else Angle(constant=_number(value))


def _number(value: object) -> float:
    """Return a number that stands in an angle.

    Raises:
        CircuitError: If it is none that stays what it is, such as a tensor, whose value now would be kept for good.
    """
    if isinstance(value, Angle):
        raise CircuitError(
            f"({value}) is multiplied with or divides another angle; angles are affine in data and weights."
        )
    if isinstance(value, Tensor) or getattr(value, "requires_grad", False):
        raise CircuitError(
            f"A tensor {tuple(value.shape)} was given in an angle, where its value of now would stay for good. "  # type: ignore[attr-defined]
            "Write weight(i) for a trained parameter and feature(i) for data: a circuit gets both when it runs. A "
            "constant is a number, such as float(tensor)."
        )
    if isinstance(value, SupportsFloat) and not isinstance(value, np.ndarray):
        return float(value)
    raise CircuitError(
        f"{value!r} ({type(value).__name__}) was given in an angle; give a number, feature(i) or weight(i)."
    )


def _index(kind: str, index: int) -> int:
    if index < 0:
        raise CircuitError(f"{kind}[{index}] was given as an angle; indices start at 0.")
    return int(index)


def _collect(terms: Iterable[tuple[int, float]]) -> Terms:
    total: dict[int, float] = {}
    for index, coefficient in terms:
        total[index] = total.get(index, 0.0) + coefficient
    return tuple((index, total[index]) for index in sorted(total) if total[index] != 0.0)


def _term(coefficient: float, name: str) -> str:
    return name if coefficient == 1.0 else f"-{name}" if coefficient == -1.0 else f"{coefficient:.6g}*{name}"
