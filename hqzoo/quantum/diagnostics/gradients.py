"""Variance of gradients: whether a circuit trains, and whether it still would with more qubits (barren plateaus)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import compile_circuit
from hqzoo.quantum.diagnostics.sampling import BATCH, affordable, draw

__all__ = ["GradientVariance", "Plateau", "affordable_gradients", "barren_plateau", "gradient_variance"]


@dataclass(frozen=True)
class GradientVariance:
    """Variance of the derivatives of single outputs by single weights over random data and weights.

    Args:
        n_wires: Qubits of the circuit.
        by_weight: Variance for every weight, the mean over all outputs.
    """

    n_wires: int
    by_weight: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the weights."""
        return sum(self.by_weight) / len(self.by_weight)


@dataclass(frozen=True)
class Plateau:
    """Gradient variances of one kind of circuit at growing sizes.

    Args:
        sizes: Variances, one for every size.
        slope: Change of ``ln(variance)`` a qubit, by least squares. About ``-ln 2 = -0.69`` and below is a barren
            plateau; a slope near 0 is none.
    """

    sizes: tuple[GradientVariance, ...]
    slope: float


def gradient_variance(circuit: Circuit, draws: int = 200, seed: int = 0) -> GradientVariance:
    """Return how much gradients vary over random weights and 8 random data each, see :func:`.sampling.draw`.

    McClean et al. 2018, arXiv 1803.11173. What is returned is the mean square of derivatives, whose mean is zero over
    whole periods of the weights. One gradient of a sum with random signs gives it for all outputs at once.

    Raises:
        CircuitError: If the circuit has no weights.
    """
    if not circuit.n_weights:
        raise CircuitError("The circuit has no weights, so there are no gradients to look at.")
    generator = torch.Generator().manual_seed(seed)
    function = compile_circuit(circuit, dtype=torch.float64)
    total = torch.zeros(circuit.n_weights, dtype=torch.float64)
    for _ in range(draws):
        data, weights = draw(circuit, BATCH, generator)
        leaf = weights[0].clone().requires_grad_()
        out = function(data, leaf)
        signs = torch.randint(0, 2, out.shape, generator=generator).to(out.dtype) * 2 - 1
        if out.requires_grad:
            total += torch.autograd.grad((out * signs).sum(), leaf)[0].square()
    return GradientVariance(circuit.n_wires, tuple((total / (draws * BATCH * circuit.n_observables)).tolist()))


def affordable_gradients(circuit: Circuit, draws: int = 200) -> bool:
    """Return whether :func:`gradient_variance` takes seconds and has something to look at."""
    return circuit.n_weights > 0 and affordable(circuit, 3 * draws * BATCH)


def barren_plateau(circuits: Iterable[Circuit], draws: int = 200, seed: int = 0) -> Plateau:
    """Return gradient variances of circuits of different sizes and how fast they fall.

    Raises:
        CircuitError: If there are fewer than two sizes, or a circuit has no weights.
    """
    sizes = tuple(gradient_variance(circuit, draws, seed) for circuit in circuits)
    wires = torch.tensor([float(size.n_wires) for size in sizes], dtype=torch.float64)
    if len({size.n_wires for size in sizes}) < 2:
        raise CircuitError("A slope needs circuits of at least two different sizes.")
    logs = torch.tensor([math.log(max(size.mean, 1e-300)) for size in sizes], dtype=torch.float64)
    centred = wires - wires.mean()
    return Plateau(sizes, float((centred * logs).sum() / centred.square().sum()))
