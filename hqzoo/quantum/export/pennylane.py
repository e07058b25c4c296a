"""PennyLane: a circuit as a quantum function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.observables import Observable, Overlap, Probabilities

__all__ = ["to_pennylane"]

_NAMES = {"I": "Identity", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "H": "Hadamard", "Unitary": "QubitUnitary"}
_BASE = {
    "Identity": "I", "PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "Hadamard": "H", "S": "S", "T": "T", "RX": "RX",
    "RY": "RY", "RZ": "RZ", "PhaseShift": "PhaseShift", "U1": "PhaseShift", "U3": "U3", "SWAP": "SWAP",
    "IsingXX": "IsingXX", "IsingYY": "IsingYY", "IsingZZ": "IsingZZ",
}  # fmt: skip
_QUARTERS = {"Adjoint(S)": -math.pi / 2, "Adjoint(T)": -math.pi / 4}

_SWAP = np.eye(4)[[0, 2, 1, 3]]

QuantumFunction = Callable[[Tensor, Tensor], list[Any]]


def to_pennylane(circuit: Circuit) -> QuantumFunction:
    """Return a quantum function of two torch tensors, data ``(n_data,)`` and weights ``(n_weights,)``, for a ``QNode``.

    It measures one thing for each observable: an expectation value, probabilities, or, for an overlap, the
    expectation value of a product of swaps.

    Raises:
        CircuitError: If PennyLane is not installed.
    """
    qml = need("pennylane", "pennylane", "Export to PennyLane")

    def function(data: Tensor, weights: Tensor) -> list[Any]:
        for gate in circuit.gates:
            parameters: list[Any] = [_value(angle, data, weights) for angle in gate.angles]
            if gate.matrix is not None:
                parameters = [np.array(gate.matrix)]
            operation = getattr(qml, _NAMES.get(gate.name, gate.name))(*parameters, wires=gate.wires)
            if gate.controls:
                qml.ctrl(operation, control=gate.controls)
        return [_measurement(qml, observable) for observable in circuit.observables]

    return function


def _value(angle: Angle, data: Tensor, weights: Tensor) -> Tensor:
    value = torch.tensor(angle.constant, dtype=data.dtype, device=data.device)
    for terms, values in ((angle.data, data), (angle.weight, weights)):
        for index, coefficient in terms:
            value = value + coefficient * values[index]
    return value


def _measurement(qml: Any, observable: Observable) -> Any:  # noqa: ANN401
    if isinstance(observable, Probabilities):
        return qml.probs(wires=observable.wires)
    if isinstance(observable, Overlap):
        pairs = zip(observable.wires_a, observable.wires_b, strict=True)
        return qml.expval(qml.prod(*(qml.Hermitian(_SWAP, wires=pair) for pair in pairs)))
    letters = zip(observable.letters, observable.wires, strict=True)
    return qml.expval(qml.prod(*(getattr(qml, f"Pauli{letter}")(wire) for letter, wire in letters)))
