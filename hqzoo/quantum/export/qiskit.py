"""Qiskit: a circuit as a ``QuantumCircuit`` with two parameter vectors, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle, as_angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.export.readout import observable_from_text, observable_to_text
from hqzoo.quantum.gates import Gate, controlled
from hqzoo.quantum.observables import Observable
from hqzoo.quantum.pauli import PauliString, rotations, single_letters

__all__ = ["GateReader", "from_qiskit", "qiskit_observables", "qubits_of", "to_qiskit"]

_CLASSES = {
    "I": "IGate", "X": "XGate", "Y": "YGate", "Z": "ZGate", "H": "HGate", "S": "SGate", "T": "TGate", "RX": "RXGate",
    "RY": "RYGate", "RZ": "RZGate", "PhaseShift": "PhaseGate", "U3": "UGate", "SWAP": "SwapGate",
    "IsingXX": "RXXGate", "IsingYY": "RYYGate", "IsingZZ": "RZZGate",
}  # fmt: skip
_METADATA = "hqzoo_observables"


def to_qiskit(circuit: Circuit) -> Any:  # noqa: ANN401 - Qiskit is an extra
    """Return a ``QuantumCircuit`` with parameter vectors ``data`` and ``weight``; qubit ``k`` is wire ``k``.

    The observables are in its ``metadata``, where :func:`from_qiskit` finds them; as operators they come from
    :func:`qiskit_observables`.

    Raises:
        CircuitError: If Qiskit is not installed.
    """
    library = need("qiskit.circuit", "qiskit", "Export to Qiskit")
    vectors = {
        "data": library.ParameterVector("data", circuit.n_data),
        "weight": library.ParameterVector("weight", circuit.n_weights),
    }
    texts = [observable_to_text(observable) for observable in circuit.observables]
    result = library.QuantumCircuit(circuit.n_wires, metadata={_METADATA: texts})
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


def from_qiskit(
    circuit: Any,  # noqa: ANN401
    observables: Sequence[Observable] | None = None,
    data: Sequence[Any] | None = None,
    weights: Sequence[Any] | None = None,
) -> Circuit:
    """Return a ``QuantumCircuit`` as a circuit; what :func:`to_qiskit` wrote comes back equal.

    Args:
        circuit: A circuit without measurements, resets and classical control; barriers are dropped.
        observables: What to read; None takes those that ``to_qiskit`` noted.
        data: Parameters that are ``data[0]``, ``data[1]``, ...; None takes the elements of a vector ``data``.
        weights: The same for weights; None takes the elements of a vector ``weight``.

    Raises:
        CircuitError: If Qiskit is not installed, an instruction has no counterpart, an angle is not affine, a
            parameter is neither data nor weight, or it is not known what to read.
    """
    need("qiskit.circuit", "qiskit", "Import from Qiskit")
    if observables is None:
        texts = (circuit.metadata or {}).get(_METADATA)
        if texts is None:
            raise CircuitError("The circuit does not say what to read: give observables, such as [Pauli('Z', 0)].")
        observables = [observable_from_text(text) for text in texts]
    reader = GateReader(_indices(circuit, "data", data) | _indices(circuit, "weight", weights))
    gates = [gate for item in circuit.data for gate in reader.read(item.operation, qubits_of(circuit, item))]
    return Circuit(circuit.num_qubits, gates, observables)


def qubits_of(circuit: Any, item: Any) -> tuple[int, ...]:  # noqa: ANN401
    """Return the numbers of the qubits that an instruction acts on."""
    return tuple(circuit.find_bit(qubit).index for qubit in item.qubits)


def _indices(circuit: Any, kind: str, given: Sequence[Any] | None) -> dict[Any, Angle]:  # noqa: ANN401
    make = feature if kind == "data" else weight
    if given is not None:
        return {parameter: make(index) for index, parameter in enumerate(given)}
    named = {p: p.index for p in circuit.parameters if getattr(getattr(p, "vector", None), "name", None) == kind}
    return {parameter: make(index) for parameter, index in named.items()}


_BASE = {  # Qiskit's name of what is one gate here
    "id": "I", "x": "X", "y": "Y", "z": "Z", "h": "H", "s": "S", "t": "T", "rx": "RX", "ry": "RY", "rz": "RZ",
    "p": "PhaseShift", "u1": "PhaseShift", "u": "U3", "u3": "U3", "swap": "SWAP", "rxx": "IsingXX", "ryy": "IsingYY",
    "rzz": "IsingZZ",
}  # fmt: skip
_QUARTERS = {"sdg": -math.pi / 2, "tdg": -math.pi / 4}


class GateReader:
    """Translates instructions; ``angles`` says what each parameter is."""

    def __init__(self, angles: dict[Any, Angle]) -> None:
        self.angles = angles

    def read(self, operation: Any, qubits: tuple[int, ...], inside: bool = False) -> list[Gate]:  # noqa: ANN401
        """Return the gates of an instruction; ``inside`` a control its phase matters."""
        library = need("qiskit.circuit", "qiskit", "Import from Qiskit")
        name = operation.name
        if name == "barrier":
            return []
        if isinstance(operation, library.ControlledGate):
            return self._controlled(operation, qubits)
        if name in _BASE:
            return [Gate(_BASE[name], qubits, tuple(self._angle(value, name) for value in operation.params))]
        if name in _QUARTERS:
            return [Gate("PhaseShift", qubits, (as_angle(_QUARTERS[name]),))]
        if name in ("sx", "sxdg"):  # H S H, exactly
            turn = as_angle(math.pi / 2 if name == "sx" else -math.pi / 2)
            return [Gate("H", qubits), Gate("PhaseShift", qubits, (turn,)), Gate("H", qubits)]
        if name == "u2":
            return [Gate("U3", qubits, (as_angle(math.pi / 2), *(self._angle(v, name) for v in operation.params)))]
        if name == "unitary":
            rows = tuple(tuple(complex(entry) for entry in row) for row in operation.params[0])
            return [Gate("Unitary", qubits[::-1], matrix=rows)]
        return self._definition(operation, qubits, inside)

    def _controlled(self, operation: Any, qubits: tuple[int, ...]) -> list[Gate]:  # noqa: ANN401
        k = operation.num_ctrl_qubits
        gates = [controlled(gate, *qubits[:k]) for gate in self.read(operation.base_gate, qubits[k:], inside=True)]
        if operation.name == "cu":  # its fourth angle is a phase of the control
            gates.insert(0, Gate("PhaseShift", (qubits[0],), (self._angle(operation.params[3], "cu"),)))
        flips = [Gate("X", (qubits[j],)) for j in range(k) if not operation.ctrl_state >> j & 1]
        return [*flips, *gates, *flips]

    def _definition(self, operation: Any, qubits: tuple[int, ...], inside: bool) -> list[Gate]:  # noqa: ANN401
        inner = getattr(operation, "definition", None)
        if inner is None or inner.num_clbits or getattr(operation, "condition", None):
            raise CircuitError(f"Qiskit's '{operation.name}' on qubits {qubits} has no counterpart in a circuit.")
        if inside and inner.global_phase:
            raise CircuitError(f"Qiskit's '{operation.name}' carries a phase, which its controls make visible.")
        return [
            gate
            for item in inner.data
            for gate in self.read(item.operation, tuple(qubits[k] for k in qubits_of(inner, item)), inside)
        ]

    def _angle(self, value: Any, name: str) -> Angle:  # noqa: ANN401
        parameters = getattr(value, "parameters", ())
        if not parameters:
            return as_angle(float(value))
        unknown = [parameter.name for parameter in parameters if parameter not in self.angles]
        if unknown:
            raise CircuitError(f"Parameters {unknown} of '{name}' are neither data nor weights; name them in either.")
        angle = as_angle(float(value.bind(dict.fromkeys(parameters, 0.0))))
        for parameter in sorted(parameters, key=str):
            slope = value.gradient(parameter)
            if getattr(slope, "parameters", ()):
                raise CircuitError(f"The angle {value} of '{name}' is not affine in its parameters.")
            angle = angle + self.angles[parameter] * float(slope)
        return angle
