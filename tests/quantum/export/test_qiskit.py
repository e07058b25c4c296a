"""Qiskit: round trips, numbers from Qiskit's own state vector, and circuits that users write."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import (
    Circuit,
    Overlap,
    Pauli,
    Probabilities,
    circuits,
    compile_circuit,
    feature,
    from_qiskit,
    weight,
)
from hqzoo.quantum.export import qiskit_observables, to_qiskit
from hqzoo.quantum.gates import RX, RY
from tests.quantum.circuits.judge import sample
from tests.quantum.oracle import random_circuits

qiskit = pytest.importorskip("qiskit", reason="the extra with Qiskit is not installed")


def by_qiskit(circuit: Circuit, inputs, weights) -> np.ndarray:
    from qiskit.quantum_info import Statevector

    exported = to_qiskit(circuit)
    values = {"data": inputs.tolist(), "weight": weights.tolist()}
    bound = exported.assign_parameters({p: values[p.vector.name][p.index] for p in exported.parameters})
    state = Statevector(bound)
    return np.array([state.expectation_value(operator).real for operator in qiskit_observables(circuit)])


def check(circuit: Circuit) -> None:
    inputs, weights = (tensor.detach() for tensor in sample(circuit, batch=1))
    ours = compile_circuit(circuit, "statevector", torch.float64)(inputs, weights)[0]
    np.testing.assert_allclose(by_qiskit(circuit, inputs[0], weights), ours.numpy(), atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(random_circuits(max_wires=4))
def test_random_circuits_come_back_equal_and_mean_the_same(circuit):
    assert from_qiskit(to_qiskit(circuit)).circuit == circuit
    check(circuit)


@pytest.mark.parametrize("name", sorted(circuits.named()))
def test_named_circuits_come_back_equal(name):
    circuit = circuits.named()[name]()
    assert from_qiskit(to_qiskit(circuit)).circuit == circuit


@pytest.mark.parametrize(
    "circuit",
    [circuits.hq_unet(2, 3), circuits.qufex(4), circuits.swap_test(2), circuits.fidelity(2), circuits.coqcnn()],
    ids=["hq_unet", "qufex", "swap_test", "fidelity", "coqcnn"],
)
def test_numbers_of_named_circuits(circuit):
    check(circuit)


def test_probabilities_and_overlaps():
    circuit = Circuit(3, [RX(feature(0), 0), RY(weight(0), 1)], [Probabilities((1, 0)), Overlap((0,), (2,))])
    assert from_qiskit(to_qiskit(circuit)).circuit == circuit
    check(circuit)


def test_circuits_that_others_write():
    from qiskit.circuit import Parameter, QuantumCircuit

    x, w = Parameter("x"), Parameter("w")
    theirs = QuantumCircuit(3)
    theirs.sx(0)
    theirs.sdg(1)
    theirs.barrier()
    theirs.ry(2 * x + w / 2 + 0.25, 1)
    theirs.u(0.1, x, 0.3, 2)
    theirs.cx(0, 1, ctrl_state=0)
    theirs.cu(0.3, 0.1, w, 0.7, 0, 2)
    theirs.csx(1, 2)
    theirs.append(inner(), [2, 0])
    ours = from_qiskit(theirs, [Pauli("X", 0), Pauli("YZ", (1, 2))], data=[x], weights=[w]).circuit
    values = torch.tensor([[0.4]], dtype=torch.float64), torch.tensor([1.3], dtype=torch.float64)
    state = qiskit.quantum_info.Statevector(theirs.assign_parameters({x: 0.4, w: 1.3}))
    expected = [state.expectation_value(operator).real for operator in qiskit_observables(ours)]
    np.testing.assert_allclose(
        compile_circuit(ours, "statevector", torch.float64)(*values)[0].numpy(), expected, atol=1e-10
    )


def inner():
    from qiskit.circuit import QuantumCircuit

    block = QuantumCircuit(2, name="block")
    block.h(0)
    block.cx(0, 1)
    block.rzz(0.4, 0, 1)
    return block.to_gate()


def refused(change) -> Circuit:
    from qiskit.circuit import Parameter, QuantumCircuit

    x = Parameter("x")
    circuit = QuantumCircuit(2, 1)
    change(circuit, x)
    return from_qiskit(circuit, [Pauli("Z", 0)], data=[x]).circuit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, x: c.measure(0, 0), "'measure' on qubits"),
        (lambda c, x: c.reset(0), "'reset'"),
        (lambda c, x: c.rx(x * x, 0), "not affine"),
        (lambda c, x: c.rx(x.sin(), 0), "not affine"),
        (lambda c, x: c.rx(qiskit.circuit.Parameter("y"), 0), r"\['y'\].*neither data nor weights"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(change, message):
    with pytest.raises(CircuitError, match=message):
        refused(change)


def test_without_observables_there_is_nothing_to_read():
    with pytest.raises(CircuitError, match="does not say what to read"):
        from_qiskit(qiskit.QuantumCircuit(1))


def test_gates_are_in_qiskits_order():
    circuit = Circuit(2, [RX(math.pi, 1)], [Pauli("Z", 1)])
    state = qiskit.quantum_info.Statevector(to_qiskit(circuit))
    assert abs(state.data[2]) == pytest.approx(1.0)  # qubit 1 is the second least significant bit
