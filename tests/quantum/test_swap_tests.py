"""SWAP tests are replaced by what they measure, and only where that is the same."""

import pytest
import torch

from hqzoo.quantum import Circuit, Pauli, circuits, compile_circuit, feature, plan, weight
from hqzoo.quantum.gates import CNOT, CSWAP, RX, RY, RZ, H, X
from hqzoo.quantum.observables import Overlap, Probabilities
from hqzoo.quantum.swap_tests import fold_swap_tests
from tests.quantum.oracle import pennylane

REGISTERS = [RY(feature(0), 1), RX(feature(1), 2), CNOT(1, 2), RY(weight(0), 3), RZ(feature(2), 3), CNOT(3, 4)]
TEST = [H(0), CSWAP(0, 1, 3), CSWAP(0, 4, 2), H(0)]


def test_the_published_swap_test_becomes_the_fidelity():
    assert fold_swap_tests(circuits.swap_test(3)) == circuits.fidelity(3)
    assert plan(circuits.swap_test()).largest_piece == 5
    assert plan(circuits.swap_test(), "statevector").largest_piece == 11


@pytest.mark.parametrize("joined", [False, True], ids=["product", "correlated"])
def test_a_folded_test_has_the_values_and_gradients_of_the_whole_one(joined):
    extra = [CNOT(2, 4), RY(0.3, 5)] if joined else []
    circuit = Circuit(6, REGISTERS + extra + TEST, [Pauli("Z", 5), Pauli("Z", 0)])
    folded = fold_swap_tests(circuit)
    assert folded.n_wires == 5
    assert folded.observables == (Pauli("Z", 4), Overlap((0, 3), (2, 1)))
    inputs = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(1, dtype=torch.float64, requires_grad=True)
    expected, found = (
        pennylane(circuit, inputs, weights),
        compile_circuit(circuit, dtype=torch.float64)(inputs, weights),
    )
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    for ours, theirs in zip(
        torch.autograd.grad(found.sum(), (inputs, weights)),
        torch.autograd.grad(expected.sum(), (inputs, weights)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)


def test_two_tests_fold_one_after_the_other():
    prepared = [RY(feature(k), wire) for k, wire in enumerate((1, 2, 4, 5))]
    gates = [*prepared, H(0), CSWAP(0, 1, 2), H(0), H(3), CSWAP(3, 4, 5), H(3)]
    folded = fold_swap_tests(Circuit(6, gates, [Pauli("Z", 3), Pauli("Z", 0)]))
    assert folded.observables == (Overlap((2,), (3,)), Overlap((0,), (1,)))
    assert len(folded.gates) == 4


@pytest.mark.parametrize(
    ("gates", "observables"),
    [
        ([*REGISTERS, *TEST], [Pauli("X", 0)]),
        ([*REGISTERS, *TEST], [Pauli("Z", 0), Pauli("Z", 1)]),
        ([*REGISTERS, *TEST], [Pauli("ZZ", (0, 1))]),
        ([*REGISTERS, *TEST], [Probabilities(0)]),
        ([*REGISTERS, *TEST, RX(0.3, 1)], [Pauli("Z", 0)]),
        ([*REGISTERS, *TEST, X(0)], [Pauli("Z", 0)]),
        ([*REGISTERS, X(0), *TEST], [Pauli("Z", 0)]),
        ([*REGISTERS, H(0), CSWAP(0, 1, 3), CSWAP(0, 1, 4), H(0)], [Pauli("Z", 0)]),
        ([*REGISTERS, H(0), CSWAP(1, 0, 3), H(0)], [Pauli("Z", 0)]),
        ([*REGISTERS, H(0), CSWAP(0, 1, 3), CNOT(0, 2), H(0)], [Pauli("Z", 0)]),
    ],
)
def test_what_is_no_swap_test_is_left_alone_and_right(gates, observables):
    circuit = Circuit(5, gates, observables)
    assert fold_swap_tests(circuit) is circuit
