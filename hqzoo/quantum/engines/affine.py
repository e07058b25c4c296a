"""Angles as an affine map of data and weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine

__all__ = ["AffineAngles"]


class AffineAngles(Engine):
    """The values of some angles of a circuit.

    Args:
        angles: The angles.
        circuit: The circuit whose data and weights they depend on.
        dtype: Precision.
    """

    offset: Tensor
    of_data: Tensor
    of_weights: Tensor

    def __init__(self, angles: Sequence[Angle], circuit: Circuit, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        of_data = torch.zeros(circuit.n_data, len(angles), dtype=torch.float64)
        of_weights = torch.zeros(circuit.n_weights, len(angles), dtype=torch.float64)
        for column, angle in enumerate(angles):
            for index, coefficient in angle.data:
                of_data[index, column] = coefficient
            for index, coefficient in angle.weight:
                of_weights[index, column] = coefficient
        offset = torch.tensor([angle.constant for angle in angles], dtype=torch.float64)
        for name, value in (("offset", offset), ("of_data", of_data), ("of_weights", of_weights)):
            self.constant(name, value.to(dtype))

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return angles ``(B, n_angles)`` in radians of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        return self.offset + data @ self.of_data + weights @ self.of_weights
