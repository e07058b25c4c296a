"""PennyLane's ``default.qubit`` as an independent judge, and random circuits over the whole gate set."""

import math

import hypothesis.strategies as st
import numpy as np
import pennylane as qml
import torch
from scipy.stats import unitary_group

from hqzoo.quantum import Circuit, Gate, Pauli, controlled, feature, gates, weight
from hqzoo.quantum.gates import BASE_GATES

_NAMES = {"I": "Identity", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "H": "Hadamard"}


def pennylane(circuit: Circuit, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Expectation values ``(B, n_observables)`` in double precision, differentiable in inputs and weights."""

    @qml.qnode(qml.device("default.qubit", wires=circuit.n_wires), interface="torch", diff_method="backprop")
    def run(x):
        for gate in circuit.gates:
            _apply(gate, x, weights)
        return [qml.expval(_observable(pauli)) for pauli in circuit.observables]

    return torch.stack([torch.stack(run(x)) for x in inputs])


def _apply(gate: Gate, x, w):
    angles = [
        sum((c * x[i] for i, c in a.data), torch.tensor(a.constant, dtype=torch.float64))
        + sum(c * w[j] for j, c in a.weight)
        for a in gate.angles
    ]
    if gate.name == "Unitary":
        operation = qml.QubitUnitary(np.array(gate.matrix), wires=gate.wires)
    else:
        operation = getattr(qml, _NAMES.get(gate.name, gate.name))(*angles, wires=gate.wires)
    if gate.controls:
        qml.ctrl(operation, control=gate.controls)


def _observable(pauli: Pauli):
    return qml.prod(
        *(getattr(qml, f"Pauli{letter}")(wire) for letter, wire in zip(pauli.letters, pauli.wires, strict=True))
    )


@st.composite
def random_circuits(draw, max_wires: int = 5, max_gates: int = 14) -> Circuit:
    """Circuits over every base gate with controls, shared weights, affine angles and Pauli-string observables."""
    n = draw(st.integers(1, max_wires))
    built, n_data, n_weights = [], 0, 0
    for _ in range(draw(st.integers(1, max_gates))):
        name = draw(st.sampled_from(sorted(BASE_GATES)))
        size = draw(st.integers(1, min(2, n))) if name == "Unitary" else BASE_GATES[name][0]
        if size > n:
            continue
        wires = draw(st.permutations(range(n)))
        n_controls = draw(st.integers(0, min(2, n - size)))
        angles = []
        for _ in range(BASE_GATES[name][1]):
            angle = draw(st.sampled_from([0.0, math.pi / 2, 0.3]))
            kind = draw(st.sampled_from(["data", "weight", "shared", "both", "constant"]))
            if kind in ("data", "both"):
                angle = angle + draw(st.sampled_from([1.0, math.pi, -0.5])) * feature(n_data)
                n_data += 1
            if kind in ("weight", "both") or (kind == "shared" and n_weights == 0):
                angle = angle + weight(n_weights)
                n_weights += 1
            elif kind == "shared":
                angle = angle + 0.5 * weight(draw(st.integers(0, n_weights - 1)))
            angles.append(angles_as(angle))
        if name == "Unitary":
            seed = draw(st.integers(0, 2**16))
            gate = gates.Unitary(unitary_group.rvs(2**size, random_state=seed), *wires[:size])
        else:
            gate = Gate(name, tuple(wires[:size]), tuple(angles))
        built.append(controlled(gate, *wires[size : size + n_controls]))
    observables = []
    for _ in range(draw(st.integers(1, 4))):
        wires = draw(st.permutations(range(n)))[: draw(st.integers(1, n))]
        observables.append(Pauli("".join(draw(st.sampled_from("XYZ")) for _ in wires), wires))
    return Circuit(n, built, observables)


def angles_as(value):
    """Numbers become constant angles."""
    return gates.as_angle(value)
