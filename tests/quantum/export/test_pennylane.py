"""PennyLane: round trips, and numbers."""

import pytest
import torch
from hypothesis import given, settings

from hqzoo.quantum import (
    Circuit,
    Overlap,
    Pauli,
    Probabilities,
    circuits,
    compile_circuit,
    feature,
    from_pennylane,
    weight,
)
from hqzoo.quantum.export import to_pennylane
from hqzoo.quantum.gates import RX, RY
from tests.quantum.circuits.judge import sample
from tests.quantum.oracle import random_circuits

qml = pytest.importorskip("pennylane", reason="the extra 'pennylane' is not installed")


def back(circuit: Circuit) -> Circuit:
    arguments = torch.zeros(circuit.n_data), torch.zeros(circuit.n_weights)
    found = from_pennylane(to_pennylane(circuit), *arguments, data="data", n_wires=circuit.n_wires)
    assert found.data == tuple(f"data[{k}]" for k in range(circuit.n_data))
    assert found.weights == tuple(f"weights[{k}]" for k in range(circuit.n_weights))
    return found.circuit


def run(function, n_wires, inputs, weights):
    out = qml.QNode(function, qml.device("default.qubit", wires=n_wires))(inputs, weights)
    return torch.cat([torch.atleast_1d(torch.as_tensor(part)) for part in out])


@settings(max_examples=40, deadline=None)
@given(random_circuits())
def test_random_circuits_come_back_equal_and_mean_the_same(circuit):
    assert back(circuit) == circuit
    inputs, weights = (tensor.detach() for tensor in sample(circuit, batch=1))
    ours = compile_circuit(circuit, "statevector", torch.float64)(inputs, weights)[0]
    torch.testing.assert_close(run(to_pennylane(circuit), circuit.n_wires, inputs[0], weights), ours)


@pytest.mark.parametrize("name", sorted(circuits.named()))
def test_named_circuits_come_back_equal(name):
    circuit = circuits.named()[name]()
    assert back(circuit) == circuit


def test_probabilities_and_overlaps():
    circuit = Circuit(
        3,
        [RX(feature(0) + 0.2, 0), RY(weight(0), 1)],
        [Probabilities((1, 0)), Overlap((0,), (2,)), Pauli("XZ", (0, 1))],
    )
    assert back(circuit) == circuit
    inputs, weights = (tensor.detach() for tensor in sample(circuit, batch=1))
    ours = compile_circuit(circuit, dtype=torch.float64)(inputs, weights)[0]
    torch.testing.assert_close(run(to_pennylane(circuit), 3, inputs[0], weights), ours)
