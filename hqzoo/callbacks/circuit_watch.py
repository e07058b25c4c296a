"""What goes on inside the circuits of a model in a few training steps: angles, gradients, expectation values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hqzoo.quantum import QuantumLayer
from hqzoo.quantum.circuit import Circuit
from hqzoo.tasks.base import Task

__all__ = ["CircuitHealth", "CircuitWatch", "circuit_layers", "circuit_plans"]

VALUES = 4096
"""Most expectation values, and most angles, that are kept of a layer's call."""


@dataclass(frozen=True)
class CircuitHealth:
    """The state of one circuit after the steps that were looked at.

    Args:
        weights: Weight angles in radians, ``(n_weights,)``.
        outputs: Expectation values, a sample of them, ``(N,)``; empty if the layer was not called.
        scores: ``weight_moved``, the mean distance of weight angles from those at the start of training, the shorter
            way round, in radians; ``gradient_variance`` of all derivatives of the loss by weights, over weights and
            steps; ``wrapped_share``, the share of encoded angles beyond half a turn, which cannot be told from smaller
            ones; ``expectation_mean`` and ``expectation_sd``. What was not seen is left out.
    """

    weights: npt.NDArray[np.float64]
    outputs: npt.NDArray[np.float64]
    scores: Mapping[str, float]


def circuit_layers(module: nn.Module) -> dict[str, QuantumLayer]:
    """Return the quantum layers of a task's model, or of any other module, by name; controls are none."""
    model = module.model if isinstance(module, Task) else module
    return {name: part for name, part in model.named_modules() if isinstance(part, QuantumLayer)}


def circuit_plans(layers: Mapping[str, QuantumLayer]) -> list[dict[str, Any]]:
    """Return a row per circuit as plain types: sizes, the engine that was asked for, and the plan it led to."""
    return [
        {
            "circuit": name,
            "qubits": layer.circuit.n_wires,
            "gates": len(layer.circuit.gates),
            "data": layer.circuit.n_data,
            "weights": layer.circuit.n_weights,
            "outputs": layer.circuit.n_observables,
            "asked_for": layer.compiled.asked,
            **asdict(layer.compiled.plan),
        }
        for name, layer in layers.items()
    ]


class CircuitWatch:
    """Looks at quantum layers from :meth:`look` to :meth:`rest`, as often as wanted, until :meth:`report`.

    What it keeps stays on the accelerator, which is waited for in the report alone. Between looks it costs nothing.

    Args:
        layers: The layers by name.
    """

    def __init__(self, layers: Mapping[str, QuantumLayer]) -> None:
        self.layers = dict(layers)
        self._start = {name: layer.weights.detach().clone() for name, layer in layers.items()}
        self._encoded = {
            name: torch.from_numpy(_encoded_angles(layer.circuit)).to(layer.weights.device)
            for name, layer in layers.items()
        }
        self._handles: list[RemovableHandle] = []
        self._forget()

    def _forget(self) -> None:
        self._outputs: dict[str, list[Tensor]] = {name: [] for name in self.layers}
        self._wrapped: dict[str, list[Tensor]] = {name: [] for name in self.layers}
        self._gradients: dict[str, list[Tensor]] = {name: [] for name in self.layers}

    def look(self) -> None:
        """Listen to the layers."""
        self.rest()
        self._handles = [layer.register_forward_hook(partial(self._keep, name)) for name, layer in self.layers.items()]

    def rest(self) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @property
    def looking(self) -> bool:
        """Whether it listens."""
        return bool(self._handles)

    def keep_gradients(self) -> None:
        """Keep the derivatives of the loss by weights that have just been computed."""
        for name, layer in self.layers.items():
            if layer.weights.grad is not None:
                self._gradients[name].append(layer.weights.grad.detach().clone())

    def _keep(self, name: str, layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        self._outputs[name].append(_thinned(output.detach().flatten()))
        matrix = self._encoded[name]
        if len(matrix):
            data = arguments[0].detach()
            rows = _thinned(data.reshape(-1, data.shape[-1]), max(1, VALUES // len(matrix))).float()
            self._wrapped[name].append(((rows @ matrix.T).abs() > math.pi).float().mean())

    def report(self) -> dict[str, CircuitHealth]:
        """Return the state of every circuit, and forget what led to it."""
        found = {name: self._health(name, layer) for name, layer in self.layers.items()}
        self._forget()
        return found

    def _health(self, name: str, layer: QuantumLayer) -> CircuitHealth:
        weights, start = layer.weights.detach().double().cpu(), self._start[name].double().cpu()
        outputs = _joined(self._outputs[name])
        scores: dict[str, float] = {}
        if len(weights):
            turns = torch.remainder(weights - start + math.pi, 2 * math.pi) - math.pi
            scores["weight_moved"] = float(turns.abs().mean())
        if self._gradients[name]:
            scores["gradient_variance"] = float(_joined(self._gradients[name]).var())
        if self._wrapped[name]:
            scores["wrapped_share"] = float(torch.stack(self._wrapped[name]).mean())
        if len(outputs):
            scores |= {"expectation_mean": float(outputs.mean()), "expectation_sd": float(outputs.std())}
        return CircuitHealth(weights.numpy(), outputs, scores)


def _encoded_angles(circuit: Circuit) -> npt.NDArray[np.float32]:
    """Return what turns data into the part of each gate's angle that encodes them, ``(angles, n_data)``."""
    encoded = [angle.data for gate in circuit.gates for angle in gate.angles if angle.data]
    matrix = np.zeros((len(encoded), circuit.n_data), np.float32)
    for row, terms in zip(matrix, encoded, strict=True):
        for index, factor in terms:
            row[index] = factor
    return np.unique(matrix, axis=0) if len(matrix) else matrix  # an encoding that is repeated wraps once


def _thinned(values: Tensor, most: int = VALUES) -> Tensor:
    """Return at most so many rows, evenly spread."""
    return values[:: -(-len(values) // most) or 1]


def _joined(parts: list[Tensor]) -> npt.NDArray[np.float64]:
    if not parts:
        return np.zeros(0)
    joined: npt.NDArray[np.float64] = torch.cat([part.flatten() for part in parts]).double().cpu().numpy()
    return joined
