"""Qiskit: a circuit as a ``QuantumCircuit`` with two parameter vectors."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.export.readout import observable_to_text
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.pauli import PauliString, rotations, single_letters

__all__ = ["METADATA", "qiskit_observables", "to_qiskit"]

_CLASSES = {
    "I": "IGate", "X": "XGate", "Y": "YGate", "Z": "ZGate", "H": "HGate", "S": "SGate", "T": "TGate", "RX": "RXGate",
    "RY": "RYGate", "RZ": "RZGate", "PhaseShift": "PhaseGate", "U3": "UGate", "SWAP": "SwapGate",
    "IsingXX": "RXXGate", "IsingYY": "RYYGate", "IsingZZ": "RZZGate",
}  # fmt: skip
METADATA = "hqzoo_observables"
"""Key of the circuit's metadata under which its observables are written."""


def to_qiskit(circuit: Circuit) -> Any:  # noqa: ANN401 - Qiskit is an extra
    """Return a ``QuantumCircuit`` with parameter vectors ``data`` and ``weight``; qubit ``k`` is wire ``k``.

    The observables are in its ``metadata``, where :func:`~hqzoo.quantum.from_qiskit` finds them; as operators they
    come from :func:`qiskit_observables`.

    Raises:
        CircuitError: If Qiskit is not installed.
    """
    library = need("qiskit.circuit", "qiskit", "Export to Qiskit")
    vectors = {
        "data": library.ParameterVector("data", circuit.n_data),
        "weight": library.ParameterVector("weight", circuit.n_weights),
    }
    texts = [observable_to_text(observable) for observable in circuit.observables]
    result = library.QuantumCircuit(circuit.n_wires, metadata={METADATA: texts})
    for gate in circuit.gates:
        wires = gate.wires[::-1] if gate.matrix is not None else gate.wires  # Qiskit's first qubit is the least bit
        result.append(_gate(gate, vectors), [*gate.controls, *wires])
    return result


def qiskit_observables(circuit: Circuit) -> list[Any]:
    """Return each output as a ``SparsePauliOp``.

    Raises:
        CircuitError: If Qiskit is not installed.
    """
    info = need("qiskit.quantum_info", "qiskit", "Export to Qiskit")
    return [
        info.SparsePauliOp.from_sparse_list(
            [(*_sparse(string), coefficient) for coefficient, string in total], circuit.n_wires
        )
        for total in circuit.outputs
    ]


def _sparse(string: PauliString) -> tuple[str, list[int]]:
    found = list(single_letters(string))
    return "".join("Y" if x and z else "X" if x else "Z" for _, (x, z) in found), [wire for wire, _ in found]


def _gate(gate: Gate, vectors: dict[str, Any]) -> Any:  # noqa: ANN401
    library = need("qiskit.circuit.library", "qiskit", "Export to Qiskit")
    if gate.matrix is not None:
        base = library.UnitaryGate(np.array(gate.matrix))
        return base.control(len(gate.controls)) if gate.controls else base
    base = getattr(library, _CLASSES[gate.name])(*(_expression(angle, vectors) for angle in gate.angles))
    if not gate.controls:
        return base
    simple = gate.name in ("RX", "RY", "RZ", "PhaseShift") and len(gate.controls) == 1
    if gate.name != "I" and (simple or not gate.angles):
        return base.control(len(gate.controls))
    return _controlled(gate, base, vectors)  # Qiskit's own control() refuses free parameters here


def _controlled(gate: Gate, base: Any, vectors: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return a controlled gate whose definition is our own product of Pauli rotations."""
    library = need("qiskit.circuit", "qiskit", "Export to Qiskit")
    k, n = len(gate.controls), len(gate.support)
    local = replace(gate, controls=tuple(range(k)), wires=tuple(range(k, n)))
    definition = library.QuantumCircuit(n)
    for rotation in rotations(local):
        letters, wires = _sparse(rotation.axis)
        pairs = list(zip(letters, wires, strict=True))
        _to_z(definition, pairs, 1.0)
        for a, b in pairwise(wires):
            definition.cx(a, b)
        definition.rz(_expression(rotation.angle, vectors), wires[-1])
        for a, b in reversed(list(pairwise(wires))):
            definition.cx(a, b)
        _to_z(definition, pairs, -1.0)
    name = f"c{k}_{base.name}"  # no name of Qiskit's own
    return library.ControlledGate(name, n, base.params, num_ctrl_qubits=k, definition=definition, base_gate=base)


def _to_z(definition: Any, pairs: list[tuple[str, int]], sign: float) -> None:  # noqa: ANN401
    for letter, wire in pairs:
        if letter == "X":
            definition.h(wire)
        elif letter == "Y":
            definition.rx(sign * math.pi / 2, wire)


def _expression(angle: Angle, vectors: dict[str, Any]) -> Any:  # noqa: ANN401
    value: Any = angle.constant
    for name, terms in (("data", angle.data), ("weight", angle.weight)):
        for index, coefficient in terms:
            value = value + coefficient * vectors[name][index]
    return value
