"""Qiskit: circuits that users write, by Qiskit's own state vectors, and what is refused by name."""

import math

import numpy as np
import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import Pauli, compile_circuit, from_qiskit

qiskit = pytest.importorskip("qiskit", reason="the extra 'qiskit' is not installed")


def test_a_circuit_of_qiskits_library_and_its_names():
    from qiskit.circuit.library import RealAmplitudes, ZFeatureMap

    features, ansatz = ZFeatureMap(3, reps=1), RealAmplitudes(3, reps=1)
    circuit = features.compose(ansatz).decompose()
    found = from_qiskit(circuit, ["IIZ", "XIY"], data=list(features.parameters), weights=list(ansatz.parameters))
    assert found.data == ("x[0]", "x[1]", "x[2]")
    assert found.weights[0] == ansatz.parameters[0].name
    assert found.circuit.observables == (Pauli("Z", 0), Pauli("YX", (0, 2)))  # qubit 0 comes last in Qiskit's labels
    rng = np.random.default_rng(0)
    x, w = rng.uniform(-1, 1, 3), rng.uniform(0, 6, 6)
    values = dict(zip([*features.parameters, *ansatz.parameters], [*x, *w], strict=True))
    state = qiskit.quantum_info.Statevector(circuit.assign_parameters(values))
    expected = [state.expectation_value(qiskit.quantum_info.Pauli(label)).real for label in ("IIZ", "XIY")]
    ours = compile_circuit(found.circuit, "statevector", torch.float64)(torch.tensor(x), torch.tensor(w))
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-10)


def conditioned(circuit, x):
    circuit.measure(1, 0)
    with circuit.if_test((0, 1)):
        circuit.x(0)


def evolved(circuit, x):
    from qiskit.circuit.library import PauliEvolutionGate

    circuit.append(PauliEvolutionGate(qiskit.quantum_info.SparsePauliOp(["XX", "ZI"]), time=x * x), [0, 1])


def without_definition(circuit, x):
    circuit.append(qiskit.circuit.Gate("mystery", 2, [x]), [0, 1])


def with_a_phase_inside(circuit, x):
    block = qiskit.QuantumCircuit(1, global_phase=0.3, name="phased")
    block.rx(x, 0)
    circuit.append(block.to_gate().control(1), [0, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, x: c.initialize([0.6, 0.8], 0), r"'(reset|initialize)' on qubits \(0,\)"),
        (conditioned, r"'(measure|if_else)' on qubits"),
        (evolved, r"not affine|cannot be read"),
        (without_definition, r"'mystery' on qubits \(0, 1\) has no counterpart"),
        (lambda c, x: c.rx(abs(x), 0), r"'rx' on qubits \(0,\) cannot be read|not affine"),
        (lambda c, x: c.rx(x.exp(), 0), r"not affine"),
        (lambda c, x: c.delay(10, 0), r"'delay' on qubits"),
    ],
)
def test_what_is_refused_by_name(change, message):
    x = qiskit.circuit.Parameter("x")
    circuit = qiskit.QuantumCircuit(2, 1)
    change(circuit, x)
    with pytest.raises(CircuitError, match=message):
        from_qiskit(circuit, [Pauli("Z", 0)], data=[x])


def test_gates_on_a_condition_are_refused():
    circuit = qiskit.QuantumCircuit(1, 1)
    gate = qiskit.circuit.library.XGate()
    if not hasattr(gate, "c_if"):
        pytest.skip("Qiskit 2 has no conditions on single gates")
    circuit.append(gate.c_if(circuit.clbits[0], 1), [0])
    with pytest.raises(CircuitError, match=r"'x' on qubits \(0,\) depends on a measurement"):
        from_qiskit(circuit, [Pauli("Z", 0)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([qiskit.quantum_info.SparsePauliOp(["ZI", "IZ"], [1.0, 0.5])], r"It reads 1 <Z1> \+ 0.5 <Z0>"),
        ([qiskit.quantum_info.SparsePauliOp(["ZI"], [1j])], "not Hermitian"),
        (["QQ"], "'QQ' is no observable"),
    ],
)
def test_observables_that_are_refused(given, message):
    circuit = qiskit.QuantumCircuit(2)
    circuit.h(0)
    with pytest.raises(CircuitError, match=message):
        from_qiskit(circuit, given)


def test_only_circuits_are_taken():
    with pytest.raises(CircuitError, match="A float was given; give a QuantumCircuit"):
        from_qiskit(math.pi)
