"""Redundant weights: directions in weight space along which nothing changes, or nothing that a linear layer misses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compile import compile as compile_circuit
from hqzoo.quantum.diagnostics.inert import inert_weights
from hqzoo.quantum.diagnostics.sampling import affordable, draw

__all__ = ["LinearRedundancy", "behind_linear", "redundant_directions"]

ROUNDING = 1e-8  # of the largest entry; rounding errors stay below, directions that matter above


@dataclass(frozen=True)
class LinearRedundancy:
    """What is left of a circuit's weights when a trainable linear layer follows.

    Args:
        absorbed: Weights whose every change the linear layer can undo.
        effective: Independent directions of weight space that it cannot imitate.
    """

    absorbed: tuple[int, ...]
    effective: int


def redundant_directions(circuit: Circuit, seed: int = 0) -> int | None:
    """Return the number of directions in the space of the weights that are not inert, along which no output changes.

    Gradients of random combinations of outputs, over more samples than there are weights, span the row space of the
    Jacobian with certainty; what lies outside changes nothing.

    Returns:
        The number of directions, or None where looking for them would take long.
    """
    rows = _rows(circuit, seed, beside_linear=False)
    if rows is None:
        return None
    seen = circuit.n_weights - len(inert_weights(circuit, seed))
    return seen - max(_rank(part) for part in rows)


def behind_linear(circuit: Circuit, seed: int = 0) -> LinearRedundancy | None:
    """Return which weights a trainable linear layer behind the circuit makes superfluous.

    A direction of weight space is superfluous if the change of the outputs along it is an affine map of the outputs
    themselves, for all data: then the layer's matrix and bias can do the same. The derivatives of the outputs by the
    weights are regressed on the outputs; absorbed are the weights without residual (and not inert), effective is the
    rank of the residuals. HQ-UNet's column φ1 is absorbed: it turns ``(<Z>, <X>)`` of wires that are read in both.

    Returns:
        The finding, or None where looking would take long.
    """
    rows = _rows(circuit, seed, beside_linear=True)
    if rows is None:
        return None
    largest = torch.stack([part.abs().amax(0) for part in rows]).amax(0)
    inert = inert_weights(circuit, seed)
    absorbed = tuple(j for j in range(circuit.n_weights) if largest[j] <= ROUNDING and j not in inert)
    return LinearRedundancy(absorbed, max(_rank(part) for part in rows))


def _rows(circuit: Circuit, seed: int, beside_linear: bool) -> list[Tensor] | None:
    """Return gradients of random combinations of outputs by the weights, at two points.

    With ``beside_linear`` the combinations are those that every affine map of the outputs leaves at zero.
    """
    m, n = circuit.n_observables, circuit.n_weights - len(inert_weights(circuit, seed))
    samples = max(8, 2 * -(-n // m) + 4) + (m + 1 if beside_linear else 0)
    if not affordable(circuit, 2 * samples * (1 + 2 * (n + 4))):
        return None
    function = compile_circuit(circuit, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(2):
        data, weights = draw(circuit, samples, generator)
        leaf = weights[0].clone().requires_grad_()
        out = function(data, leaf)
        rows = torch.zeros(n + 4, circuit.n_weights, dtype=torch.float64)
        span = _basis(out.detach()) if beside_linear else out.new_zeros(samples, 0)
        for row in rows if out.requires_grad else ():
            mix = torch.randn(out.shape, generator=generator, dtype=out.dtype)
            mix = mix - span @ (span.T @ mix)
            row += torch.autograd.grad(out, leaf, mix, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
        found.append(rows)
    return found


def _basis(outputs: Tensor) -> Tensor:
    """Return an orthonormal basis of the outputs and the constant, over the samples."""
    design = torch.cat([outputs, outputs.new_ones(len(outputs), 1)], dim=1)
    left, values, _ = torch.linalg.svd(design, full_matrices=False)
    basis: Tensor = left[:, values > 1e-10 * values[0]]
    return basis


def _rank(rows: Tensor) -> int:
    if not rows.numel():
        return 0
    values = torch.linalg.svdvals(rows)
    return int((values > max(ROUNDING * float(values[0]), ROUNDING)).sum())
