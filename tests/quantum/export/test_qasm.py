"""OpenQASM 3: round trips, and the program's meaning by an interpreter that knows nothing of our reader."""

import re
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import (
    Circuit,
    Overlap,
    Pauli,
    Probabilities,
    circuits,
    compile_circuit,
    controlled,
    feature,
    from_qasm,
    weight,
)
from hqzoo.quantum.export import to_qasm
from hqzoo.quantum.gates import RX, U3, I, IsingXX, IsingYY, PhaseShift, Unitary
from tests.quantum.oracle import random_circuits


@settings(max_examples=60, deadline=None)
@given(random_circuits())
def test_random_circuits_come_back_equal(circuit):
    assume(all(gate.name != "Unitary" for gate in circuit.gates))
    assert from_qasm(to_qasm(circuit)).circuit == circuit


@pytest.mark.parametrize("name", sorted(circuits.named()))
def test_named_circuits_come_back_equal(name):
    circuit = circuits.named()[name]()
    assert from_qasm(to_qasm(circuit)).circuit == circuit


def test_the_program_reads_as_expected():
    circuit = Circuit(
        3,
        [RX(0.5 * feature(0) - weight(0) + 1.0, 0), controlled(PhaseShift(weight(1), 2), 0), controlled(I(1), 0, 2)],
        [Pauli("XZ", (2, 0)), Probabilities((1, 0)), Overlap((0,), (2,))],
    )
    assert to_qasm(circuit) == (
        "OPENQASM 3.0;\n"
        'include "stdgates.inc";\n'
        "input float[64] data_0;\n"
        "input float[64] weight_0;\n"
        "input float[64] weight_1;\n"
        "qubit[3] q;\n"
        "rx(0.5 * data_0 - weight_0 + 1.0) q[0];\n"
        "cp(weight_1) q[0], q[2];\n"
        "ctrl(2) @ id q[0], q[2], q[1];\n"
        "pragma hqzoo expectation Z q[0], X q[2]\n"
        "pragma hqzoo probabilities q[1], q[0]\n"
        "pragma hqzoo overlap q[0] with q[2]\n"
    )
    assert from_qasm(to_qasm(circuit)).circuit == circuit


def test_layout_comments_and_foreign_pragmas_do_not_matter():
    text = """
    OPENQASM 3;  // version
    include
      "stdgates.inc";
    #pragma other tool; whatever
    input float data_0; /* in
    radians */
    qubit[2] q; ctrl @ ctrl @ x q[0],q[1], q[2];
    rx(-(data_0 + pi/2) * 2 / 4) q[ 0 ];
    pragma hqzoo expectation Z q[1]
    """.replace("qubit[2]", "qubit[3]")
    circuit = from_qasm(text).circuit
    assert [str(gate) for gate in circuit.gates] == ["CCX(0, 1, 2)", "RX(-0.5*x[0] - 0.785398, 0)"]


@pytest.mark.parametrize(
    ("circuit", "message"),
    [
        (Circuit(1, [Unitary(np.eye(2), 0)], [Pauli("Z", 0)]), r"Unitary on wires \(0,\) cannot be said"),
        (Circuit(1, [RX(float("nan"), 0)], [Pauli("Z", 0)]), "not a finite number"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(circuit, message):
    with pytest.raises(CircuitError, match=message):
        to_qasm(circuit)


HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float[64] data_0;\nqubit[2] q;\n'
TAIL = "\npragma hqzoo expectation Z q[0]\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("bit c = measure q[0];", "Line 5: 'bit c = measure q.0.' measures; leave measurements out"),
        ("rx(data_0 * data_0) q[0];", "not affine"),
        ("rx(data_1) q[0];", "not affine in the inputs"),
        ("rx(sin(data_0)) q[0];", "not affine"),
        ("rx(1 +) q[0];", "no expression"),
        ("inv @ s q[0];", "cannot be read"),
        ("gate mine a { x a; }", "not one of the declarations"),
        ("cx q[0], q[5];", "'q.5.' is none of the 2 qubits of 'q'"),
        ("rx(1.0) q[0];", "used by no gate"),
        ("rx(data_0) q[0]", "cannot be read|semicolon"),
        ("pragma hqzoo variance q[0]", "names no observable"),
        ("OPENQASM 4.0;", "declarations"),
        ("qubit[2] r;", "second register"),
        ("rx(data_0) r[0];", "'r.0.' is none of the 2 qubits of 'q'"),
        ("if (c == 1) x q[0];", "Line 5: 'if .c == 1. x q.0.' cannot be read"),
        ("reset q[0];", "'reset q.0.' cannot be read"),
        ("ctrl @ u3(data_0, 0, 0) q[0], q[1];", "differ on the phase of u3"),
        ("input float y; rx(data_0 + y * data_0) q[0];", "not affine"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(body, message):
    with pytest.raises(CircuitError, match=message):
        from_qasm(HEAD + body + TAIL)


def test_the_programs_meaning():
    """All base gates with 0, 1 and 2 controls, by an interpreter written from the language's definition."""
    from hqzoo.quantum.gates import BASE_GATES, Gate

    built, count = [RX(0.3 + 0.4 * w, w) for w in range(4)] + [PhaseShift(0.7 * w, w) for w in range(4)], 0
    for k, (name, (size, n_angles)) in product(range(3), BASE_GATES.items()):
        if name != "Unitary":
            angles = tuple(feature(count + j) + 0.1 for j in range(n_angles))
            wires = np.random.default_rng(len(built)).permutation(4)[: size + k].tolist()
            built.append(Gate(name, tuple(wires[k:]), angles, tuple(wires[:k])))
            count += n_angles
    read = [Pauli("".join(letters), (0, 1, 2, 3)) for letters in ("XYZX", "ZZZZ", "YXZY")] + [Pauli("Y", 1)]
    circuit = Circuit(4, built, read)
    values = torch.linspace(-1, 2, count, dtype=torch.float64)
    ours = compile_circuit(circuit, "statevector", torch.float64)(values, torch.zeros(0, dtype=torch.float64))
    state = Interpreter(to_qasm(circuit), {f"data_{k}": float(v) for k, v in enumerate(values)}).state()
    dense = {"I": np.eye(2), "X": X, "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}
    for value, observable in zip(ours, read, strict=True):
        letters = dict(zip(observable.wires, observable.letters, strict=True))
        matrix = np.eye(1)
        for wire in range(4):
            matrix = np.kron(matrix, dense[letters.get(wire, "I")])
        assert float(value) == pytest.approx((state.conj() @ matrix @ state).real, abs=1e-10)


def test_helper_gates_are_defined_only_when_used():
    circuit = Circuit(2, [IsingXX(0.1, 0, 1), U3(0.1, 0.2, 0.3, 0)], [Pauli("Z", 0)])
    text = to_qasm(circuit)
    assert text.count("gate ") == 2
    assert "gate rxx" in text
    assert "gate u3_phased" in text
    assert "ryy" in to_qasm(Circuit(2, [IsingYY(0.1, 0, 1)], [Pauli("Z", 0)]))


X = np.array([[0, 1], [1, 0]], dtype=complex)


class Interpreter:
    """State of a program over ``q`` from stdgates' definitions as matrices, with the program's own gates expanded."""

    def __init__(self, text: str, inputs: dict[str, float]) -> None:
        self.definitions = {
            name: (parameters.split(","), qubits.split(","), body)
            for name, parameters, qubits, body in re.findall(r"gate (\w+)\(([^)]*)\) ([^{]*)\{([^}]*)\}", text)
        }
        self.n = int(re.search(r"qubit\[(\d+)\]", text)[1])
        self.lines = [line for line in text.splitlines() if re.match(r"(ctrl|\w+(\(.*\))?) ?.*q\[\d+\].*;$", line)]
        self.inputs = inputs

    def state(self) -> np.ndarray:
        total = np.eye(2**self.n, dtype=complex)
        for line in self.lines:
            call = re.sub(r"q\[(\d+)\]", r"q\1", line.rstrip(";"))
            total = self.call(call, [f"q{k}" for k in range(self.n)], self.inputs) @ total
        return total[:, 0]

    def call(self, text: str, qubits: list[str], values: dict[str, float]) -> np.ndarray:
        """Matrix of one call on the space of ``qubits``."""
        text = text.strip()
        found = re.match(r"ctrl(?:\((\d+)\))? @ (.*)", text)
        controls = int(found[1] or 1) if found else 0
        name, angles, operands = re.fullmatch(
            r"(\w+)\s*(?:\((.*)\))?\s*([\w, ]*)", found[2] if found else text
        ).groups()
        numbers = [float(eval(part, {"pi": np.pi}, values)) for part in angles.split(",")] if angles else []
        if name == "gphase":
            return np.exp(1j * numbers[0]) * np.eye(2 ** len(qubits))
        wires = [qubits.index(operand.strip()) for operand in operands.split(",")]
        matrix = self.matrix(name, numbers)
        for _ in range(controls):
            matrix = control(matrix)
        return embed(matrix, wires, len(qubits))

    def matrix(self, name: str, numbers: list[float]) -> np.ndarray:
        if name in self.definitions:
            parameters, qubits, body = self.definitions[name]
            values = {key.strip(): number for key, number in zip(parameters, numbers, strict=True)}
            formal = [qubit.strip() for qubit in qubits]
            body = body.replace("lambda", "lambda_")
            values = {key.replace("lambda", "lambda_"): value for key, value in values.items()}
            total = np.eye(2 ** len(formal), dtype=complex)
            for statement in body.split(";"):
                if statement.strip():
                    total = self.call(statement, formal, values) @ total
            return total
        if name.startswith("cc"):
            return control(control(self.matrix(name[2:], numbers)))
        if name.startswith("c"):
            return control(self.matrix(name[1:], numbers))
        half = numbers[0] / 2 if numbers else 0.0
        cos, sin = np.cos(half), np.sin(half)
        return {
            "id": np.eye(2), "x": X, "y": np.array([[0, -1j], [1j, 0]]), "z": np.diag([1, -1]),
            "h": np.array([[1, 1], [1, -1]]) / np.sqrt(2), "s": np.diag([1, 1j]),
            "t": np.diag([1, np.exp(0.25j * np.pi)]), "p": np.diag([1, np.exp(2j * half)]),
            "rx": np.array([[cos, -1j * sin], [-1j * sin, cos]]), "ry": np.array([[cos, -sin], [sin, cos]]),
            "rz": np.diag([np.exp(-1j * half), np.exp(1j * half)]), "swap": np.eye(4)[[0, 2, 1, 3]],
        }[name]  # fmt: skip


def control(matrix: np.ndarray) -> np.ndarray:
    size = len(matrix)
    return np.block([[np.eye(size), np.zeros((size, size))], [np.zeros((size, size)), matrix]])


def embed(matrix: np.ndarray, wires: list[int], n: int) -> np.ndarray:
    rest = [wire for wire in range(n) if wire not in wires]
    order = np.argsort([*wires, *rest])
    full = np.kron(matrix, np.eye(2 ** len(rest))).reshape([2] * 2 * n)
    return full.transpose([*order, *(n + order)]).reshape(2**n, 2**n)
