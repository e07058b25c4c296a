"""QuFeX: gate list, which inputs reach which output, what is inert."""

import math

import pytest
import torch

from hqzoo.quantum import Circuit, Pauli, circuits, compile_circuit
from tests.quantum.circuits.judge import jacobians, sample


def test_gate_list_of_filter_1_on_eight_wires():
    circuit = circuits.qufex(8)
    assert (circuit.n_data, circuit.n_weights, circuit.n_observables) == (8, 4, 8)
    names = [gate.label for gate in circuit.gates]
    assert names == ["RY"] * 8 + ["RX", "RZ", "CNOT"] * 7 + ["CZ"] * 4 + ["RX", "RY", "CNOT"] * 3 + ["CZ"] * 2
    pairs = [gate.support for gate in circuit.gates if len(gate.support) == 2]
    assert pairs[:7] == [(0, 1), (2, 3), (4, 5), (6, 7), (1, 2), (3, 4), (5, 6)]
    assert pairs[7:11] == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert pairs[11:] == [(0, 2), (4, 6), (2, 4), (0, 2), (4, 6)]
    assert circuit.gates[3].angles[0].data == ((3, math.pi),)


def test_gate_list_of_filter_2():
    circuit = circuits.qufex(4, kind=2)
    names = [gate.label for gate in circuit.gates]
    assert names == ["H"] * 4 + ["RZ"] * 4 + ["RY", "RX", "CNOT"] * 3 + ["CZ"] * 2 + ["RZ", "RX", "CNOT", "CZ"]
    assert [str(observable) for observable in circuit.observables] == ["X0", "X1", "X2", "X3"]


@pytest.mark.parametrize(
    ("n", "counts"),
    [
        (4, [2, 2, 4, 2]),
        (6, [2, 2, 4, 2, 3, 2]),
        (8, [2, 2, 4, 2, 8, 2, 6, 2]),
        (12, [2, 2, 4, 2, 8, 2, 6, 2, 10, 2, 6, 2]),
    ],
)
def test_number_of_inputs_behind_each_output(n, counts):
    by_data, _ = jacobians(circuits.qufex(n))
    assert (by_data > 1e-9).sum(1).tolist() == counts


def without(circuit: Circuit, last: int, count: int, letter: str | None = None) -> Circuit:
    """The circuit without ``count`` gates, of which the last is number ``last`` from the end; read in ``letter``."""
    kept = circuit.gates[: len(circuit.gates) - last - count] + circuit.gates[len(circuit.gates) - last :]
    read = circuit.observables if letter is None else [Pauli(letter, w) for w in range(circuit.n_wires)]
    return Circuit(circuit.n_wires, kept, read)


def difference(first: Circuit, second: Circuit) -> float:
    inputs, weights = sample(first, batch=4)
    results = [compile_circuit(circuit, dtype=torch.float64)(inputs, weights) for circuit in (first, second)]
    return (results[0] - results[1]).abs().max().item()


@pytest.mark.parametrize("n", [4, 6, 8])
def test_the_last_pooling_is_inert_in_filter_1_only(n):
    pooled = n // 4
    first, second = circuits.qufex(n), circuits.qufex(n, kind=2)
    assert first.gates[-1].label == "CZ"
    assert difference(first, without(first, 0, pooled)) < 1e-12
    assert difference(second, without(second, 0, pooled)) > 1e-3
    convolution = 3 * (2 * pooled - 1)
    assert first.gates[-1 - pooled - convolution].label == "CZ"
    assert difference(first, without(first, pooled + convolution, n // 2)) > 1e-3  # V1 does matter


@pytest.mark.parametrize("n", [4, 6])
def test_filter_2_needs_its_read_out_in_x(n):
    circuit = circuits.qufex(n, kind=2)
    _, by_weight = jacobians(circuit)
    assert (by_weight.amax(0) > 1e-3).all()
    read_in_z = without(circuit, 0, 0, "Z")
    _, by_weight = jacobians(read_in_z)
    assert by_weight[:, 2].max() < 1e-12  # b0
    assert difference(read_in_z, without(circuit, 0, n // 4, "Z")) < 1e-12
