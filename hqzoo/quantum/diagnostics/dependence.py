"""On which data and weights outputs depend, by derivatives at random points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import CompiledCircuit, compile_circuit
from hqzoo.quantum.diagnostics.sampling import SCALES, affordable, draw

__all__ = ["Dependence", "dependence"]

CERTAIN = 1e-10  # rounding errors of derivatives in double precision stay below by orders of magnitude
ALIKE = 0.1
SAMPLES = 3


class Dependence(NamedTuple):
    """What some outputs depend on.

    Args:
        data: Truth values ``(n_data,)``.
        weights: Truth values ``(n_weights,)``.
    """

    data: Tensor
    weights: Tensor


def dependence(circuit: Circuit, groups: Sequence[slice], seed: int = 0) -> list[Dependence] | None:
    """Return on which data and weights some groups of outputs depend.

    Expectation values are analytic functions: a derivative that does not vanish everywhere vanishes at a random point
    with probability 0. It may still be tiny, as that of a product of many cosines. So a tiny number counts, too, if it
    is the same in single as in double precision, which rounding errors are not; and a second point lies near zero,
    where cosines are 1.

    Args:
        circuit: The circuit.
        groups: Outputs that are looked at together.
        seed: Seed of the random points.

    Returns:
        A finding for each group, or None where looking would take long.
    """
    if not affordable(circuit, 2 * len(SCALES) * 3 * SAMPLES * len(groups)):
        return None
    generator = torch.Generator().manual_seed(seed)
    found = torch.zeros(len(groups), circuit.n_data + circuit.n_weights, dtype=torch.bool)
    precise, coarse = (compile_circuit(circuit, dtype=dtype) for dtype in (torch.float64, torch.float32))
    for scale in SCALES:
        data, weights = draw(circuit, SAMPLES, generator, scale)
        mix = torch.randn(SAMPLES, circuit.n_observables, generator=generator, dtype=torch.float64)
        slopes = _slopes(precise, groups, data, weights[0], mix)
        found |= slopes > CERTAIN
        if found.all():
            break
        again = _slopes(coarse, groups, data, weights[0], mix)
        found |= (slopes - again).abs() < ALIKE * slopes
    return [Dependence(row[: circuit.n_data], row[circuit.n_data :]) for row in found]


def _slopes(function: CompiledCircuit, groups: Sequence[slice], data: Tensor, weights: Tensor, mix: Tensor) -> Tensor:
    """Return absolute derivatives of each group's outputs, mixed, by data and weights: ``(groups, inputs)``."""
    leaves = data.clone().requires_grad_(), weights.clone().requires_grad_()
    rows = torch.zeros(len(groups), data.shape[1] + len(weights), dtype=torch.float64)
    with torch.enable_grad():  # layers may be built under torch.no_grad
        out = function(*leaves) * mix
        for row, group in zip(rows, groups if out.requires_grad else (), strict=False):
            by_data, by_weights = torch.autograd.grad(
                out[:, group].sum(), leaves, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            row += torch.cat([by_data.abs().amax(0), by_weights.abs()])
    return rows
