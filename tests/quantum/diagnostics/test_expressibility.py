"""Expressibility: closed forms of single-qubit circuits, and Haar."""

import math

import numpy as np
import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Pauli, feature, weight
from hqzoo.quantum.diagnostics import expressibility, fidelities
from hqzoo.quantum.gates import CNOT, RX, RY, RZ, U3, H
from tests.quantum.oracle import pennylane

BIAS = 74 / (2 * 5000)  # of the estimate, from the finite number of pairs
Z = [Pauli("Z", 0)]


def one_angle_circle() -> float:
    """Fidelities cos^2(Δ/2) of uniform Δ follow the arcsine law: its divergence from uniform, in 75 bins."""
    edges = np.arcsin(np.sqrt(np.linspace(0, 1, 76))) * 2 / math.pi
    share = np.diff(edges)
    return float((share * np.log(share * 75)).sum())


def test_no_parameters_are_as_bad_as_it_gets():
    assert expressibility(Circuit(1, [H(0)], Z), pairs=100) == pytest.approx(math.log(75))
    # 4 qubits: all fidelities in the last bin, which Haar fills with (1/75)^15
    idle = Circuit(4, [H(0), CNOT(0, 1)], Z)
    assert expressibility(idle, pairs=10) == pytest.approx(15 * math.log(75))
    assert expressibility(idle, pairs=10, binning="haar") == pytest.approx(math.log(75))


def test_a_circle_of_states():
    """Circuit A of Sim et al., H and RZ: published as about 0.2."""
    found = expressibility(Circuit(1, [H(0), RZ(weight(0), 0)], Z))
    assert found == pytest.approx(one_angle_circle() + BIAS, abs=0.02)
    assert one_angle_circle() == pytest.approx(0.2, abs=0.01)


def test_two_angles_are_nearly_haar():
    """Circuit B of Sim et al., H, RZ and RX: published as about 0.02."""
    found = expressibility(Circuit(1, [H(0), RZ(weight(0), 0), RX(weight(1), 0)], Z))
    assert found == pytest.approx(0.02, abs=0.01)


@pytest.mark.parametrize("binning", ["fidelity", "haar"])
def test_haar_random_states_diverge_by_the_bias_alone(binning):
    """A uniform z coordinate cannot be drawn from uniform angles, but many of them come close."""
    gates = [U3(weight(3 * k), weight(3 * k + 1), weight(3 * k + 2), 0) for k in range(6)]
    assert expressibility(Circuit(1, gates, Z), binning=binning) == pytest.approx(BIAS, abs=0.006)


def test_fidelities_are_those_of_states():
    """P(0) of a circuit and the inverse of another is their fidelity."""
    circuit = Circuit(1, [RY(weight(0), 0)], Z)
    found = fidelities(circuit, 6, seed=3)
    generator = torch.Generator().manual_seed(3)
    angles = []
    for _ in range(2):
        torch.rand(6, 0, generator=generator, dtype=torch.float64)
        angles.append(torch.rand(6, 1, generator=generator, dtype=torch.float64) * 2 * math.pi)
    difference = Circuit(1, [RY(feature(0), 0), RY(-feature(1), 0)], Z)
    z = pennylane(difference, torch.cat(angles, dim=1), torch.zeros(0))
    torch.testing.assert_close(found, (1 + z.flatten()) / 2)


def test_what_is_varied():
    gates = [RY(feature(0), 0), RZ(weight(0), 0), RY(feature(1), 0)]
    circuit = Circuit(1, gates, Z)
    assert fidelities(Circuit(1, gates[:2], Z), 50, "data").min() > math.cos(1) ** 2 - 1e-9  # data within [-1, 1]
    assert fidelities(Circuit(1, gates[:1], Z), 50, "weights").min() == pytest.approx(1)
    assert fidelities(circuit, 50, "all").min() < fidelities(circuit, 50, "weights").min() + 0.5


@pytest.mark.parametrize("options", [{"pairs": 0}, {"bins": 1}, {"binning": "haar "}, {"varied": "both"}])
def test_wrong_options(options):
    with pytest.raises(CircuitError):
        expressibility(Circuit(1, [RY(weight(0), 0)], Z), **options)
