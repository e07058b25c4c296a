"""PennyLane: a circuit as a quantum function, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle, as_angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.export.affinity import affine_results
from hqzoo.quantum.gates import Gate, controlled
from hqzoo.quantum.observables import Observable, Overlap, Pauli, Probabilities

__all__ = ["from_pennylane", "to_pennylane"]

_NAMES = {"I": "Identity", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "H": "Hadamard", "Unitary": "QubitUnitary"}
_BASE = {
    "Identity": "I", "PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "Hadamard": "H", "S": "S", "T": "T", "RX": "RX",
    "RY": "RY", "RZ": "RZ", "PhaseShift": "PhaseShift", "U1": "PhaseShift", "U3": "U3", "SWAP": "SWAP",
    "IsingXX": "IsingXX", "IsingYY": "IsingYY", "IsingZZ": "IsingZZ",
}  # fmt: skip
_QUARTERS = {"Adjoint(S)": -math.pi / 2, "Adjoint(T)": -math.pi / 4}

_SWAP = np.eye(4)[[0, 2, 1, 3]]

QuantumFunction = Callable[[Tensor, Tensor], list[Any]]


def to_pennylane(circuit: Circuit) -> QuantumFunction:
    """Return a quantum function of two torch tensors, data ``(n_data,)`` and weights ``(n_weights,)``, for a ``QNode``.

    It measures one thing for each observable: an expectation value, probabilities, or, for an overlap, the
    expectation value of a product of swaps.

    Raises:
        CircuitError: If PennyLane is not installed.
    """
    qml = need("pennylane", "pennylane", "Export to PennyLane")

    def function(data: Tensor, weights: Tensor) -> list[Any]:
        for gate in circuit.gates:
            parameters: list[Any] = [_value(angle, data, weights) for angle in gate.angles]
            if gate.matrix is not None:
                parameters = [np.array(gate.matrix)]
            operation = getattr(qml, _NAMES.get(gate.name, gate.name))(*parameters, wires=gate.wires)
            if gate.controls:
                qml.ctrl(operation, control=gate.controls)
        return [_measurement(qml, observable) for observable in circuit.observables]

    return function


def _value(angle: Angle, data: Tensor, weights: Tensor) -> Tensor:
    value = torch.tensor(angle.constant, dtype=data.dtype, device=data.device)
    for terms, values in ((angle.data, data), (angle.weight, weights)):
        for index, coefficient in terms:
            value = value + coefficient * values[index]
    return value


def _measurement(qml: Any, observable: Observable) -> Any:  # noqa: ANN401
    if isinstance(observable, Probabilities):
        return qml.probs(wires=observable.wires)
    if isinstance(observable, Overlap):
        pairs = zip(observable.wires_a, observable.wires_b, strict=True)
        return qml.expval(qml.prod(*(qml.Hermitian(_SWAP, wires=pair) for pair in pairs)))
    letters = zip(observable.letters, observable.wires, strict=True)
    return qml.expval(qml.prod(*(getattr(qml, f"Pauli{letter}")(wire) for letter, wire in letters)))


def from_pennylane(function: QuantumFunction, n_data: int, n_weights: int, n_wires: int | None = None) -> Circuit:
    """Return a quantum function as a circuit; what :func:`to_pennylane` wrote comes back equal.

    The function is recorded at zero, and its angles are traced as torch operations, which must be linear ones. It is
    recorded again elsewhere to prove that neither gates nor angles depend on the values in another way.

    Args:
        function: A quantum function of two torch tensors (not a ``QNode``: its ``.func``) that returns measurements.
        n_data: Size of the first.
        n_weights: Size of the second.
        n_wires: Number of wires; None takes the highest wire that is used.

    Raises:
        CircuitError: If PennyLane is not installed, an operation or measurement has no counterpart, or an angle is
            not affine.
    """
    qml = need("pennylane", "pennylane", "Import from PennyLane")
    first, second = (
        _Recording(qml, function, *(start(size, dtype=torch.float64).requires_grad_() for size in (n_data, n_weights)))
        for start in (torch.zeros, _elsewhere)
    )
    if first.gates != second.gates or first.observables != second.observables:
        raise CircuitError("The quantum function's gates depend on the values of its data or weights.")
    angles = [_angle(value, first.point) for value in first.values]
    _check_affine(angles, _affine(qml, function, first), second)
    gates = [replace(gate, angles=tuple(angles[angle.data[0][0]] for angle in gate.angles)) for gate in first.gates]
    wires = [wire for gate in gates for wire in gate.support]
    wires += [wire for observable in first.observables for wire in observable.wires]
    return Circuit(n_wires or max(wires, default=0) + 1, gates, first.observables)


def _elsewhere(size: int, dtype: torch.dtype) -> Tensor:
    return torch.linspace(0.3, 1.7, size, dtype=dtype) if size else torch.zeros(0, dtype=dtype)


def _angle(value: Tensor, point: tuple[Tensor, Tensor]) -> Angle:
    """Return an affine value at zero as the angle that it is everywhere."""
    angle = as_angle(float(value.detach()))
    if not value.requires_grad:
        return angle
    slopes = torch.autograd.grad(value, point, retain_graph=True, allow_unused=True, materialize_grads=True)
    for slope, make in zip(slopes, (feature, weight), strict=True):
        for index in slope.nonzero().flatten().tolist():
            angle = angle + float(slope[index]) * make(index)
    return angle


class _Recording:
    """A quantum function at one point: gates that turn by ``data[k]`` for the ``k``-th of ``values``."""

    def __init__(self, qml: Any, function: QuantumFunction, data: Tensor, weights: Tensor) -> None:  # noqa: ANN401
        self.qml, self.point = qml, (data, weights)
        self.values: list[Tensor] = []
        self.places: list[str] = []
        with qml.queuing.AnnotatedQueue() as queue:
            function(*self.point)
        tape = qml.tape.QuantumScript.from_queue(queue)
        self.gates = [gate for operation in tape.operations for gate in self._read(operation)]
        self.observables = [self._observable(measured, tape) for measured in tape.measurements]

    def _read(self, operation: Any, inside: bool = False) -> list[Gate]:  # noqa: ANN401
        """Return the gates of an operation; ``inside`` a control its phase matters."""
        name, wires = operation.name, tuple(int(wire) for wire in operation.wires)
        if isinstance(operation, self.qml.ops.Controlled):
            return self._controlled(operation)
        if name in _BASE:
            return [Gate(_BASE[name], wires, tuple(self._angle(value, operation) for value in operation.parameters))]
        if name in _QUARTERS:
            return [Gate("PhaseShift", wires, (self._angle(_QUARTERS[name], operation),))]
        if name == "QubitUnitary":
            rows = tuple(tuple(complex(entry) for entry in row) for row in np.asarray(operation.parameters[0]))
            return [Gate("Unitary", wires, matrix=rows)]
        if name == "Rot":
            phi, theta, omega = (self._angle(value, operation) for value in operation.parameters)
            return [Gate("RZ", wires, (phi,)), Gate("RY", wires, (theta,)), Gate("RZ", wires, (omega,))]
        if name in ("Barrier", "GlobalPhase") and not inside:
            return []
        if inside or not operation.has_decomposition:  # a decomposition need not keep the phase
            raise CircuitError(f"PennyLane's '{name}' on wires {wires} has no counterpart in a circuit.")
        return [gate for part in operation.decomposition() for gate in self._read(part)]

    def _controlled(self, operation: Any) -> list[Gate]:  # noqa: ANN401
        controls = tuple(int(wire) for wire in operation.control_wires)
        flips = [Gate("X", (wire,)) for wire, on in zip(controls, operation.control_values, strict=True) if not int(on)]
        gates = [controlled(gate, *controls) for gate in self._read(operation.base, inside=True)]
        return [*flips, *gates, *flips]

    def _angle(self, value: Any, operation: Any) -> Angle:  # noqa: ANN401
        """Keep an angle's value, and return what stands for it."""
        number = value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)
        self.values.append(number.double())
        self.places.append(f"{operation.name} on wires {tuple(operation.wires)}")
        return feature(len(self.values) - 1)

    def _observable(self, measured: Any, tape: Any) -> Observable:  # noqa: ANN401
        qml = self.qml
        if isinstance(measured, qml.measurements.ProbabilityMP) and measured.obs is None:
            return Probabilities([int(wire) for wire in measured.wires or tape.wires])
        if isinstance(measured, qml.measurements.ExpectationMP):
            factors = getattr(measured.obs, "operands", [measured.obs])
            if all(_is_swap(factor) for factor in factors):
                pairs = [[int(wire) for wire in factor.wires] for factor in factors]
                return Overlap([a for a, _ in pairs], [b for _, b in pairs])
            sentence = measured.obs.pauli_rep
            if sentence is not None and len(sentence) == 1:
                ((word, coefficient),) = sentence.items()
                if word and coefficient == 1.0:
                    return Pauli("".join(word.values()), [int(wire) for wire in word])
        raise CircuitError(
            f"PennyLane's measurement {measured} has no counterpart: known are expectation values of Pauli strings and "
            "of products of swaps, and probabilities."
        )


def _is_swap(factor: Any) -> bool:  # noqa: ANN401
    return factor.name == "SWAP" or (factor.name == "Hermitian" and np.array_equal(factor.parameters[0], _SWAP))


def _affine(qml: Any, function: QuantumFunction, recording: _Recording) -> list[bool]:  # noqa: ANN401
    """Return for every angle whether nothing but linear operations make it."""
    try:
        return affine_results(make_fx(lambda *point: _Recording(qml, function, *point).values)(*recording.point))
    except (RuntimeError, TypeError, ValueError) as error:
        raise CircuitError(
            "The quantum function cannot be followed as torch operations; it may look at values with if, float() or "
            f"NumPy: {error}"
        ) from error


def _check_affine(angles: list[Angle], affine: list[bool], elsewhere: _Recording) -> None:
    """Refuse angles that are not affine, or that reached PennyLane past autograd."""
    for angle, straight, value, place in zip(angles, affine, elsewhere.values, elsewhere.places, strict=True):
        if not straight or not torch.allclose(_value(angle, *elsewhere.point), value, rtol=1e-9, atol=1e-9):
            raise CircuitError(f"An angle of {place} is not affine in data and weights.")
