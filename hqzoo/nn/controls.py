"""The control ladder: classical stand-ins for a quantum layer, with its interface.

A claim about the quantum part of a network is a claim about the difference between ``quantum`` and these.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError, unknown_name
from hqzoo.quantum import Circuit, QuantumLayer, separable

__all__ = ["CONTROLS", "Constant", "Mlp", "Zero", "build_core", "widest_hidden"]

CONTROLS: dict[str, str] = {
    "quantum": "the published circuit",
    "zero": "nothing at all, zeros: does anything need to be there?",
    "constant": "as many learned numbers as the layer has outputs: does it matter at all?",
    "linear": "one linear layer",
    "mlp": "one hidden layer, the widest that keeps the model's parameters within 1 %",
    "mlp_time": "one hidden layer of the width given by control_hidden, so that a step takes as long",
    "frozen": "the circuit at random weights that are not trained",
    "separable": "the circuit without its entangling gates",
    "identity": "the inputs themselves, where there are as many as outputs",
}
"""Name of every control and what it asks."""

MATCH = 0.01  # `mlp` may differ from the quantum model by this share of its parameters


class Constant(nn.Module):
    """Learned numbers that ignore the input: ``(..., n_in) -> (..., n_out)``; at first in [-1, 1], like a circuit's."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.rand(outputs) * 2 - 1)

    def forward(self, data: Tensor) -> Tensor:
        """Return the numbers for every sample."""
        return self.values.expand(*data.shape[:-1], -1)


class Zero(nn.Module):
    """Zeros whatever the input, and no parameters: ``(..., n_in) -> (..., n_out)``."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, data: Tensor) -> Tensor:
        """Return zeros for every sample."""
        return data.new_zeros((*data.shape[:-1], self.outputs))


class Mlp(nn.Sequential):
    """One hidden layer with ReLU, and tanh behind so that outputs lie in [-1, 1] like expectation values."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs), nn.Tanh())


def widest_hidden(inputs: int, outputs: int, budget: int) -> int:
    """Return the widest hidden layer of a :class:`Mlp` with at most ``budget`` parameters, 0 if none fits."""
    return max(0, (budget - outputs) // (inputs + outputs + 1))


def build_core(
    control: str,
    circuit: Circuit,
    *,
    rest: int,
    hidden: int | None = None,
    engine: str = "auto",
    copies: int = 1,
    init: Literal["uniform", "zeros", "keras"] = "uniform",
) -> nn.Module:
    """Return the quantum layer or one of its controls, ``(..., n_data) -> (..., n_observables)``.

    Args:
        control: A key of ``CONTROLS``.
        circuit: The circuit of the quantum layer.
        rest: Parameters of the model without its ``copies`` of this layer; ``mlp`` matches the total of the quantum
            model.
        hidden: Hidden width of ``mlp_time``; that control only.
        engine: Engine of circuits.
        copies: Layers of the model with as many weights as this one, among which ``mlp`` shares the 1 %.
        init: How circuits draw their weights, see :class:`hqzoo.quantum.QuantumLayer`.

    Raises:
        ConfigError: If the control is unknown, or cannot stand in for this circuit.
    """
    inputs, outputs = circuit.n_data, circuit.n_observables
    if hidden is None and control == "mlp_time":
        raise ConfigError("control='mlp_time' needs control_hidden, the width of its hidden layer.")
    if hidden is not None and control != "mlp_time":
        raise ConfigError(f"control_hidden={hidden} goes with control='mlp_time' only; got control='{control}'.")
    if hidden is not None and hidden < 1:
        raise ConfigError(f"control_hidden={hidden}: a hidden layer has at least one unit.")
    match control:
        case "quantum":
            return QuantumLayer(circuit, engine, init)
        case "frozen":
            return QuantumLayer(circuit, engine, init).requires_grad_(False)
        case "separable":
            return QuantumLayer(separable(circuit), engine, init)
        case "zero":
            return Zero(outputs)
        case "constant":
            return Constant(outputs)
        case "linear":
            return nn.Linear(inputs, outputs)
        case "mlp_time":
            return Mlp(inputs, int(hidden or 0), outputs)
        case "mlp":
            return _matched_mlp(circuit, rest, copies)
        case "identity":
            if inputs != outputs:
                raise ConfigError(
                    f"control='identity' needs as many inputs as outputs; this circuit has {inputs} and {outputs}. "
                    f"Choose one of: {', '.join(name for name in CONTROLS if name != 'identity')}."
                )
            return nn.Identity()
    raise ConfigError(unknown_name("control", control, CONTROLS))


def _matched_mlp(circuit: Circuit, rest: int, copies: int) -> Mlp:
    total = rest + copies * circuit.n_weights
    budget = circuit.n_weights + int(MATCH * total) // copies
    hidden = widest_hidden(circuit.n_data, circuit.n_observables, budget)
    if hidden < 1:
        raise ConfigError(
            f"control='mlp': within {MATCH:.0%} of {total:,} parameters no hidden layer fits between "
            f"{circuit.n_data} inputs and {circuit.n_observables} outputs{f', {copies} times' if copies > 1 else ''}. "
            "Choose 'linear' or 'mlp_time'."
        )
    return Mlp(circuit.n_data, hidden, circuit.n_observables)
