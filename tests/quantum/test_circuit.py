"""Circuits as values."""

import copy
import pickle

import numpy as np
import pennylane as qml
import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Pauli, circuits, controlled, feature, weight
from hqzoo.quantum.gates import CNOT, RX, RY, U3, Gate, Unitary, X


def test_circuits_are_values():
    first, second = circuits.hq_unet(), circuits.hq_unet()
    assert first == second
    assert hash(first) == hash(second)
    assert pickle.loads(pickle.dumps(first)) == copy.deepcopy(first) == first
    assert first != circuits.hq_unet(periodic=True)


def test_the_published_circuit_has_the_published_budget():
    circuit = circuits.hq_unet()
    labels = [gate.label for gate in circuit.gates]
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables) == (16, 48, 8, 32)
    assert labels[:48] == ["RX"] * 16 + ["RY"] * 16 + ["RZ"] * 16
    assert labels.count("CNOT") == 24
    assert labels[48:].count("RY") == 96
    assert [str(p) for p in circuit.observables[:2] + circuit.observables[16:18]] == ["Z0", "Z1", "X0", "X1"]


def test_angles_are_affine():
    angle = 3.0 * (feature(2) - 0.5 * weight(1)) + 1.0 - feature(2) / 2
    assert angle.data == ((2, 2.5),)
    assert angle.weight == ((1, -1.5),)
    assert angle.constant == 1.0
    assert str(angle) == "2.5*x[2] - 1.5*w[1] + 1"
    assert (feature(0) - feature(0)).is_constant


def test_pauli_strings_do_not_depend_on_the_order_of_wires():
    assert Pauli("XZ", (3, 0)) == Pauli("ZX", (0, 3))
    assert str(Pauli("XZ", (3, 0))) == "Z0 X3"


def test_printing():
    text = str(Circuit(2, [RY(feature(0), 0), controlled(X(1), 0)], [Pauli("Z", 1)]))
    assert "RY(x[0], 0)" in text
    assert "CNOT(0, 1)" in text
    assert text.endswith("read <Z1>")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Circuit(2, [CNOT(0, 2)], [Pauli("Z", 0)]), r"CNOT\(0, 2\) names wire 2.*wires 0\.\.1"),
        (lambda: Circuit(2, [], [Pauli("Z", 5)]), "Z5 names wire 5"),
        (lambda: CNOT(1, 1), "twice"),
        (lambda: RX(0.1, -1), "negative"),
        (lambda: Circuit(1, [RX(feature(1), 0)], [Pauli("Z", 0)]), r"no angle uses data\[0\]"),
        (lambda: Circuit(1, [RX(weight(2), 0)], [Pauli("Z", 0)]), r"weight\[0, 1\]"),
        (lambda: Circuit(1, [], []), "at least one Pauli"),
        (lambda: Circuit(0, [], [Pauli("Z", 0)]), "at least one wire"),
        (lambda: Pauli("A", 0), "X, Y and Z"),
        (lambda: Pauli("XX", (0, 0)), "distinct"),
        (lambda: Gate("RW", (0,)), "Did you mean 'R[XYZ]'"),
        (lambda: Gate("RX", (0,)), "1 angle"),
        (lambda: Unitary([[1, 0], [0, 2]], 0), "not unitary"),
        (lambda: feature(-1), "start at 0"),
        (lambda: circuits.hq_unet(encoding="rx"), "encoding='rx'"),
        (lambda: circuits.hq_unet(2, 2, periodic=True), "at least 3"),
    ],
)
def test_what_makes_no_sense_is_named(build, message):
    with pytest.raises(CircuitError, match=message):
        build()


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda theta: RY(theta, 0), r"tensor \(\).*weight\(i\)"),
        (lambda theta: RY(theta * feature(0), 0), r"tensor \(\).*weight\(i\)"),
        (lambda theta: RY(feature(0) + theta, 0), r"tensor \(\).*weight\(i\)"),
        (lambda theta: RY(theta - feature(0), 0), r"tensor \(\).*weight\(i\)"),
        (lambda theta: RY(feature(0) / theta, 0), r"tensor \(\).*weight\(i\)"),
        (lambda theta: U3(0.1, theta.expand(2), 0.2, 0), r"tensor \(2,\).*weight\(i\)"),
        (lambda theta: RY(qml.numpy.array(0.3, requires_grad=True), 0), r"weight\(i\)"),
        (lambda theta: RY(feature(0) * weight(0), 0), r"affine"),
        (lambda theta: RY("0.3", 0), r"'0.3' \(str\).*a number"),
        (lambda theta: RY(np.zeros(2), 0), r"ndarray.*a number"),
        (lambda theta: RY(None, 0), r"None \(NoneType\).*a number"),
        (lambda theta: RY(0.3j, 0), r"complex.*a number"),
    ],
)
def test_what_an_angle_would_freeze_is_refused_when_written(write, message):
    with pytest.raises(CircuitError, match=message):
        write(torch.nn.Parameter(torch.tensor(0.3)))


def test_numbers_of_numpy_are_numbers():
    assert RY(np.float32(0.5), 0) == RY(0.5, 0)
    assert RY(np.int64(2) * feature(0), 0) == RY(2 * feature(0), 0)
