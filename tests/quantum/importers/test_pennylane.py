"""PennyLane: QNodes, quantum functions and tapes that users write, and what is refused."""

import math

import numpy as np
import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import (
    Circuit,
    Overlap,
    Pauli,
    Probabilities,
    QuantumLayer,
    compile_circuit,
    feature,
    from_pennylane,
)
from hqzoo.quantum.gates import RX

qml = pytest.importorskip("pennylane", reason="the extra 'pennylane' is not installed")


def ours(found, data, weights):
    """Outputs of an imported circuit for values of the entries that it names."""
    pairs = (data, found.data), (weights, found.weights)
    values = [torch.tensor([part[name] for name in names], dtype=torch.float64) for part, names in pairs]
    return compile_circuit(found.circuit, "statevector", torch.float64)(*values)


def named(**arrays):
    """Entries of arrays by name."""
    return {
        f"{name}[{', '.join(map(str, index))}]" if index else name: float(value)
        for name, array in arrays.items()
        for index, value in np.ndenumerate(np.asarray(array))
    }


def theirs(out):
    return torch.cat([torch.atleast_1d(torch.as_tensor(part)) for part in out])


def strongly(inputs, weights, shift, repeats=2, rotation="Y"):
    for _ in range(repeats):
        qml.AngleEmbedding(inputs, wires=range(3), rotation=rotation)
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    qml.MultiControlledX(wires=[0, 1, 2], control_values=[0, 1])
    qml.adjoint(qml.S(0))
    qml.ctrl(qml.Rot(0.1, 2 * inputs[0], shift + 1.0, wires=1), control=2)
    return [qml.expval(qml.Z(0) @ qml.X(2)), qml.probs(wires=[1])]


@pytest.mark.parametrize("as_node", [True, False])
def test_what_users_write_means_the_same(as_node):
    node = qml.QNode(strongly, qml.device("default.qubit", wires=3))
    rng = np.random.default_rng(0)
    x, w, s = rng.uniform(-1, 1, 3), rng.uniform(0, 6, (2, 3, 3)), 0.4
    found = from_pennylane(node if as_node else strongly, x, w, shift=s)
    assert found.data == ("inputs[0]", "inputs[1]", "inputs[2]")
    assert found.weights[:4] == ("weights[0, 0, 0]", "weights[0, 0, 1]", "weights[0, 0, 2]", "weights[0, 1, 0]")
    assert found.weights[-1] == "shift"
    assert (found.circuit.n_wires, found.circuit.n_observables) == (3, 3)
    x, w, s = rng.uniform(-1, 1, 3), rng.uniform(0, 6, (2, 3, 3)), -0.9
    torch.testing.assert_close(ours(found, named(inputs=x), named(weights=w, shift=s)), theirs(node(x, w, s)))


def test_data_are_what_is_named():
    def node(a, b, c):
        qml.RX(a + 0.5 * c[1], 0)
        qml.RY(b[1, 0], 1)
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1))

    found = from_pennylane(node, 0.1, torch.zeros(2, 2), [0.3, 0.4], data=("c", "b"))
    assert (found.data, found.weights) == (("c[1]", "b[1, 0]"), ("a",))  # c[0] and most of b are used by no gate
    layer = QuantumLayer(found.circuit, seed=0)
    assert layer(torch.rand(5, 2)).shape == (5, 1)
    with pytest.raises(CircuitError, match=r"Unknown floating-point argument 'd'.*a, b, c"):
        from_pennylane(node, 0.1, torch.zeros(2, 2), [0.3, 0.4], data="d")


def test_tapes():
    theta = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    tape = qml.tape.QuantumScript(
        [qml.RX(theta, 0), qml.RY(0.3, 1), qml.CNOT([0, 1]), qml.RZ(theta * 2, 0)],
        [qml.expval(qml.Z(1)), qml.expval(qml.X(0))],
    )
    found = from_pennylane(tape)
    assert (found.circuit.n_data, found.weights) == (0, ("parameters[0]", "parameters[1]"))
    expected = qml.execute([tape], qml.device("default.qubit"))[0]
    got = ours(found, {}, {"parameters[0]": 0.7, "parameters[1]": 1.4})
    torch.testing.assert_close(got, theirs([value.detach() for value in expected]))
    fixed = from_pennylane(qml.tape.QuantumScript([qml.RX(0.4, 0)], [qml.expval(qml.Z(0))]))
    assert fixed.circuit == Circuit(1, [RX(0.4, 0)], [Pauli("Z", 0)])


def test_labels_of_wires():
    @qml.qnode(qml.device("default.qubit", wires=["b", "a"]))
    def node(inputs):
        qml.RX(inputs, "a")
        return qml.expval(qml.Z("a"))

    assert from_pennylane(node, 0.1).circuit == Circuit(2, [RX(feature(0), 1)], [Pauli("Z", 1)])

    def function(inputs):
        qml.RX(inputs, 3)
        return qml.expval(qml.Z(3))

    assert from_pennylane(function, 0.1).circuit.n_wires == 4
    assert from_pennylane(function, 0.1, n_wires=6).circuit.n_wires == 6


def test_readings():
    def function(inputs):
        qml.RX(inputs, 0)
        return qml.probs(wires=[1, 0]), qml.expval(qml.SWAP([0, 2])), qml.expval(qml.Z(0)), qml.expval(qml.Z(0))

    read = from_pennylane(function, 0.1).circuit.observables
    assert read == (Probabilities((1, 0)), Overlap((0,), (2,)), Pauli("Z", 0), Pauli("Z", 0))


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: qml.expval(qml.Z(0) + 0.5 * qml.X(1)), r"It reads 1 <Z0> \+ 0.5 <X1>;.*Measure the terms apart"),
        (lambda: qml.expval(2.0 * qml.Z(0)), r"It reads 2 <Z0>"),
        (lambda: qml.expval(qml.I(0) + qml.Z(0)), r"It reads 1 <Z0> \+ 1;"),
        (lambda: qml.var(qml.Z(0)), "only expval and probs"),
        (lambda: qml.sample(wires=0), "only expval and probs"),
        (lambda: qml.state(), "only expval and probs"),
    ],
)
def test_readings_that_are_refused(measure, message):
    def function(inputs):
        qml.RX(inputs, 0)
        return measure()

    with pytest.raises(CircuitError, match=message):
        from_pennylane(function, 0.1)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (lambda x: qml.AmplitudeEmbedding(torch.stack([x, 1 + x]), 0, normalize=True), "AmplitudeEmbedding"),
        (lambda x: qml.StatePrep(torch.stack([x.cos(), x.sin()]), 0), "StatePrep prepares a state"),
        (lambda x: qml.DepolarizingChannel(0.1, 0), "noise channel"),
        (lambda x: qml.cond(qml.measure(1), qml.X)(0), "measurements inside a circuit"),
        (lambda x: qml.evolve(qml.X(0) @ qml.Y(1) + qml.Z(0), x), "Evolution|cannot be read"),
        (lambda x: qml.exp(qml.X(0) + qml.Z(0), -1j * x), "Exp|cannot be read|no single tape"),
        (lambda x: qml.QubitUnitary(torch.linalg.matrix_exp(1j * x * torch.eye(2)), 0), "QubitUnitary cannot be read"),
        (lambda x: qml.RX(np.sin(x.detach().numpy()), 0), "not through torch operations|not.*affine|followed"),
        (lambda x: qml.RX(math.sin(x), 0), "followed as torch operations|not through torch|no single tape"),
        (lambda x: 1 / 0, "does not run.*division by zero"),
        (lambda x: qml.RX(torch.stack([x, x]), 0), r"shape \(2,\) for one sample"),
        (lambda x: qml.BasisState(np.array([1, 5]), [0, 1]), "no single tape|cannot be read"),
    ],
)
def test_gates_that_are_refused(gate, message):
    def function(inputs):
        gate(inputs)
        return qml.expval(qml.Z(0))

    with pytest.raises(CircuitError, match=message):
        from_pennylane(function, torch.tensor(0.1))


def test_shots_arguments_and_things_that_are_no_function():
    @qml.qnode(qml.device("default.qubit", wires=1, shots=10))
    def node(inputs):
        qml.RX(inputs, 0)
        return qml.expval(qml.Z(0))

    with pytest.raises(CircuitError, match="10 shots"):
        from_pennylane(node, 0.1)
    with pytest.raises(CircuitError, match="example arguments do not fit"):
        from_pennylane(node)
    with pytest.raises(CircuitError, match="A str was given"):
        from_pennylane("node")
    with pytest.raises(CircuitError, match="has no name of its own"):
        from_pennylane(lambda *x: None, 0.1)


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
    (qml.X if float(x[0].detach()) > 0.5 else qml.Y)(0)
    return [qml.expval(qml.Z(0))]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (bad_angle, r"angles of RX on \(0,\) are not affine"),
        (clamped_far_away, r"angles of RX on \(0,\) are not affine"),
        (curved_far_away, r"angles of RX on \(0,\) are not affine"),
        (written_in_place, r"angles of RX on \(0,\) are not affine"),
        (cut_off, r"RX on \(0,\) (are not affine|change with data)"),
        (branch_far_away, "a branch on a value cannot be"),
        (number, "cannot be followed"),
        (changing_gates, "gates or readings change"),
    ],
)
def test_angles_that_are_refused(function, message):
    with pytest.raises(CircuitError, match=message):
        from_pennylane(function, torch.zeros(1), torch.zeros(1), data="x")
