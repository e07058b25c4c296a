"""Fourier spectra: what encodings can reach, and what is measured."""

import math

import pytest

from hqzoo.quantum import Circuit, Pauli, circuits, controlled, feature, weight
from hqzoo.quantum.diagnostics import fourier_spectrum, reachable_frequencies
from hqzoo.quantum.gates import CRX, RX, RY, RZ, CPhase, H, PhaseShift


def one(*gates, n=1, read="Z"):
    return Circuit(n, gates, [Pauli(read, 0)])


@pytest.mark.parametrize(
    ("circuit", "reachable", "measured"),
    [
        (one(RX(feature(0), 0)), (0, 1), (1,)),
        (one(RX(2 * feature(0) + 0.3, 0)), (0, 2), (2,)),
        # cos(w) cos(x)^2 - sin(x)^2
        (one(RX(feature(0), 0), RY(weight(0), 0), RX(feature(0), 0)), (0, 1, 2), (0, 2)),
        (one(RY(weight(1), 0), RX(feature(0), 0), RY(weight(0), 0), RX(feature(0), 0)), (0, 1, 2), (0, 1, 2)),
        (one(RX(feature(0), 0), RX(feature(0), 0)), (0, 1, 2), (2,)),  # they add up
        (one(RX(feature(0), 0), RY(weight(0), 0), RX(3 * feature(0), 0)), (0, 1, 2, 3, 4), (2, 4)),
        (one(H(0), PhaseShift(feature(0), 0), H(0)), (0, 1), (1,)),
        (one(RX(math.pi * feature(0), 0)), (0, math.pi), (math.pi,)),
        (one(RY(weight(0), 1), CRX(feature(0), 1, 0), n=2), (0, 0.5, 1), (0, 1)),
        (one(RY(0.4, 0), RZ(feature(0), 0)), (0,), (0,)),  # a phase before <Z> is not reached
    ],
)
def test_one_datum(circuit, reachable, measured):
    found = fourier_spectrum(circuit)
    assert found.reachable == (pytest.approx(reachable),)
    assert found.measured == (pytest.approx(measured),)


def test_half_frequencies_of_a_controlled_rotation_appear_between_branches():
    circuit = one(H(0), RY(weight(0), 1), controlled(RX(feature(0), 1), 0), H(0), n=2)
    found = fourier_spectrum(circuit)
    assert found.reachable == ((0.0, 0.5, 1.0),)
    assert found.measured == ((0.5,),)  # the real part of <ψ|RX(x)|ψ>


def test_a_controlled_phase_has_whole_frequencies_only():
    circuit = one(H(0), RY(weight(0), 1), CPhase(feature(0), 1, 0), H(0), n=2)
    found = fourier_spectrum(circuit)
    assert found.reachable == found.measured == ((0.0, 1.0),)


def test_incommensurable_frequencies_are_reachable_but_not_measured():
    circuit = one(RX(feature(0), 0), RY(weight(0), 0), RX(math.sqrt(2) * feature(0), 0))
    found = fourier_spectrum(circuit)
    assert found.reachable[0] == pytest.approx((0, math.sqrt(2) - 1, 1, math.sqrt(2), math.sqrt(2) + 1))
    assert found.measured == (None,)


def test_published_circuits():
    hq_unet = fourier_spectrum(circuits.hq_unet(2, 2))
    assert hq_unet.reachable == hq_unet.measured == ((0.0, 1.0),) * 12
    fqcnn = fourier_spectrum(circuits.fqcnn())  # mean of cos(p0 + ...): p0 is everywhere, the others now and then
    assert fqcnn.measured == ((1.0,), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0))
    assert fqcnn.reachable[1] == (0.0, 0.5, 1.0)
    assert reachable_frequencies(circuits.hq_unet(2, 2, angle_scale=2.0))[0] == (0.0, 2.0)


def test_a_circuit_without_data():
    found = fourier_spectrum(one(RY(weight(0), 0)))
    assert found.reachable == found.measured == ()
