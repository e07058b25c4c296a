"""Error mitigation: expectation values without noise, guessed from values at several strengths of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.noise import NoiseModel

__all__ = ["Extrapolation", "ZeroNoiseEngine", "zne", "zne_coefficients"]

Extrapolation = Literal["linear", "richardson"]

SCALES = (1.0, 2.0, 3.0)


def zne_coefficients(scales: Sequence[float], extrapolation: Extrapolation = "richardson") -> tuple[float, ...]:
    """Return how much the value at each strength of noise counts in the value without any.

    Args:
        scales: Strengths, as multiples of the noise that is there; different positive numbers.
        extrapolation: ``linear``: the straight line of least squares; ``richardson``: the polynomial through all
            values, which follows curves and magnifies shot noise.

    Raises:
        CircuitError: If there are fewer than two strengths, they repeat, or the extrapolation is unknown.
    """
    if len(scales) < 2 or len(set(scales)) != len(scales) or min(scales) <= 0:
        raise CircuitError(
            f"scales={tuple(scales)}: zero-noise extrapolation needs two or more different positive ones."
        )
    if extrapolation not in ("linear", "richardson"):
        raise CircuitError(f"extrapolation='{extrapolation}' is not one of linear, richardson.")
    degree = 1 if extrapolation == "linear" else len(scales) - 1
    powers = np.vander(np.array(scales, dtype=float), degree + 1, increasing=True)
    return tuple(float(c) for c in np.linalg.pinv(powers)[0])


def zne(values: Tensor, scales: Sequence[float], extrapolation: Extrapolation = "richardson") -> Tensor:
    """Return values extrapolated to zero noise.

    Args:
        values: ``(S, ...)``, measured at each of ``S`` strengths.
        scales: The strengths.
        extrapolation: See :func:`zne_coefficients`.

    Raises:
        CircuitError: As :func:`zne_coefficients`, or if there is not one value for each strength.
    """
    if len(values) != len(scales):
        raise CircuitError(f"{len(values)} values were given for {len(scales)} strengths of noise.")
    return torch.einsum("s,s...->...", values.new_tensor(zne_coefficients(scales, extrapolation)), values)


class ZeroNoiseEngine(Engine):
    """Zero-noise extrapolation of another engine (Temme et al., PRL 119, 180509, 2017).

    The probabilities of all channels are multiplied, which a simulator can do; a device repeats gates and their
    inverses instead, and cannot stretch the errors of its readout. What comes out may lie outside [-1, 1].

    Args:
        noise: The noise that is there.
        build: Makes the engine for a noise.
        dtype: Precision.
        scales: Strengths to measure at, as multiples of ``noise``. CHOICE 1, 2 and 3.
        extrapolation: See :func:`zne_coefficients`.

    Raises:
        CircuitError: If a strength makes a probability larger than it can be.
    """

    coefficients: Tensor

    def __init__(
        self,
        noise: NoiseModel,
        build: Callable[[NoiseModel], Engine],
        dtype: torch.dtype = torch.float32,
        scales: Sequence[float] = SCALES,
        extrapolation: Extrapolation = "richardson",
    ) -> None:
        super().__init__(dtype)
        coefficients = zne_coefficients(scales, extrapolation)
        self.engines = nn.ModuleList(build(noise.scaled(scale)) for scale in scales)
        self.constant("coefficients", torch.tensor(coefficients, dtype=dtype))

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return extrapolated values ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        values = torch.stack([engine(data, weights) for engine in self.engines])
        return torch.einsum("s,sbo->bo", self.coefficients, values)
