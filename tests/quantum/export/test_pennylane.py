"""PennyLane: round trips, numbers, and quantum functions that users write."""

import pytest
import torch
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Overlap, Pauli, Probabilities, circuits, compile_circuit, feature, weight
from hqzoo.quantum.export import from_pennylane, to_pennylane
from hqzoo.quantum.gates import RX, RY
from tests.quantum.circuits.judge import sample
from tests.quantum.oracle import random_circuits

qml = pytest.importorskip("pennylane", reason="the extra 'pennylane' is not installed")


def back(circuit: Circuit) -> Circuit:
    return from_pennylane(to_pennylane(circuit), circuit.n_data, circuit.n_weights, circuit.n_wires)


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


def test_functions_that_others_write():
    def theirs(x, w):
        qml.AngleEmbedding(x, wires=range(3), rotation="Y")
        qml.StronglyEntanglingLayers(w.reshape(1, 3, 3), wires=range(3))
        qml.MultiControlledX(wires=[0, 1, 2], control_values=[0, 1])
        qml.adjoint(qml.S(0))
        qml.ctrl(qml.Rot(torch.tensor(0.1, dtype=x.dtype), 2 * x[0], w[1] + 1.0, wires=1), control=2)
        return [qml.expval(qml.Z(0) @ qml.X(2)), qml.probs(wires=[1])]

    circuit = from_pennylane(theirs, 3, 9)
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables) == (3, 3, 9, 3)
    inputs, weights = (tensor.detach() for tensor in sample(circuit, batch=1))
    ours = compile_circuit(circuit, "statevector", torch.float64)(inputs, weights)[0]
    torch.testing.assert_close(run(theirs, 3, inputs[0], weights), ours)


def bad_angle(x, w):
    qml.RX(x[0] ** 2, 0)
    return [qml.expval(qml.Z(0))]


def clamped_far_away(x, w):
    qml.RX(torch.clamp(x, -2, 2)[0], 0)
    return [qml.expval(qml.Z(0))]


def curved_far_away(x, w):
    qml.RX(x[0] + torch.nn.functional.relu(x[0] - 50.0), 0)
    return [qml.expval(qml.Z(0))]


def branch_far_away(x, w):
    qml.RX(x[0] if x[0] < 50.0 else w[0], 0)
    return [qml.expval(qml.Z(0))]


def written_in_place(x, w):
    angles = torch.zeros(2, dtype=x.dtype)
    angles[0] = torch.clamp(x[0], -9, 9)
    qml.RX(angles[0], 0)
    return [qml.expval(qml.Z(0))]


def cut_off(x, w):
    qml.RX(x.detach()[0] / 3, 0)
    return [qml.expval(qml.Z(0))]


def number(x, w):
    qml.RX(float(x[0].detach()), 0)
    return [qml.expval(qml.Z(0))]


def changing_gates(x, w):
    (qml.X if float(x[0].detach()) > 0.1 else qml.Y)(0)
    return [qml.expval(qml.Z(0))]


def variance(x, w):
    qml.RX(x[0], 0)
    return [qml.var(qml.Z(0))]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (bad_angle, "RX on wires \\(0,\\) is not affine"),
        (clamped_far_away, "RX on wires \\(0,\\) is not affine"),
        (curved_far_away, "RX on wires \\(0,\\) is not affine"),
        (written_in_place, "RX on wires \\(0,\\) is not affine"),
        (cut_off, "RX on wires \\(0,\\) is not affine"),
        (branch_far_away, "may look at values with if"),
        (number, "may look at values with if, float"),
        (changing_gates, "gates depend on the values"),
        (variance, "measurement"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(function, message):
    with pytest.raises(CircuitError, match=message):
        from_pennylane(function, 1, 0)
