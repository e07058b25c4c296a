"""PennyLane layers: from the tape of a ``TorchLayer`` to a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate.recording import (
    PHASE,
    Foreign,
    Readout,
    RecordedGate,
    Recording,
    controlled,
    inverse,
    without_phases,
)
from hqzoo.quantum.observables import Pauli, Probabilities

__all__ = ["PennyLaneSource"]

_GATES = {
    "Identity": "I", "PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "Hadamard": "H", "S": "S", "T": "T", "RX": "RX",
    "RY": "RY", "RZ": "RZ", "PhaseShift": "PhaseShift", "U1": "PhaseShift", "U3": "U3", "SWAP": "SWAP",
    "IsingXX": "IsingXX", "IsingYY": "IsingYY", "IsingZZ": "IsingZZ",
}  # fmt: skip
_IGNORED = {"Barrier", "WireCut", "Snapshot"}
_MAX_MATRIX_WIRES = 6
_MAX_DEPTH = 40  # of decompositions; deeper means a decomposition that ends in itself


class PennyLaneSource:
    """A ``TorchLayer`` as something that runs and can be recorded.

    Args:
        layer: The layer.
        batched: Whether it is called with a batch dimension; PennyLane hands that dimension to the QNode.

    Raises:
        CircuitError: If the QNode is not given the layer's parameters.
    """

    kind = "PennyLane TorchLayer"

    def __init__(self, layer: Foreign, batched: bool) -> None:
        self.layer, self.batched = layer, batched
        owned = {id(parameter): name for name, parameter in layer.named_parameters()}
        stale = [name for name, value in layer.qnode_weights.items() if id(value) not in owned]
        if stale:
            raise CircuitError(
                f"Its QNode is given another tensor than its parameter {', '.join(stale)}; to replace a parameter of a "
                "TorchLayer, assign the new one to the attribute and in layer.qnode_weights."
            )
        self._parameter_of = {name: owned[id(value)] for name, value in layer.qnode_weights.items()}
        # The C++ devices hand over single precision whatever is asked for.
        exact = layer.qnode.device.name == "default.qubit"
        self.dtype, self.tolerance = torch.float64, 1e-8 if exact else 1e-4

    @staticmethod
    def matches(module: nn.Module) -> bool:
        """Whether this is PennyLane's layer, without importing PennyLane."""
        return any(c.__module__ == "pennylane.qnn.torch" and c.__name__ == "TorchLayer" for c in type(module).__mro__)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the weight arrays by name, in the layer's order."""
        return dict(self.layer.named_parameters())

    def run(self, inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Run the layer itself with other weights."""
        own = self.layer.qnode_weights
        kept = dict(own)
        try:
            own.update(self._arguments(weights))
            out: Tensor = self.layer(inputs)
            return out
        finally:
            own.update(kept)

    def _arguments(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the QNode's arguments, of which several can be one parameter."""
        return {name: weights[parameter] for name, parameter in self._parameter_of.items()}

    def record(self, features: Tensor, weights: Mapping[str, Tensor]) -> Recording:
        """Record the tape of one sample ``(n_features,)``.

        Raises:
            CircuitError: If the tape holds something that is no gate or reading of a :class:`Circuit`.
        """
        import pennylane as qml

        arguments = {self.layer.input_arg: features.unsqueeze(0) if self.batched else features}
        arguments.update(self._arguments(weights))
        try:
            tape = qml.workflow.construct_tape(self.layer.qnode, level="user")(**arguments)
        except ValueError as error:
            raise CircuitError(f"PennyLane makes no single tape of this QNode: {error}") from error
        if tape.shots.total_shots:
            raise CircuitError(
                f"The QNode measures with {tape.shots.total_shots} shots, so its outputs are random and no exact "
                "circuit equals it. Build it without shots to accelerate it."
            )
        labels = self.layer.qnode.device.wires or qml.wires.Wires.all_wires([tape.wires], sort=True)
        number = {label: k for k, label in enumerate(labels)}

        def wires(of: Foreign) -> tuple[int, ...]:
            return tuple(number[label] for label in of)

        gates = [gate for operation in tape.operations for gate in _gates(operation, wires)]
        readout = Readout.collect(_reading(measurement, wires, len(labels)) for measurement in tape.measurements)
        return Recording(len(labels), without_phases(gates), readout)


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
    return [*flips, *(controlled(gate, controls) for gate in inner if gate.name != "I"), *flips]


def _refuse_no_gate(operation: Foreign) -> None:
    import pennylane as qml

    if isinstance(operation, qml.operation.Channel):
        raise CircuitError(f"{operation.name} is a noise channel, not a gate; accelerate the circuit without noise.")
    if operation.name in ("MidMeasureMP", "MeasureNode", "Conditional", "PauliMeasure"):
        raise CircuitError(f"{operation.name}: measurements inside a circuit are not supported.")
    prepares = isinstance(operation, (qml.operation.StatePrepBase, qml.AmplitudeEmbedding))
    if prepares and any(isinstance(value, Tensor) and value.requires_grad for value in operation.data):
        raise CircuitError(
            f"{operation.name} prepares a state from data or weights; its amplitudes are no angles of gates. "
            "Only angle encodings can be accelerated."
        )


def _unitary(operation: Foreign, wires: Wires) -> RecordedGate:
    if len(operation.wires) > _MAX_MATRIX_WIRES or not operation.has_matrix:
        raise CircuitError(f"{operation.name} on {len(operation.wires)} wires cannot be read as gates.")
    matrix = np.asarray(_detached(operation.matrix()), dtype=complex)
    rows = tuple(tuple(complex(entry) for entry in row) for row in matrix)
    return RecordedGate("Unitary", wires(operation.wires), matrix=rows)


def _reading(measurement: Foreign, wires: Wires, n_wires: int) -> Probabilities | list[tuple[float, Pauli | None]]:
    import pennylane as qml

    if isinstance(measurement, qml.measurements.ProbabilityMP) and measurement.obs is None:
        return Probabilities(wires(measurement.wires) or tuple(range(n_wires)))
    if not isinstance(measurement, qml.measurements.ExpectationMP) or measurement.obs is None:
        raise CircuitError(
            f"The QNode returns {measurement}; only expval and probs of wires are linear readings of a circuit."
        )
    observable = measurement.obs
    if any(isinstance(value, Tensor) and value.requires_grad for value in observable.data):
        raise CircuitError(f"The coefficients of {observable} are trained or depend on the data; keep them outside.")
    sentence = observable.pauli_rep
    if sentence is None:
        matrix = np.asarray(_detached(observable.matrix()))
        sentence = qml.pauli_decompose(matrix, wire_order=observable.wires, pauli=True)
    return [(float(np.real(_detached(c))), _string(word, wires)) for word, c in sentence.items()]


def _string(word: Foreign, wires: Wires) -> Pauli | None:
    letters = {label: letter for label, letter in word.items() if letter != "I"}
    return Pauli("".join(letters.values()), wires(letters)) if letters else None


def _detached(value: Foreign) -> Foreign:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value
