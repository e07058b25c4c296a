"""Inert weights: trainable numbers that no output depends on."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compile import compile as compile_circuit
from hqzoo.quantum.diagnostics.cones import NEGLIGIBLE, causal_cones
from hqzoo.quantum.diagnostics.sampling import affordable, draw

__all__ = ["inert_weights", "warn_of_inert_weights"]


@lru_cache(maxsize=256)
def inert_weights(circuit: Circuit, seed: int = 0) -> tuple[int, ...]:
    """Return the weights that no output depends on.

    One gradient of a random combination of outputs, at random data and weights, is zero for exactly these (with
    probability 1, expectation values being analytic functions). Where even that takes long, only those weights are
    found that cannot reach an output by the structure of the circuit.

    Args:
        circuit: The circuit.
        seed: Seed of the random point.
    """
    if not circuit.n_weights:
        return ()
    if not affordable(circuit, 3 * 2):
        reaching = {j for cone in causal_cones(circuit, numeric=False) for j in cone.weights}
        return tuple(j for j in range(circuit.n_weights) if j not in reaching)
    generator = torch.Generator().manual_seed(seed)
    data, weights = draw(circuit, 2, generator)
    with torch.enable_grad():  # layers may be built under torch.no_grad
        leaf = weights[0].clone().requires_grad_()
        out = compile_circuit(circuit, dtype=torch.float64)(data, leaf)
        if not out.requires_grad:
            return tuple(range(circuit.n_weights))
        mix = torch.randn(out.shape, generator=generator, dtype=out.dtype)
        (gradient,) = torch.autograd.grad((out * mix).sum(), leaf)
    return tuple(int(j) for j in (gradient.abs() <= NEGLIGIBLE).nonzero().flatten())


def warn_of_inert_weights(circuit: Circuit, stacklevel: int = 1) -> None:
    """Warn if a circuit has weights that training cannot make use of; for whoever makes parameters of them.

    Args:
        circuit: The circuit.
        stacklevel: The line that the warning is about: 1 for that of this call, 2 for that of its caller, and so on.
    """
    inert = inert_weights(circuit)
    if inert:
        names = ", ".join(f"weight[{j}]" for j in inert)
        warnings.warn(
            f"{len(inert)} of the circuit's {circuit.n_weights} weights change no output and will not train: {names}.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
