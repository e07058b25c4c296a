"""Inert weights of the published circuits, and the warning."""

import importlib
import warnings

import pytest
import torch
from hypothesis import given, settings

from hqzoo.quantum import Circuit, Pauli, QuantumLayer, circuits, compile_circuit, feature, weight
from hqzoo.quantum.diagnostics import causal_cones, inert_weights, redundant_directions, warn_of_inert_weights
from hqzoo.quantum.gates import CNOT, CZ, RX, RY, RZ
from tests.quantum.oracle import random_circuits

dependence = importlib.import_module("hqzoo.quantum.diagnostics.dependence")  # not the function of that name

HQ_JEPA_LAST_RING = tuple(range(5, 10))  # cancels in the overlap without predictor layers


@pytest.mark.parametrize(
    ("circuit", "expected"),
    [
        (circuits.hq_unet(), ()),
        (circuits.qskip(), ()),
        (circuits.fqcnn(), tuple(range(24))),
        (circuits.mqcnn(), tuple(range(72))),
        (circuits.coqcnn(), (8, 9, 10, 11)),  # θ of the third band
        (circuits.qcnn(), (44, 49)),
        (circuits.qufex(4), ()),
        (circuits.qufex(4, kind=2), ()),
        (circuits.fidelity(predictor_layers=0), HQ_JEPA_LAST_RING),
        (circuits.quanvolution(), ()),  # no weights at all
    ],
    ids=["hq_unet", "qskip", "fqcnn", "mqcnn", "coqcnn", "qcnn", "qufex", "qufex2", "fidelity", "quanvolution"],
)
def test_published_circuits(circuit, expected):
    assert inert_weights(circuit) == expected


@pytest.mark.parametrize("n", [4, 6])
def test_filter_2_of_qufex_read_in_z_loses_b0(n):
    circuit = circuits.qufex(n, kind=2)
    in_z = Circuit(n, circuit.gates, [Pauli("Z", wire) for wire in range(n)])
    assert inert_weights(in_z) == (2,)


def test_no_data_and_no_dependence():
    assert inert_weights(Circuit(1, [RZ(weight(0), 0)], [Pauli("Z", 0)])) == (0,)
    assert inert_weights(Circuit(1, [RY(weight(0), 0)], [Pauli("Z", 0)])) == ()


def product(letters: str, *further) -> Circuit:
    """RY of a datum and of a weight on every wire; a string of all of them is a product of cosines and sines."""
    gates = [gate for wire in range(len(letters)) for gate in (RY(feature(wire), wire), RY(weight(wire), wire))]
    return Circuit(len(letters), [*gates, *further], [Pauli(letters, range(len(letters)))])


@pytest.mark.parametrize("letters", ["Z" * 20, "Z" * 30, "Z" * 40, "Z" * 60, "X" * 40, "ZX" * 30])
def test_small_derivatives_are_no_rounding_errors(letters):
    circuit, everything = product(letters), tuple(range(len(letters)))
    assert inert_weights(circuit) == ()
    assert redundant_directions(circuit) == 0
    assert causal_cones(circuit)[0].weights_seen == causal_cones(circuit)[0].data_seen == everything
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        QuantumLayer(circuit)


@pytest.mark.parametrize("n", [2, 14, 40])
def test_rounding_errors_are_no_derivatives(n):
    """An RX between two CNOTs that undo each other, and the inverse rotation behind: exact zero only on paper."""
    undone = [CNOT(0, 1), RX(0.4, 0), RX(weight(n), 0), CNOT(0, 1), CNOT(0, 1), RX(-1.0 * weight(n), 0), CNOT(0, 1)]
    assert inert_weights(product("Z" * n, *undone)) == (n,)


@settings(max_examples=25, deadline=None)
@given(random_circuits(max_wires=3, max_gates=8))
def test_outputs_of_random_circuits_follow_all_other_weights_alone(circuit):
    inert = list(inert_weights(circuit))
    function = compile_circuit(circuit, "statevector", dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(4, circuit.n_data, generator=generator, dtype=torch.float64)
    weights = torch.rand(circuit.n_weights, generator=generator, dtype=torch.float64) * 6
    changed = weights.clone()
    changed[inert] += torch.rand(len(inert), generator=generator, dtype=torch.float64) + 0.5
    torch.testing.assert_close(function(inputs, changed), function(inputs, weights), atol=1e-10, rtol=0)
    for j in set(range(circuit.n_weights)) - set(inert):
        other = weights.clone()
        other[j] += 0.7
        assert (function(inputs, other) - function(inputs, weights)).abs().max() > 1e-10


def test_structure_alone_where_running_the_circuit_takes_long(monkeypatch):
    circuit = Circuit(2, [RX(weight(0), 0), RX(weight(1), 1), CZ(0, 1), RZ(weight(2), 0)], [Pauli("Z", 0)])
    monkeypatch.setattr(dependence, "affordable", lambda circuit, evaluations: False)
    assert inert_weights.__wrapped__(circuit) == (1, 2)


def test_warning_names_the_weights_once_and_points_at_the_caller():
    with pytest.warns(UserWarning, match=r"4 of the circuit's 15 weights .*: weight\[8\], .*weight\[11\]") as caught:
        warn_of_inert_weights(circuits.coqcnn())
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_no_warning_without_inert_weights():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_inert_weights(circuits.hq_unet())
        warn_of_inert_weights(circuits.quanvolution())
