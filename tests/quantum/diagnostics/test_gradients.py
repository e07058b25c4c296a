"""Gradient variance: closed forms with and without a barren plateau, and HQ-UNet's circuit at 4, 16 and 36 qubits."""

import math
from math import prod

import pytest

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Pauli, circuits, feature, weight
from hqzoo.quantum.diagnostics import affordable_gradients, barren_plateau, gradient_variance
from hqzoo.quantum.gates import RY


def rotations(n: int, observables) -> Circuit:
    return Circuit(n, [RY(weight(wire), wire) for wire in range(n)], observables)


def test_one_rotation():
    (variance,) = gradient_variance(rotations(1, [Pauli("Z", 0)]), draws=1000).by_weight
    assert variance == pytest.approx(0.5, rel=0.08)  # mean of sin^2


def test_several_outputs_are_averaged():
    """Weight 0 moves one of two outputs."""
    found = gradient_variance(rotations(2, [Pauli("Z", 0), Pauli("Z", 1)]), draws=1000)
    assert found.by_weight == pytest.approx((0.25, 0.25), rel=0.12)
    assert found.mean == pytest.approx(sum(found.by_weight) / 2)


def test_data_do_not_matter_to_a_whole_period():
    circuit = Circuit(1, [RY(feature(0) + weight(0), 0)], [Pauli("Z", 0)])
    assert gradient_variance(circuit, draws=400).mean == pytest.approx(0.5, rel=0.1)


def test_a_global_observable_is_a_barren_plateau():
    """The derivative of a product of n cosines has variance 2^-n: ln 2 a qubit."""
    sizes = [rotations(n, [Pauli("Z" * n, range(n))]) for n in (1, 2, 4, 6)]
    found = barren_plateau(sizes, draws=1500)
    assert found.slope == pytest.approx(-math.log(2), rel=0.1)
    assert found.sizes[2].mean == pytest.approx(2**-4, rel=0.3)


def test_local_observables_are_none():
    sizes = [rotations(n, [Pauli("Z", 0)]) for n in (1, 2)]
    assert prod(size.by_weight[0] for size in barren_plateau(sizes, draws=500).sizes) == pytest.approx(0.25, rel=0.2)


def test_hq_unet_has_no_barren_plateau_up_to_36_qubits():
    sizes = [circuits.hq_unet(side, side) for side in (2, 4, 6)]
    assert all(affordable_gradients(circuit) for circuit in sizes)
    found = barren_plateau(sizes, draws=100)
    assert [size.n_wires for size in found.sizes] == [4, 16, 36]
    assert all(size.mean > 0.05 for size in found.sizes)
    assert -0.03 < found.slope < 0.01


def test_nothing_to_look_at():
    with pytest.raises(CircuitError, match="no weights"):
        gradient_variance(circuits.quanvolution())
    with pytest.raises(CircuitError, match="two different sizes"):
        barren_plateau([circuits.hq_unet(2, 2)] * 2, draws=2)
    assert not affordable_gradients(circuits.quanvolution())
