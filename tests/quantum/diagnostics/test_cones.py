"""Causal cones: the tables of the specifications, and structure as an upper bound of what derivatives show."""

import pytest
from hypothesis import given, settings

from hqzoo.quantum import Circuit, Overlap, Pauli, Probabilities, circuits, feature, weight
from hqzoo.quantum.diagnostics import causal_cones
from hqzoo.quantum.gates import CNOT, CZ, RX, RY, RZ
from tests.quantum.oracle import random_circuits


def cells(indices: tuple[int, ...], n_cells: int) -> int:
    return len({index % n_cells for index in indices})


def test_light_cones_of_hq_unet():
    table = [4, 6, 8, 8, 6, 9, 12, 12, 8, 12, 16, 16, 8, 12, 16, 16]
    cones = causal_cones(circuits.hq_unet())
    assert [cone.observable for cone in cones[15:17]] == ["Z15", "X0"]
    assert [cells(cone.data, 16) for cone in cones] == table * 2
    assert [cells(cone.data_seen, 16) for cone in cones] == table * 2
    assert [len(cone.wires) for cone in cones] == table * 2
    assert cones[0].wires == (0, 1, 4, 5)
    assert cones[0].weights_seen == (0, 1, 2, 4, 5, 6)  # a corner is never the second wire of a filter


@pytest.mark.parametrize(("expert", "mean"), [("local", 4.0), ("global", 225 / 16), ("diagonal", 5.9)])
def test_light_cones_of_the_experts(expert, mean):
    cones = causal_cones(circuits.qmoe(expert), numeric=False)[:16]
    assert sum(cells(cone.data, 16) for cone in cones) / 16 == pytest.approx(mean, abs=0.05)


@pytest.mark.parametrize(("n", "counts"), [(4, [2, 2, 4, 2]), (6, [2, 2, 4, 2, 3, 2]), (8, [2, 2, 4, 2, 8, 2, 6, 2])])
def test_inputs_behind_each_output_of_qufex(n, counts):
    cones = causal_cones(circuits.qufex(n))
    assert [len(cone.data_seen) for cone in cones] == counts


def test_a_last_cz_does_not_reach_z_but_reaches_x():
    gates = [RY(feature(0), 0), RY(feature(1), 1), CZ(0, 1)]
    (z, x) = causal_cones(Circuit(2, gates, [Pauli("Z", 0), Pauli("X", 0)]), numeric=False)
    assert (z.wires, z.data) == ((0,), (0,))
    assert (x.wires, x.data) == ((0, 1), (0, 1))


def test_cancellations_between_gates_are_seen_by_derivatives_alone():
    circuit = Circuit(
        2, [RX(weight(0), 0), RY(feature(0), 1), RZ(weight(1), 0), CNOT(0, 1), CNOT(0, 1)], [Pauli("Z", 1)]
    )
    (cone,) = causal_cones(circuit)
    assert (cone.data, cone.data_seen, cone.weights_seen) == ((0,), (0,), ())


def test_probabilities_and_overlaps():
    gates = [RY(feature(0), 0), RY(feature(1), 1), RY(feature(2), 2), CNOT(1, 2)]
    pair, single, overlap = causal_cones(
        Circuit(3, gates, [Probabilities([0, 1]), Probabilities(2), Overlap([0], [2])])
    )
    assert pair.data_seen == pair.data == (0, 1)
    assert single.data_seen == single.data == (1, 2)
    assert overlap.data_seen == overlap.data == (0, 1, 2)


@settings(max_examples=40, deadline=None)
@given(circuit=random_circuits(max_wires=4, max_gates=8))
def test_what_is_seen_lies_inside_the_structural_cone(circuit):
    for cone in causal_cones(circuit):
        assert set(cone.data_seen) <= set(cone.data)
        assert set(cone.weights_seen) <= set(cone.weights)
