"""Entangling capability: how entangled a circuit's states are on average."""

from __future__ import annotations

import torch
from torch import Tensor

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import compile_circuit
from hqzoo.quantum.diagnostics.sampling import BATCH, draw
from hqzoo.quantum.observables import Pauli

__all__ = ["entangling_capability", "meyer_wallach", "with_bloch_vectors"]


def with_bloch_vectors(circuit: Circuit) -> Circuit:
    """Return the circuit with ``<X>, <Y>, <Z>`` of every wire as its outputs."""
    read = [Pauli(letter, wire) for wire in range(circuit.n_wires) for letter in "XYZ"]
    return Circuit(circuit.n_wires, circuit.gates, read)


def meyer_wallach(circuit: Circuit, data: Tensor, weights: Tensor) -> Tensor:
    """Return the Meyer-Wallach measure Q of the circuit's states: 0 for product states, 1 for GHZ states.

    ``Q = 2 (1 - mean of Tr ρ_k^2)`` over the wires (Brennen 2003, arXiv quant-ph/0305094), which is one minus the mean
    squared length of their Bloch vectors. So expectation values suffice, of any engine, and no state is needed.

    Args:
        circuit: The circuit; its observables play no part.
        data: ``(B, n_data)``.
        weights: ``(n_weights,)``.

    Returns:
        ``(B,)``, in [0, 1].
    """
    vectors: Tensor = compile_circuit(with_bloch_vectors(circuit), dtype=torch.float64)(data, weights)
    return 1 - vectors.square().sum(-1) / circuit.n_wires


def entangling_capability(circuit: Circuit, draws: int = 100, seed: int = 0) -> float:
    """Return the mean Meyer-Wallach measure over random weights and 8 random data each, see :func:`.sampling.draw`.

    Sim, Johnson and Aspuru-Guzik 2019, arXiv 1905.10876, eq. 15.
    """
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    function = compile_circuit(with_bloch_vectors(circuit), dtype=torch.float64)
    with torch.no_grad():
        for _ in range(draws):
            data, weights = draw(circuit, BATCH, generator)
            total += float(function(data, weights[0]).square().sum()) / BATCH
    return 1 - total / draws / circuit.n_wires
