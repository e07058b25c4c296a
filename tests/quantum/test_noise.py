"""Noise models: physics of the channels, parsing, and where they act."""

import pickle

import numpy as np
import pennylane as qml
import pytest

from hqzoo.errors import CircuitError
from hqzoo.quantum.gates import CNOT, RX
from hqzoo.quantum.noise import CHANNELS, IDEAL, Channel, NoiseModel

THEIRS = {
    "depolarizing": qml.DepolarizingChannel,
    "bit_flip": qml.BitFlip,
    "phase_flip": qml.PhaseFlip,
    "amplitude_damping": qml.AmplitudeDamping,
    "phase_damping": qml.PhaseDamping,
}
PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


@pytest.mark.parametrize("probability", [0.0, 0.13, 0.75, 1.0])
@pytest.mark.parametrize("name", CHANNELS)
def test_kraus_operators_are_complete_and_those_of_pennylane(name, probability):
    channel = Channel(name, probability)
    kraus = channel.kraus()
    np.testing.assert_allclose(np.einsum("kba,kbc->ac", kraus, kraus), np.eye(2), atol=1e-15)
    rho = np.array([[0.7, 0.2 - 0.3j], [0.2 + 0.3j, 0.3]])
    theirs = sum(k @ rho @ k.conj().T for k in THEIRS[name](probability, wires=0).kraus_matrices())
    ours = sum(k @ rho @ k.T for k in kraus)
    np.testing.assert_allclose(ours, theirs, atol=1e-7)  # theirs adds a small number to gradients' benefit
    before, after = (np.array([np.trace(p @ state).real for p in PAULIS]) for state in (rho, ours))
    np.testing.assert_allclose(channel.transfer() @ before, after, atol=1e-15)


def test_models_are_values():
    model = NoiseModel.of(depolarizing=(0.01, 0.02), amplitude_damping=0.1, readout=0.03)
    assert model == pickle.loads(pickle.dumps(model))
    assert len({model, NoiseModel.parse(["depolarizing=0.01,0.02", "amplitude_damping=0.1", "readout=0.03"])}) == 1
    assert model.after(RX(0.1, 0)) == (Channel("depolarizing", 0.01), Channel("amplitude_damping", 0.1))
    assert model.after(CNOT(0, 1)) == (Channel("depolarizing", 0.02), Channel("amplitude_damping", 0.1))
    assert model.to_dict()["two_qubit"] == {"depolarizing": 0.02, "amplitude_damping": 0.1}


def test_scaling():
    model = NoiseModel.of(depolarizing=(0.01, 0.02), readout=0.03)
    assert model.scaled(2) == NoiseModel.of(depolarizing=(0.02, 0.04), readout=0.06)
    assert model.scaled(0).is_ideal
    assert IDEAL.is_ideal
    assert not model.is_ideal
    assert not NoiseModel(readout=0.1).is_ideal
    with pytest.raises(CircuitError, match=r"readout=0\.6.*between 0 and 0\.5"):
        model.scaled(20)


@pytest.mark.parametrize("text", ["depolarizing=0.01 readout=0.02", "bit_flip=0.01,0.02 phase_flip=0.3", "readout=0.5"])
def test_models_print_as_they_are_parsed(text):
    assert str(NoiseModel.parse(text.split())) == text


def test_other_models_print_too():
    assert str(IDEAL) == "none"
    model = NoiseModel((Channel("bit_flip", 0.1),), ())
    assert str(model) == "bit_flip=0.1 after one wire"
    assert not model.after(CNOT(0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depolarising=0.01", "Did you mean 'depolarizing'"),
        ("readuot=0.01", "Did you mean 'readout'"),
        ("depolarizing", "depolarizing=0.01"),
        ("depolarizing=much", "'depolarizing=much' is no noise channel"),
        ("depolarizing=1,2,3", "two probabilities"),
        ("bit_flip=1.5", r"bit_flip=1\.5.*between 0 and 1"),
        ("bit_flip=nan", "between 0 and 1"),
        ("readout=0.1,0.2", "single probability"),
        ("readout=0.7", r"between 0 and 0\.5"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(CircuitError, match=message):
        NoiseModel.parse(text)


def test_a_channel_given_twice():
    with pytest.raises(CircuitError, match="given twice"):
        NoiseModel.parse(["bit_flip=0.1", "bit_flip=0.2"])
    with pytest.raises(CircuitError, match="Did you mean 'bit_flip'"):
        NoiseModel.of(bitflip=0.1)
