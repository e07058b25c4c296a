"""The control ladder for anyone's model: its quantum layers, whoever made them, and what can stand in their places."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.controls import CONTROLS, Constant, Control, Mlp, build_controls
from hqzoo.nn.slots import put, warn_of_unseen_data
from hqzoo.quantum import QuantumLayer, separable
from hqzoo.quantum.accelerate import RecoveredLayer, accelerate, foreign_layers
from hqzoo.quantum.accelerate.layer import Arranged
from hqzoo.quantum.diagnostics import warn_of_inert_weights

__all__ = ["Ladder", "ladder", "with_control"]

Sample = Any
"""What a model is called with: a tensor, a tuple of arguments or a dictionary of keyword arguments."""


class Ladder(dict[str, nn.Module]):
    """Models by control, and why others were left out.

    Attributes:
        left_out: Reasons by control.
    """

    def __init__(self, models: Mapping[str, nn.Module], left_out: Mapping[str, str]) -> None:
        super().__init__(models)
        self.left_out = dict(left_out)

    def __str__(self) -> str:
        rows = [f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters" for name, model in self.items()]
        return "\n".join([*rows, *(f"{name}: left out. {reason}" for name, reason in self.left_out.items())])


def ladder(
    model: nn.Module, sample: Sample, controls: Sequence[str] | None = None, *, hidden: int | None = None
) -> Ladder:
    """Return a model with each control in the place of its quantum layers, for comparisons of what they are worth.

    ``for name, variant in hqzoo.ladder(model, sample).items(): train(variant)``

    Every variant is a copy, and starts from the weights that the model has now, but for what stands in the circuits'
    places; the model itself is left as it is. ``quantum`` is the model with its circuits on our engines, proven equal
    (:func:`hqzoo.accelerate`); ``frozen`` and ``separable`` have the circuits' present weights. New layers draw theirs
    from torch's generator, all variants from the state that it has at the call.

    Args:
        model: A module with PennyLane ``TorchLayer``s, TorchQuantum modules, Qiskit ``TorchConnector``s or
            :class:`~hqzoo.quantum.QuantumLayer`s.
        sample: What the model is called with: a tensor, a tuple of arguments or a dictionary of keyword arguments.
        controls: Keys of :data:`hqzoo.nn.CONTROLS`. None takes all that can stand in for these circuits; the others
            are in ``left_out`` of the result, with the reason.
        hidden: Hidden width of ``mlp_time``.

    Raises:
        ConfigError: If there is no quantum layer, or a control that was asked for is unknown or cannot stand there.
        CircuitError: If a layer's circuit cannot be recovered.
    """
    base = _prepared(model, sample)
    found: dict[str, nn.Module] = {}
    left_out: dict[str, str] = {}
    for name in CONTROLS if controls is None else controls:
        width = hidden if name == "mlp_time" else None
        try:
            with torch.random.fork_rng(devices=[]):
                found[name] = _placed(copy.deepcopy(base), name, width)
        except ConfigError as error:
            if controls is not None:
                raise
            left_out[name] = str(error)
    return Ladder(found, left_out)


def with_control(model: nn.Module, sample: Sample, control: Control, *, hidden: int | None = None) -> nn.Module:
    """Return a copy of a model with a control in the place of its quantum layers, see :func:`ladder`.

    Args:
        model: See :func:`ladder`.
        sample: Likewise.
        control: A key of :data:`hqzoo.nn.CONTROLS` for all quantum layers, or controls by the names that the layers
            have among the model's modules, which may be cut off at a dot; layers that are not named stay quantum.
        hidden: Hidden width of ``mlp_time``.

    Raises:
        ConfigError: If there is no quantum layer, or a control or a name is unknown, or the control cannot stand there.
        CircuitError: If a layer's circuit cannot be recovered.
    """
    return _placed(_prepared(model, sample), control, hidden)


def _prepared(model: nn.Module, sample: Sample) -> nn.Module:
    """Return a copy all of whose quantum layers are ours."""
    if any(True for _ in foreign_layers(model)):
        return accelerate(model, sample)[0]
    if not any(isinstance(module, QuantumLayer) for module in model.modules()):
        raise ConfigError(
            f"{type(model).__name__} contains no quantum layer: no PennyLane TorchLayer, TorchQuantum module, Qiskit "
            "TorchConnector or hqzoo QuantumLayer; there is nothing that a control could replace."
        )
    return copy.deepcopy(model)


def _placed(model: nn.Module, control: Control, hidden: int | None) -> nn.Module:
    """Put controls into a model, which is changed."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, QuantumLayer)}
    quantum = {id(parameter) for layer in layers.values() for parameter in layer.parameters()}
    rest = sum(p.numel() for p in model.parameters() if p.requires_grad and id(p) not in quantum)
    parts = {name: _part(layer) for name, layer in layers.items()}
    built = build_controls(parts, control, rest=rest, hidden=hidden)
    for name, layer in layers.items():
        built[name].train(layer.training)
    return put(model, {layers[name]: new for name, new in built.items()})


class Standing:
    """A quantum layer of a model as a :class:`~hqzoo.nn.controls.Part`; layers that stay quantum stay themselves."""

    def __init__(self, layer: QuantumLayer) -> None:
        self.layer = layer
        self.own: dict[str, Callable[[], nn.Module]] = {}
        self.refused: dict[str, str] = {}

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in and come out for each sample."""
        return self.layer.circuit.n_data, self.layer.circuit.n_observables

    @property
    def n_weights(self) -> int:
        """Weights of the layer."""
        return sum(parameter.numel() for parameter in self.layer.parameters())

    def quantum(self) -> nn.Module:
        """Return the layer."""
        return self.layer

    def separable(self) -> nn.Module:
        """Return the layer without entanglement."""
        twin = separable(self.layer.circuit)
        warn_of_unseen_data(twin, stacklevel=2)
        warn_of_inert_weights(twin, stacklevel=2)
        self.layer.run_instead(twin)
        return self.layer

    def arranged(self, core: nn.Module) -> nn.Module:
        """Return the core in the layer's precision and on its device."""
        like = next(self.layer.parameters(), None)
        return core if like is None else core.to(like.device, like.dtype)


class StandingRecovered(Standing):
    """Another library's layer, whose features and outputs have shapes and ranges of their own."""

    layer: RecoveredLayer

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in and come out for each sample."""
        layout = self.layer.layout
        return torch.Size(layout.features).numel(), max(1, layout.stacked) * torch.Size(layout.outputs).numel()

    def arranged(self, core: nn.Module) -> nn.Module:
        """Return the core with the layer's shapes; what lies in [-1, 1] is stretched to the range of its readings."""
        readings = self.layer.readings
        if readings is not None and isinstance(core, Mlp | Constant):
            core = nn.Sequential(core, Stretch(readings.constants, readings.matrix.abs().sum(1)))
        return Arranged(super().arranged(core), self.layer.layout, self.layer.argument)


class Stretch(nn.Module):
    """``centre + radius * x``: from [-1, 1] to where an observable's values lie."""

    centre: Tensor
    radius: Tensor

    def __init__(self, centre: Tensor, radius: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre.detach().clone(), persistent=False)
        self.register_buffer("radius", radius.detach().clone(), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Stretch ``(..., n_outputs)``."""
        return self.centre + self.radius * values


def _part(layer: QuantumLayer) -> Standing:
    return StandingRecovered(layer) if isinstance(layer, RecoveredLayer) else Standing(layer)
