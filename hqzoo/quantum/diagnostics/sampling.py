"""Random data and weights for looking at a circuit, and whether a look is affordable."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import plan
from hqzoo.quantum.engines.size import SizeError

__all__ = ["BATCH", "MAX_FLOPS", "SCALES", "affordable", "draw"]

BATCH = 8  # random data for each set of random weights
MAX_FLOPS = 1e10  # a few seconds of one core
SCALES = (1.0, 0.1)  # a generic point, and one near zero, where cosines are 1


def draw(circuit: Circuit, n: int, generator: torch.Generator, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return data ``(n, n_data)`` and weights ``(n, n_weights)`` in double precision.

    Data are uniform in [-1, 1] (CHOICE: what tanh features give), weights uniform in [0, 2π], both times ``scale``.
    """
    data = torch.rand(n, circuit.n_data, generator=generator, dtype=torch.float64) * 2 - 1
    weights = torch.rand(n, circuit.n_weights, generator=generator, dtype=torch.float64) * (2 * math.pi)
    return data * scale, weights * scale


def affordable(circuit: Circuit, evaluations: int) -> bool:
    """Return whether running the circuit so often stays below :data:`MAX_FLOPS`; a gradient counts as three runs."""
    try:
        return plan(circuit).flops * evaluations <= MAX_FLOPS
    except SizeError:
        return False
