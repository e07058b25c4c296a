"""What is computed: the circuits of the published networks, at the sizes at which these run them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # the list of cases must not load torch
    from hqzoo.quantum import Circuit

__all__ = ["CASES", "Case", "Inputs", "inputs"]

CHECK_ROWS = 4
SMALL_BATCH = 2


@dataclass(frozen=True)
class Case:
    """One circuit and the batches that are run.

    Args:
        title: One line for the report.
        batches: Batch sizes, ascending.
        build: Returns the circuit.
        build_small: Returns a small relative of it, for tests and ``--quick``.
        span: Data are drawn uniformly from this interval.
    """

    title: str
    batches: tuple[int, ...]
    build: Callable[[], Circuit]
    build_small: Callable[[], Circuit]
    span: tuple[float, float] = (-math.pi, math.pi)

    def circuit(self, small: bool = False) -> Circuit:
        """Return the circuit, or its small relative."""
        return self.build_small() if small else self.build()


def _named(name: str, **arguments: int) -> Circuit:
    from hqzoo.quantum import circuits

    return circuits.named()[name](**arguments)


def _ansatz(n_wires: int, n_layers: int) -> Circuit:
    """RY of the data; per layer RY and RZ with weights of their own and a ring of CNOTs; Z of every wire."""
    from hqzoo.quantum import Circuit, Pauli, feature, weight
    from hqzoo.quantum.gates import CNOT, RY, RZ

    gates = [RY(feature(wire), wire) for wire in range(n_wires)]
    for layer in range(n_layers):
        first = 2 * n_wires * layer
        for wire in range(n_wires):
            gates += [RY(weight(first + 2 * wire), wire), RZ(weight(first + 2 * wire + 1), wire)]
        gates += [CNOT(wire, (wire + 1) % n_wires) for wire in range(n_wires)]
    return Circuit(n_wires, gates, [Pauli("Z", wire) for wire in range(n_wires)])


def _qufex(n_qubits: int) -> Case:
    return Case(
        f"QuFeX filter 1, {n_qubits} qubits, 576 patches",
        (576,),
        partial(_named, "qufex", n_qubits=n_qubits),
        partial(_named, "qufex", n_qubits=4),
        (0.0, 1.0),
    )


CASES: dict[str, Case] = {
    "hq_unet": Case(
        "HQ-UNet bottleneck, 16 qubits, one layer, 32 observables",
        (2, 8, 32, 256, 4096),
        partial(_named, "hq_unet"),
        partial(_named, "hq_unet", rows=2, cols=2),
    ),
    "hq_unet_deep": Case(
        "HQ-UNet bottleneck, 16 qubits, two layers: a true 2^16 state",
        (8,),
        partial(_named, "hq_unet", n_layers=2),
        partial(_named, "hq_unet", rows=2, cols=2, n_layers=2),
    ),
    "swap_test": Case(
        "HQ-JEPA SWAP test as published, 11 qubits, 256 pairs",
        (256,),
        partial(_named, "swap_test"),
        partial(_named, "swap_test", n=2),
    ),
    "fidelity": Case(
        "HQ-JEPA fidelity of two 5-qubit registers, what the SWAP test equals, 256 pairs",
        (256,),
        partial(_named, "fidelity"),
        partial(_named, "fidelity", n=2),
    ),
    "qufex4": _qufex(4),
    "qufex8": _qufex(8),
    "qufex12": _qufex(12),
    "ansatz8": Case(
        "Hardware-efficient ansatz, 8 qubits, 3 layers of RY RZ and a CNOT ring, Z of all wires",
        (32,),
        partial(_ansatz, 8, 3),
        partial(_ansatz, 3, 2),
    ),
}
"""All cases by name."""


@dataclass(frozen=True)
class Inputs:
    """Arrays in single precision that every peer gets.

    Args:
        data: ``(B, n_data)``.
        weights: ``(n_weights,)``.
        cotangent: ``(B, n_observables)``, what is sent back into the outputs.
    """

    data: np.ndarray
    weights: np.ndarray
    cotangent: np.ndarray

    def tiled(self, batch: int) -> Inputs:
        """Return the rows repeated up to a batch: its results are known from those of the rows."""
        rows = np.arange(batch) % len(self.data)
        return Inputs(self.data[rows], self.weights, self.cotangent[rows])


def inputs(case: Case, circuit: Circuit, batch: int, seed: int = 0) -> Inputs:
    """Draw data and cotangent for a batch, and weights that depend on the seed alone."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0, 2 * math.pi, circuit.n_weights)
    data = rng.uniform(*case.span, (batch, circuit.n_data))
    cotangent = rng.standard_normal((batch, circuit.n_observables))
    return Inputs(*(array.astype(np.float32) for array in (data, weights, cotangent)))
