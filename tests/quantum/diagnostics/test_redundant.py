"""Redundant directions, and what a linear layer behind the circuit absorbs."""

import pytest

from hqzoo.quantum import Circuit, Pauli, circuits, feature, weight
from hqzoo.quantum.diagnostics import behind_linear, redundant_directions
from hqzoo.quantum.gates import RX, RY, RZ


@pytest.mark.parametrize("side", [3, 4])
def test_a_linear_layer_absorbs_phi_1_of_hq_unets_columns(side):
    found = behind_linear(circuits.hq_unet(side, side))
    assert (found.absorbed, found.effective) == ((6,), 7)
    assert redundant_directions(circuits.hq_unet(side, side)) == 0


def test_on_a_grid_of_two_by_two_more_is_lost():
    """φ2 of the columns is the last rotation of its wire, too; and the rows' φ stand right before the columns' θ."""
    found = behind_linear(circuits.hq_unet(2, 2))
    assert (found.absorbed, found.effective) == ((6, 7), 5)
    assert redundant_directions(circuits.hq_unet(2, 2)) == 1


def test_it_cannot_without_the_read_out_in_x():
    found = behind_linear(circuits.hq_unet(2, 2, readout="z"))
    assert found.absorbed == ()


def test_of_two_layers_the_last_columns_are_absorbed():
    found = behind_linear(circuits.hq_unet(2, 2, n_layers=2))
    assert 14 in found.absorbed
    assert 6 not in found.absorbed


def test_a_last_rotation_read_in_all_bases_is_absorbed():
    gates = [RX(feature(0), 0), RZ(weight(0), 0), RY(feature(1), 0), RY(weight(1), 0)]
    every = behind_linear(Circuit(1, gates, [Pauli(letter, 0) for letter in "XYZ"]))
    assert (every.absorbed, every.effective) == ((1,), 1)
    one = behind_linear(Circuit(1, gates, [Pauli("Z", 0)]))
    assert (one.absorbed, one.effective) == ((), 2)


def test_a_bias_is_enough_where_there_are_no_data():
    found = behind_linear(Circuit(1, [RY(weight(0), 0)], [Pauli("Z", 0)]))
    assert (found.absorbed, found.effective) == ((0,), 0)


def test_only_a_sum_matters():
    gates = [RY(feature(0), 0), RX(weight(0), 0), RX(weight(1), 0), RY(weight(2), 0), RY(weight(3) - weight(0), 0)]
    assert redundant_directions(Circuit(1, gates, [Pauli("Z", 0)])) == 2  # of w0 + w1 and w2 + w3 - w0


def test_one_output_shows_all_directions():
    """More samples than weights are looked at: with eight, 51 weights would seem to leave eight directions."""
    circuit = circuits.qcnn(4)  # 34 weights, one output
    inert = 2
    independent = circuit.n_weights - inert - redundant_directions(circuit)
    assert 20 < independent <= 32


def test_baselines_have_nothing_to_absorb():
    assert behind_linear(circuits.fqcnn()).effective == 0
    found = behind_linear(circuits.coqcnn())
    assert (found.absorbed, found.effective) == ((), 11)
