"""Slots: where a model's circuits, or what stands in their places, will be."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.controls import Control, build_controls
from hqzoo.quantum import Circuit, QuantumLayer, separable
from hqzoo.quantum.diagnostics import inert_data

__all__ = ["Slot", "fill", "put"]


class Slot(nn.Module):
    """A place for a circuit or a control of it, called like :class:`~hqzoo.quantum.QuantumLayer`.

    It has no weights and does not run: :func:`fill` puts a layer in its place when the model around it is complete and
    its parameters can be counted.

    Args:
        circuit: The circuit.
        engine: Engine that runs it.
        init: How it draws its weights.
        own: Controls of this part alone: name to what builds a module with the interface that the layer has here. A
            quantum loss has its classical losses here.
        refused: Controls that make no sense here, and why, as a sentence: a learned similarity of two registers may
            learn to say yes.
    """

    def __init__(
        self,
        circuit: Circuit,
        engine: str = "auto",
        init: Literal["uniform", "zeros", "keras"] = "uniform",
        own: Mapping[str, Callable[[], nn.Module]] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.circuit, self.engine, self.init = circuit, engine, init
        self.own, self.refused = dict(own or {}), dict(refused or {})

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in and come out for each sample."""
        return self.circuit.n_data, self.circuit.n_observables

    @property
    def n_weights(self) -> int:
        """Trainable weights of the circuit."""
        return self.circuit.n_weights

    def quantum(self) -> nn.Module:
        """Return the circuit as a layer."""
        return QuantumLayer(self.circuit, self.engine, self.init)

    def separable(self) -> nn.Module:
        """Return the circuit without entanglement as a layer."""
        twin = separable(self.circuit)
        warn_of_unseen_data(twin, stacklevel=2)
        return QuantumLayer(twin, self.engine, self.init)

    def arranged(self, core: nn.Module) -> nn.Module:
        """Return the core itself: it has the circuit's interface."""
        return core

    def forward(self, data: Tensor) -> Tensor:
        """Refuse to run.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError("This model has an empty slot where a circuit should be; call hqzoo.nn.fill(model, control).")


def fill(model: nn.Module, control: Control = "quantum", hidden: int | None = None) -> None:
    """Put circuits or their controls into all slots of a model, in the order in which the model holds them.

    Args:
        model: A complete model with :class:`Slot` among its modules, whose names are those of the quantum parts.
        control: A control for all, or controls by part, see :func:`hqzoo.nn.controls.chosen`.
        hidden: Hidden width of ``mlp_time``.

    Raises:
        ConfigError: If a control or a part is unknown, or a control cannot stand in for a circuit.
        CircuitError: If an engine cannot run a circuit.
    """
    slots = {name: module for name, module in model.named_modules() if isinstance(module, Slot)}
    rest = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    put(model, {slots[name]: new for name, new in build_controls(slots, control, rest=rest, hidden=hidden).items()})


def put(model: nn.Module, replacements: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Put modules in the places of others, wherever a model holds them, and return the model.

    Args:
        model: The model, which is changed; or one of those to be replaced itself.
        replacements: What stands there now to what will.
    """
    if model in replacements:
        return replacements[model]
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module in replacements:
            model.set_submodule(name, replacements[module])
    return model


def warn_of_unseen_data(circuit: Circuit, stacklevel: int = 1) -> None:
    """Warn if a circuit without entanglement has data that no output depends on.

    Args:
        circuit: The circuit.
        stacklevel: As of :func:`warnings.warn`.
    """
    unseen = inert_data(circuit)
    if unseen:
        names = ", ".join(f"data[{i}]" for i in unseen)
        warnings.warn(
            f"Without entanglement {len(unseen)} of the circuit's {circuit.n_data} data change no output: {names}. "
            "control='separable' asks here what these are worth, too.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
