"""The ``pennylane`` engine: a circuit as a PennyLane QNode, for real devices, finite shots and as a judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Observable, Probabilities
from hqzoo.quantum.pauli import PauliString, single_letters

__all__ = ["PennyLaneEngine"]

_NAMES = {"I": "Identity", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "H": "Hadamard", "Unitary": "QubitUnitary"}


class PennyLaneEngine(Engine):
    """Expectation values from a PennyLane device.

    ``default.qubit`` without shots takes the whole batch at once and is differentiated by backpropagation. Other
    devices, and all devices with shots, run sample by sample with PennyLane's best gradient method.

    Args:
        circuit: The circuit to run.
        dtype: Precision of inputs and outputs. PennyLane hands over the numbers of devices other than
            ``default.qubit`` in torch's default precision, whatever is asked for here.
        device: Name of a PennyLane device.
        shots: Number of measurements of every observable; None is exact.
        seed: Seed of the shots, for devices that take one.
        options: Further arguments of the device.

    Raises:
        CircuitError: If PennyLane is not installed.
    """

    def __init__(
        self,
        circuit: Circuit,
        dtype: torch.dtype = torch.float32,
        device: str = "default.qubit",
        shots: int | None = None,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dtype)
        qml = need("pennylane", "pennylane", "engine='pennylane'")
        self.circuit, self.shots = circuit, shots
        arguments = {**(options or {}), **({} if seed is None else {"seed": seed})}
        self._device = qml.device(device, wires=circuit.n_wires, **arguments)
        self._broadcasts = device == "default.qubit" and shots is None

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        if not data.shape[0]:
            return data.new_zeros(0, self.circuit.n_observables) + weights.sum() * 0
        if self._broadcasts:
            return self._run(data, weights)
        return torch.cat([self._run(row, weights) for row in data.unbind()])

    def _run(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return ``(B, n_observables)`` of ``(B, n_data)`` by broadcasting, or of one sample ``(n_data,)``."""
        import pennylane as qml

        method = "backprop" if self._broadcasts else "best"
        node = qml.set_shots(qml.QNode(self._build, self._device, "torch", method), shots=self.shots)
        batch = data.shape[0] if data.dim() == 2 else 1
        columns = []
        for observable, measured in zip(self.circuit.observables, node(data, weights), strict=True):
            width = 2 ** len(observable.wires) if isinstance(observable, Probabilities) else 1
            value = torch.as_tensor(measured, device=data.device)  # constant circuits give plain numbers
            columns.append(value.reshape(-1, width).expand(batch, width))
        return torch.cat(columns, dim=1).to(self.dtype)

    def _build(self, data: Tensor, weights: Tensor) -> list[Any]:
        for gate in self.circuit.gates:
            _apply(gate, data, weights)
        return [_measure(observable) for observable in self.circuit.observables]


def _apply(gate: Gate, data: Tensor, weights: Tensor) -> None:
    """Queue a gate; angles that depend on the data have a batch dimension."""
    import pennylane as qml

    values = [_value(angle, data, weights) for angle in gate.angles]
    shape = max((value.shape for value in values), key=len, default=())  # a gate's angles are all batched, or none
    parameters = [np.array(gate.matrix)] if gate.matrix is not None else [value.expand(shape) for value in values]
    operation = getattr(qml, _NAMES.get(gate.name, gate.name))(*parameters, wires=gate.wires)
    if gate.controls:
        qml.ctrl(operation, control=gate.controls)


def _value(angle: Angle, data: Tensor, weights: Tensor) -> Tensor:
    """Return an angle in radians, ``(B,)`` where it depends on batched data, else a scalar."""
    value = data.new_tensor(angle.constant)
    for index, coefficient in angle.weight:
        value = value + coefficient * weights[index]
    for index, coefficient in angle.data:
        value = value + coefficient * data[..., index]
    return value


def _measure(observable: Observable) -> Any:  # noqa: ANN401 - PennyLane is untyped
    import pennylane as qml

    if isinstance(observable, Probabilities):
        return qml.probs(wires=observable.wires)
    (total,) = observable.sums()
    words = [_word(string) for _, string in total]
    return qml.expval(words[0] if len(words) == 1 else qml.Hamiltonian([c for c, _ in total], words))


def _word(string: PauliString) -> Any:  # noqa: ANN401 - PennyLane is untyped
    import pennylane as qml

    letters = {(False, True): qml.Z, (True, False): qml.X, (True, True): qml.Y}
    factors = [letters[bool(x), bool(z)](wire) for wire, (x, z) in single_letters(string)]
    return qml.prod(*factors) if len(factors) > 1 else factors[0] if factors else qml.Identity(0)
