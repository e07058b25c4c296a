"""Inert weights and data: numbers that no output depends on."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Literal

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.diagnostics.cones import causal_cones
from hqzoo.quantum.diagnostics.dependence import dependence

__all__ = ["inert_data", "inert_weights", "warn_of_inert_weights"]


@lru_cache(maxsize=256)
def inert_weights(circuit: Circuit, seed: int = 0) -> tuple[int, ...]:
    """Return the weights that no output depends on.

    Derivatives of a random combination of outputs by these are nothing but rounding errors at random points, see
    :func:`~hqzoo.quantum.diagnostics.dependence.dependence`. Where looking at them takes long, only those weights are
    found that cannot reach an output by the structure of the circuit.

    Args:
        circuit: The circuit.
        seed: Seed of the random points.
    """
    return _inert("weights", circuit, seed) if circuit.n_weights else ()


@lru_cache(maxsize=256)
def inert_data(circuit: Circuit, seed: int = 0) -> tuple[int, ...]:
    """Return the data that no output depends on, found as :func:`inert_weights` are.

    Args:
        circuit: The circuit.
        seed: Seed of the random points.
    """
    return _inert("data", circuit, seed) if circuit.n_data else ()


def _inert(kind: Literal["data", "weights"], circuit: Circuit, seed: int) -> tuple[int, ...]:
    found = dependence(circuit, [slice(None)], seed)
    if found is None:
        reaching = {k for cone in causal_cones(circuit, numeric=False) for k in getattr(cone, kind)}
        return tuple(k for k in range(getattr(circuit, f"n_{kind}")) if k not in reaching)
    return tuple(int(k) for k in getattr(found[0], kind).logical_not().nonzero().flatten())


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
