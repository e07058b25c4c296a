"""Qiskit: from a ``QuantumCircuit`` to a circuit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle, as_angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.export.qiskit import METADATA
from hqzoo.quantum.export.readout import observable_from_text
from hqzoo.quantum.gates import Gate, controlled
from hqzoo.quantum.importers.failures import failures
from hqzoo.quantum.importers.imported import Imported, observables_of
from hqzoo.quantum.importers.recording import Readout
from hqzoo.quantum.observables import Observable, Overlap, Pauli, Probabilities

__all__ = ["GateReader", "from_qiskit", "qubits_of", "strings_of"]


def from_qiskit(
    circuit: Any,  # noqa: ANN401 - Qiskit is an extra
    observables: Sequence[Any] | None = None,
    data: Sequence[Any] | None = None,
    weights: Sequence[Any] | None = None,
) -> Imported:
    """Return a ``QuantumCircuit`` as a circuit; what :func:`~hqzoo.quantum.export.to_qiskit` wrote comes back equal.

    Args:
        circuit: A circuit without measurements, resets and classical control; barriers are dropped.
        observables: What to read: our observables, or Qiskit's Pauli strings (labels, ``Pauli``, ``SparsePauliOp`` of
            one term, qubit 0 last); None takes those that ``to_qiskit`` noted.
        data: Parameters that are ``data[0]``, ``data[1]``, ...; None takes the elements of a vector ``data``.
        weights: The same for weights; None takes the elements of a vector ``weight``.

    Raises:
        CircuitError: If Qiskit is not installed, an instruction has no counterpart, an angle is not affine, a
            parameter is neither data nor weight, or it is not known what to read.
    """
    library = need("qiskit", "qiskit", "Import from Qiskit")
    if not isinstance(circuit, library.QuantumCircuit):
        raise CircuitError(f"A {type(circuit).__name__} was given; give a QuantumCircuit.")
    if observables is None:
        texts = (circuit.metadata or {}).get(METADATA)
        if texts is None:
            raise CircuitError("The circuit does not say what to read: give observables, such as [Pauli('Z', 0)].")
        read: tuple[Observable, ...] = tuple(observable_from_text(text) for text in texts)
    else:
        read = tuple(one for given in observables for one in _observables(given))
    lists = _parameters(circuit, "data", data), _parameters(circuit, "weight", weights)
    makers = zip(lists, (feature, weight), strict=True)
    reader = GateReader({parameter: make(k) for listed, make in makers for k, parameter in enumerate(listed)})
    gates = [gate for item in circuit.data for gate in reader.read(item.operation, qubits_of(circuit, item))]
    names = [tuple(parameter.name for parameter in listed) for listed in lists]
    return Imported(Circuit(circuit.num_qubits, gates, read), *names)


def _observables(given: Any) -> tuple[Observable, ...]:  # noqa: ANN401
    if isinstance(given, Pauli | Probabilities | Overlap):
        return (given,)
    return observables_of(Readout.collect([strings_of(given)]))


def strings_of(observable: Any) -> list[tuple[float, Pauli | None]]:  # noqa: ANN401
    """Return one of Qiskit's observables as a sum of Pauli strings, None for the identity.

    Raises:
        CircuitError: If it is none, or not Hermitian, or has parameters.
    """
    info = need("qiskit.quantum_info", "qiskit", "Import from Qiskit")
    try:
        if isinstance(observable, str | info.Pauli):
            observable = info.SparsePauliOp(observable)
        elif not isinstance(observable, info.SparsePauliOp):
            observable = info.SparsePauliOp.from_operator(info.Operator(observable))
    except failures() as error:
        raise CircuitError(f"{observable!r} is no observable: {error}") from error
    return [
        (_real(coefficient, label), _string(label))
        for label, coefficient in zip(observable.paulis.to_labels(), observable.coeffs, strict=True)
    ]


def _real(coefficient: Any, label: str) -> float:  # noqa: ANN401
    if getattr(coefficient, "parameters", ()):
        raise CircuitError(f"The coefficient {coefficient} of {label} has parameters; keep it outside the observable.")
    number = complex(coefficient)
    if abs(number.imag) > 1e-12:
        raise CircuitError(f"The coefficient {number} of {label} is not real, so its observable is not Hermitian.")
    return number.real


def _string(label: str) -> Pauli | None:
    letters = {wire: letter for wire, letter in enumerate(reversed(label)) if letter != "I"}  # qubit 0 comes last
    return Pauli("".join(letters.values()), tuple(letters)) if letters else None


def _parameters(circuit: Any, kind: str, given: Sequence[Any] | None) -> list[Any]:  # noqa: ANN401
    if given is not None:
        return list(given)
    named = [p for p in circuit.parameters if getattr(getattr(p, "vector", None), "name", None) == kind]
    return sorted(named, key=lambda parameter: parameter.index)


def qubits_of(circuit: Any, item: Any) -> tuple[int, ...]:  # noqa: ANN401
    """Return the numbers of the qubits that an instruction acts on."""
    return tuple(circuit.find_bit(qubit).index for qubit in item.qubits)


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
        """Return the gates of an instruction; ``inside`` a control its phase matters.

        Raises:
            CircuitError: If it has no counterpart; the message names it.
        """
        if getattr(operation, "condition", None) is not None:
            raise CircuitError(f"Qiskit's '{operation.name}' on qubits {qubits} depends on a measurement.")
        try:
            return self._gates(operation, qubits, inside)
        except failures() as error:
            raise CircuitError(f"Qiskit's '{operation.name}' on qubits {qubits} cannot be read: {error}") from error

    def _gates(self, operation: Any, qubits: tuple[int, ...], inside: bool) -> list[Gate]:  # noqa: ANN401
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
        if inner is None or inner.num_clbits:
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
