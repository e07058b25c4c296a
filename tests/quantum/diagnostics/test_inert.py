"""Inert weights of the published circuits, and the warning."""

import warnings

import pytest

from hqzoo.quantum import Circuit, Pauli, circuits, weight
from hqzoo.quantum.diagnostics import inert, inert_weights, warn_of_inert_weights
from hqzoo.quantum.gates import CZ, RX, RY, RZ

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


def test_structure_alone_where_running_the_circuit_takes_long(monkeypatch):
    circuit = Circuit(2, [RX(weight(0), 0), RX(weight(1), 1), CZ(0, 1), RZ(weight(2), 0)], [Pauli("Z", 0)])
    monkeypatch.setattr(inert, "affordable", lambda circuit, evaluations: False)
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
