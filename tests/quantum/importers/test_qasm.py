"""OpenQASM by others: what Qiskit writes and reads, in versions 2 and 3."""

import numpy as np
import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import Pauli, compile_circuit, from_qasm

qiskit = pytest.importorskip("qiskit", reason="the extra 'qiskit' is not installed")


def theirs():
    """Gates that both languages have, on a state that shows all of them."""
    circuit = qiskit.QuantumCircuit(3)
    for wire in range(3):
        circuit.u(0.4 + wire, 0.3, -0.8, wire)
        circuit.p(0.2 * wire, wire)
    circuit.sdg(0)
    circuit.tdg(1)
    circuit.sx(2)
    circuit.cx(0, 1)
    circuit.ch(1, 2)
    circuit.crz(0.7, 2, 0)
    circuit.cp(-0.3, 0, 1)
    circuit.ccx(0, 1, 2)
    circuit.cswap(2, 0, 1)
    circuit.barrier()
    circuit.rxx(0.6, 0, 2)
    circuit.rzz(0.9, 1, 2)
    circuit.swap(0, 2)
    return circuit


def expected(circuit, labels):
    state = qiskit.quantum_info.Statevector(circuit)
    return [state.expectation_value(qiskit.quantum_info.Pauli(label)).real for label in labels]


def test_version_2_as_qiskit_writes_it():
    circuit = theirs()
    text = qiskit.qasm2.dumps(circuit)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("gate "))  # of rxx and rzz
    found = from_qasm(text, [Pauli("X", 0), Pauli("ZYX", (0, 1, 2))])
    ours = compile_circuit(found.circuit, "statevector", torch.float64)(torch.zeros(0), torch.zeros(0))
    np.testing.assert_allclose(ours.numpy(), expected(circuit, ["IIX", "XYZ"]), atol=1e-10)


def test_inputs_of_any_name():
    text = """OPENQASM 3.0;
include "stdgates.inc";
input float[64] theta;
input angle x;
input float[64] phi;
bit[2] c;
qubit[2] reg;
ry(2 * x + pi / 4) reg[0];
u3(theta, phi, 0) reg[1];
cx reg[0], reg[1];
"""
    found = from_qasm(text, [Pauli("Z", 1)], data=["x"])
    assert (found.data, found.weights) == (("x",), ("theta", "phi"))
    assert (found.circuit.n_data, found.circuit.n_weights, found.circuit.n_wires) == (1, 2, 2)
    circuit = qiskit.QuantumCircuit(2)
    circuit.ry(2 * 0.3 + np.pi / 4, 0)
    circuit.u(0.5, -0.2, 0, 1)
    circuit.cx(0, 1)
    ours = compile_circuit(found.circuit, "statevector", torch.float64)(torch.tensor([0.3]), torch.tensor([0.5, -0.2]))
    np.testing.assert_allclose(ours.numpy(), expected(circuit, ["ZI"]), atol=1e-6)  # the inputs are single precision
    assert from_qasm(text, [Pauli("Z", 1)]).weights == ("theta", "x", "phi")
    with pytest.raises(CircuitError, match=r"Unknown input 'y'.*theta"):
        from_qasm(text, [Pauli("Z", 1)], data=["y"])
    with pytest.raises(CircuitError, match="does not say what to read"):
        from_qasm(text)


def test_measurements_are_refused_by_line():
    text = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[1];\ncreg c[1];\nh q[0];\nmeasure q[0] -> c[0];\n'
    with pytest.raises(CircuitError, match=r"Line 6: 'measure q\[0\] -> c\[0\]' measures; leave measurements out"):
        from_qasm(text, [Pauli("Z", 0)])
