"""PennyLane: from a QNode, a quantum function or a tape to a circuit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.importers.imported import Imported, entries, imported
from hqzoo.quantum.importers.pennylane_tape import read_tape
from hqzoo.quantum.importers.recording import Foreign, Recording
from hqzoo.quantum.importers.recover import recover

__all__ = ["from_pennylane", "labels_of", "tape_of"]


def from_pennylane(
    source: Foreign,
    *arguments: Foreign,
    data: str | Sequence[str] = "inputs",
    n_wires: int | None = None,
    **named: Foreign,
) -> Imported:
    """Return a QNode, a quantum function or a tape of PennyLane as a circuit.

    ``from_pennylane(node, x, weights, data="x")`` calls the function as ``node(x, weights)`` would. Of its arguments,
    those named in ``data`` become data, all other floating-point numbers, arrays and tensors weights, each entry in
    order. Whole numbers, texts and what the function takes from elsewhere are constants. Of a tape, tensors that
    require a gradient become weights.

    The function is recorded at several points, and its angles are followed as torch operations; it runs with torch
    tensors in double precision, one sample at a time.

    Args:
        source: A QNode, a function that queues operations and returns measurements, or a ``QuantumScript``.
        arguments: Example arguments of one sample; only shapes and types count.
        data: Names of the arguments that are data; PennyLane's ``TorchLayer`` calls its own ``inputs``.
        n_wires: Number of wires; None takes those of the device, or else as many as are used. Without a device, wires
            that are whole numbers keep their numbers.
        named: Further example arguments, by name.

    Raises:
        CircuitError: If PennyLane is not installed, an operation or measurement has no counterpart, an output is a sum
            of several, or an angle is not affine in data and weights.
    """
    qml = need("pennylane", "pennylane", "Import from PennyLane")
    is_tape = isinstance(source, qml.tape.QuantumScript)
    function = _of_tape(source, n_wires) if is_tape else _of_call(source, arguments, named, data, n_wires)
    recovered = recover(function, function.n_features)
    return imported(recovered, *(_names(part) for part in (function.features, function.weights)))


def _of_call(
    source: Foreign,
    arguments: tuple[Foreign, ...],
    named: Mapping[str, Foreign],
    data: str | Sequence[str],
    n_wires: int | None,
) -> _Function:
    bound = _bound(source, arguments, named)
    numbers = {name: torch.as_tensor(value) for name, value in bound.items() if _is_numbers(value)}
    wanted = [data] if isinstance(data, str) else list(data)
    unknown = [name for name in wanted if name not in numbers]
    if unknown and data != "inputs":
        raise CircuitError(unknown_name("floating-point argument", unknown[0], numbers))
    features = {name: numbers[name] for name in wanted if name in numbers}
    weights = {name: value for name, value in numbers.items() if name not in features}
    constants = {name: value for name, value in bound.items() if name not in numbers}
    device = getattr(source, "device", None)
    return _Function(lambda **given: tape_of(source, **constants, **given), device, features, weights, n_wires)


def _of_tape(tape: Foreign, n_wires: int | None) -> _Function:
    values = tape.get_parameters(trainable_only=False)
    where = [k for k, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not where:
        return _Function(lambda: tape, None, {}, {}, n_wires)
    if any(values[k].numel() != 1 for k in where):
        raise CircuitError("The tape has a trained array among its parameters; import the function that makes it.")
    weights = {"parameters": torch.stack([values[k].reshape(()) for k in where])}
    return _Function(
        lambda parameters: tape.bind_new_parameters(list(parameters.unbind()), where), None, {}, weights, n_wires
    )


def _bound(source: Foreign, arguments: tuple[Foreign, ...], named: Mapping[str, Foreign]) -> dict[str, Foreign]:
    if not callable(source):
        raise CircuitError(f"A {type(source).__name__} was given; give a QNode, a quantum function or a QuantumScript.")
    function: Foreign = getattr(source, "func", source)
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*arguments, **named)
    except (TypeError, ValueError) as error:
        raise CircuitError(f"The example arguments do not fit the function's: {error}.") from error
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise CircuitError(f"Its argument {parameter} has no name of its own; write a function that names each.")
    return dict(bound.arguments)


def _is_numbers(value: Foreign) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point()
    if isinstance(value, float | np.floating):
        return True
    return isinstance(value, np.ndarray | list | tuple) and _array(value).dtype.kind == "f"


def _array(value: Foreign) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # rows of unequal lengths
        return np.empty(0, dtype=object)


def _names(values: Mapping[str, Tensor]) -> list[str]:
    return [entry for name, value in values.items() for entry in entries(name, value.shape)]


class _Function:
    """Something that makes a tape, as a source of recordings."""

    kind = "PennyLane function"
    dtype, tolerance = torch.float64, 1e-8

    def __init__(
        self,
        tape: Callable[..., Foreign],
        device: Foreign,
        features: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        n_wires: int | None,
    ) -> None:
        self.tape, self.device, self.n_wires = tape, device, n_wires
        self.features, self.weights = features, weights
        self.n_features = sum(value.numel() for value in features.values())

    def parameters(self) -> dict[str, nn.Parameter]:
        return {name: nn.Parameter(value.detach().double()) for name, value in self.weights.items()}

    def run(self, inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        raise NotImplementedError("Only its tape is read.")

    def record(self, features: Tensor, weights: Mapping[str, Tensor]) -> Recording:
        """Record the tape of one sample."""
        parts = torch.split(features, [value.numel() for value in self.features.values()])
        pairs = zip(self.features.items(), parts, strict=True)
        given = {name: part.reshape(value.shape) for (name, value), part in pairs}
        tape = self.tape(**given, **weights)
        return read_tape(tape, labels_of(tape, self.device, self.n_wires))


def tape_of(source: Foreign, **arguments: Foreign) -> Foreign:
    """Return the tape that a QNode or a quantum function makes of its arguments.

    Raises:
        CircuitError: If it makes none.
    """
    import pennylane as qml

    try:
        if isinstance(source, qml.QNode):
            return qml.workflow.construct_tape(source, level="user")(**arguments)
        with qml.queuing.AnnotatedQueue() as queue:
            source(**arguments)
        return qml.tape.QuantumScript.from_queue(queue)
    except ValueError as error:
        raise CircuitError(f"PennyLane makes no single tape of it: {error}") from error


def labels_of(tape: Foreign, device: Foreign, n_wires: int | None = None) -> list[Foreign]:
    """Return the labels of wires in the order of ours."""
    if device is not None and device.wires:
        return list(device.wires)
    used = list(tape.wires)
    if all(isinstance(label, int) and label >= 0 for label in used):
        return list(range(n_wires or max(used, default=0) + 1))
    import pennylane as qml

    return list(qml.wires.Wires.all_wires([tape.wires], sort=True))
