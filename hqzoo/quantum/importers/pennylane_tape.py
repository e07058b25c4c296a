"""PennyLane's tapes as recordings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from hqzoo.errors import CircuitError
from hqzoo.quantum.importers.failures import failures
from hqzoo.quantum.importers.recording import PHASE, Foreign, Readout, RecordedGate, Recording, controlled, inverse
from hqzoo.quantum.observables import Overlap, Pauli, Probabilities

__all__ = ["read_tape"]

_GATES = {
    "Identity": "I", "PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "Hadamard": "H", "S": "S", "T": "T", "RX": "RX",
    "RY": "RY", "RZ": "RZ", "PhaseShift": "PhaseShift", "U1": "PhaseShift", "U3": "U3", "SWAP": "SWAP",
    "IsingXX": "IsingXX", "IsingYY": "IsingYY", "IsingZZ": "IsingZZ",
}  # fmt: skip
_IGNORED = {"Barrier", "WireCut", "Snapshot"}
_MAX_MATRIX_WIRES = 6
_MAX_DEPTH = 40  # of decompositions; deeper means a decomposition that ends in itself
_SWAP = np.eye(4)[[0, 2, 1, 3]]


def read_tape(tape: Foreign, labels: Foreign) -> Recording:
    """Return a tape as a recording, with its identities, without its global phases.

    Args:
        tape: A ``QuantumScript``.
        labels: Wire labels, in the order of our wires.

    Raises:
        CircuitError: If the tape holds something that is no gate or reading of a :class:`~hqzoo.quantum.Circuit`.
    """
    if tape.shots.total_shots:
        raise CircuitError(
            f"The QNode measures with {tape.shots.total_shots} shots, so its outputs are random and no exact "
            "circuit equals it. Build it without shots."
        )
    number = {label: k for k, label in enumerate(labels)}

    def wires(of: Foreign) -> tuple[int, ...]:
        return tuple(number[label] for label in of)

    gates = [gate for operation in tape.operations for gate in _read(operation, wires)]
    readout = Readout.collect(_reading(measurement, wires, len(labels)) for measurement in tape.measurements)
    return Recording(len(labels), tuple(gate for gate in gates if gate.name != PHASE), readout)


def _read(operation: Foreign, wires: Wires) -> list[RecordedGate]:
    try:
        return _gates(operation, wires)
    except failures() as error:
        raise CircuitError(
            f"PennyLane's {operation.name} on wires {tuple(operation.wires)} cannot be read as gates: {error}"
        ) from error


Wires = Callable[[Foreign], tuple[int, ...]]


def _gates(operation: Foreign, wires: Wires, depth: int = 0) -> list[RecordedGate]:
    """Return an operation as gates, equal to it up to nothing: global phases are kept for the case of a control."""
    import pennylane as qml

    name, data = operation.name, tuple(operation.data)
    if name in _IGNORED:
        return []
    if name in _GATES:
        return [RecordedGate(_GATES[name], wires(operation.wires)[: 1 if name == "Identity" else None], data)]
    if name == "GlobalPhase":
        return [RecordedGate(PHASE, (), (-data[0],))]
    if name == "Rot":
        turns = zip(("RZ", "RY", "RZ"), data, strict=True)
        return [RecordedGate(turn, wires(operation.wires), (angle,)) for turn, angle in turns]
    if name == "MultiRZ" and len(operation.wires) <= 2:
        return [RecordedGate("RZ" if len(operation.wires) == 1 else "IsingZZ", wires(operation.wires), data)]
    if isinstance(operation, qml.ops.Controlled):
        return _controlled(operation, wires, depth)
    if isinstance(operation, qml.ops.Adjoint):
        return [inverse(gate) for gate in reversed(_gates(operation.base, wires, depth + 1))]
    _refuse_no_gate(operation)
    fixed = not any(isinstance(value, Tensor) and value.requires_grad for value in data)
    if fixed and (name in ("QubitUnitary", "DiagonalQubitUnitary") or not operation.has_decomposition):
        return [_unitary(operation, wires)]
    if depth > _MAX_DEPTH or not operation.has_decomposition or name == "QubitUnitary":
        raise CircuitError(
            f"{name} cannot be read as gates: its entries depend on data or weights, or PennyLane has no decomposition."
        )
    return [gate for part in operation.decomposition() for gate in _gates(part, wires, depth + 1)]


def _controlled(operation: Foreign, wires: Wires, depth: int) -> list[RecordedGate]:
    controls = wires(operation.control_wires)
    zeros = [wire for wire, on in zip(controls, operation.control_values, strict=True) if not on]
    flips = [RecordedGate("X", (wire,)) for wire in zeros]
    inner = _gates(operation.base, wires, depth + 1)
    return [*flips, *(controlled(gate, controls) for gate in inner), *flips]


def _refuse_no_gate(operation: Foreign) -> None:
    import pennylane as qml

    if isinstance(operation, qml.operation.Channel):
        raise CircuitError(f"{operation.name} is a noise channel, not a gate; accelerate the circuit without noise.")
    if operation.name in ("MidMeasureMP", "MeasureNode", "Conditional", "PauliMeasure"):
        raise CircuitError(f"{operation.name}: measurements inside a circuit are not supported.")
    prepares = isinstance(operation, (qml.operation.StatePrepBase, qml.AmplitudeEmbedding))
    if prepares and any(isinstance(value, Tensor) and value.requires_grad for value in operation.data):
        raise CircuitError(
            f"PennyLane's {operation.name} prepares a state from data or weights; its amplitudes are no angles of "
            "gates, and only encodings in angles can be read."
        )


def _unitary(operation: Foreign, wires: Wires) -> RecordedGate:
    if len(operation.wires) > _MAX_MATRIX_WIRES or not operation.has_matrix:
        raise CircuitError(f"{operation.name} on {len(operation.wires)} wires cannot be read as gates.")
    matrix = np.asarray(_detached(operation.matrix()), dtype=complex)
    rows = tuple(tuple(complex(entry) for entry in row) for row in matrix)
    return RecordedGate("Unitary", wires(operation.wires), matrix=rows)


def _reading(
    measurement: Foreign, wires: Wires, n_wires: int
) -> Probabilities | Overlap | list[tuple[float, Pauli | None]]:
    import pennylane as qml

    if isinstance(measurement, qml.measurements.ProbabilityMP) and measurement.obs is None:
        return Probabilities(wires(measurement.wires) or tuple(range(n_wires)))
    if not isinstance(measurement, qml.measurements.ExpectationMP) or measurement.obs is None:
        raise CircuitError(
            f"The QNode returns {measurement}; only expval and probs of wires are linear readings of a circuit."
        )
    observable = measurement.obs
    factors = getattr(observable, "operands", [observable])
    if all(_is_swap(factor) for factor in factors):
        pairs = [wires(factor.wires) for factor in factors]
        return Overlap([a for a, _ in pairs], [b for _, b in pairs])
    if any(isinstance(value, Tensor) and value.requires_grad for value in observable.data):
        raise CircuitError(f"The coefficients of {observable} are trained or depend on the data; keep them outside.")
    sentence = observable.pauli_rep
    if sentence is None:
        matrix = np.asarray(_detached(observable.matrix()))
        sentence = qml.pauli_decompose(matrix, wire_order=observable.wires, pauli=True)
    return [(float(np.real(_detached(c))), _string(word, wires)) for word, c in sentence.items()]


def _is_swap(factor: Foreign) -> bool:
    return factor.name == "SWAP" or (factor.name == "Hermitian" and np.array_equal(_detached(factor.data[0]), _SWAP))


def _string(word: Foreign, wires: Wires) -> Pauli | None:
    letters = {label: letter for label, letter in word.items() if letter != "I"}
    return Pauli("".join(letters.values()), wires(letters)) if letters else None


def _detached(value: Foreign) -> Foreign:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value
