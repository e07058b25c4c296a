"""Redundant weights: directions in weight space along which nothing changes, or nothing that a linear layer misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import compile_circuit
from hqzoo.quantum.diagnostics.inert import inert_weights
from hqzoo.quantum.diagnostics.sampling import SCALES, affordable, draw

__all__ = ["LinearRedundancy", "behind_linear", "redundant_directions"]

ROUNDING = 1e-8  # of the largest gradient; rounding errors stay below, directions that matter above
POINTS = (1.0, *SCALES)


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
    found = _rows(circuit, seed, beside_linear=False)
    return None if found is None else circuit.n_weights - len(inert_weights(circuit, seed)) - found.rank()


def behind_linear(circuit: Circuit, seed: int = 0) -> LinearRedundancy | None:
    """Return which weights a trainable linear layer behind the circuit makes superfluous.

    A direction of weight space is superfluous if the change of the outputs along it is an affine map of the outputs
    themselves, for all data: then the layer's matrix and bias can do the same. The derivatives of the outputs by the
    weights are regressed on the outputs; absorbed are the weights without residual (and not inert), effective is the
    rank of the residuals. HQ-UNet's column φ1 is absorbed: it turns ``(<Z>, <X>)`` of wires that are read in both.

    Returns:
        The finding, or None where looking would take long.
    """
    found = _rows(circuit, seed, beside_linear=True)
    if found is None:
        return None
    largest = torch.stack([part.abs().amax(0) for part in found.parts]).amax(0)
    inert = inert_weights(circuit, seed)
    absorbed = tuple(j for j in range(circuit.n_weights) if largest[j] <= found.rounding and j not in inert)
    return LinearRedundancy(absorbed, found.rank())


class _Rows(NamedTuple):
    """Gradients by the weights that are not inert, ``(combinations, n_weights)`` for each point.

    Args:
        parts: The gradients.
        rounding: What counts as zero among them.
    """

    parts: list[Tensor]
    rounding: float

    def rank(self) -> int:
        """Return in how many directions the weights matter."""
        return max(
            int((torch.linalg.svdvals(part) > self.rounding).sum()) if part.numel() else 0 for part in self.parts
        )


def _rows(circuit: Circuit, seed: int, beside_linear: bool) -> _Rows | None:
    """Return gradients of random combinations of outputs by the weights, at some points.

    With ``beside_linear`` the combinations are those that every affine map of the outputs leaves at zero.
    """
    inert = list(inert_weights(circuit, seed))
    m, n = circuit.n_observables, circuit.n_weights - len(inert)
    samples = max(8, 2 * -(-n // m) + 4) + (m + 1 if beside_linear else 0)
    if not affordable(circuit, len(POINTS) * samples * (1 + 2 * (n + 5))):
        return None
    function = compile_circuit(circuit, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    parts, largest = [], 0.0
    for scale in POINTS:
        data, weights = draw(circuit, samples, generator, scale)
        leaf = weights[0].clone().requires_grad_()
        out = function(data, leaf)
        mixes = torch.randn(n + 5, *out.shape, generator=generator, dtype=out.dtype)
        if beside_linear:
            span = _basis(out.detach())
            mixes[1:] -= span @ (span.T @ mixes[1:])
        whole, *rows = (_gradient(out, leaf, mix) for mix in mixes)
        part = torch.stack(rows)
        part[:, inert] = 0.0
        parts.append(part)
        largest = max(largest, float(whole.norm()))
    return _Rows(parts, ROUNDING * largest)


def _gradient(out: Tensor, leaf: Tensor, mix: Tensor) -> Tensor:
    if not out.requires_grad:
        return torch.zeros_like(leaf)
    return torch.autograd.grad(out, leaf, mix, retain_graph=True, allow_unused=True, materialize_grads=True)[0]


def _basis(outputs: Tensor) -> Tensor:
    """Return an orthonormal basis of the outputs, however small, and the constant, over the samples."""
    outputs = outputs / outputs.abs().amax(0).clamp_min(torch.finfo(outputs.dtype).tiny)
    design = torch.cat([outputs, outputs.new_ones(len(outputs), 1)], dim=1)
    left, values, _ = torch.linalg.svd(design, full_matrices=False)
    basis: Tensor = left[:, values > 1e-10 * values[0]]
    return basis
