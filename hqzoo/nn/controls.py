"""The control ladder: what can stand in a circuit's place, with its interface.

A claim about the quantum part of a network is a claim about the difference between ``quantum`` and these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError, unknown_name

__all__ = ["CONTROLS", "Constant", "Control", "Mlp", "Part", "Zero", "build_controls", "chosen", "widest_hidden"]

CONTROLS: dict[str, str] = {
    "quantum": "the published circuit",
    "zero": "nothing at all, zeros: does anything need to be there?",
    "constant": "as many learned numbers as the layer has outputs: does it matter at all?",
    "linear": "one linear layer",
    "mlp": "one hidden layer, the widest that keeps the model's parameters within 1 %",
    "mlp_time": "one hidden layer of the width given by control_hidden, so that a step takes as long",
    "frozen": "the circuit at random weights that are not trained",
    "separable": "the circuit with local rotations in place of its entangling gates",
    "identity": "the inputs themselves, where there are as many as outputs",
}
"""Name of every control and what it asks."""

Control = str | Mapping[str, str]
"""A control for all quantum parts of a model, or controls by part; parts that are not named stay quantum."""

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


class Part(Protocol):
    """What a control must know of the quantum part that it stands in for."""

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in and come out for each sample."""

    @property
    def n_weights(self) -> int:
        """Trainable weights of the quantum part."""

    @property
    def own(self) -> Mapping[str, Callable[[], nn.Module]]:
        """Controls of this part alone, by name; one with a name of ``CONTROLS`` takes that one's place."""

    @property
    def refused(self) -> Mapping[str, str]:
        """Controls of ``CONTROLS`` that make no sense for this part, and why, as a sentence."""

    def quantum(self) -> nn.Module:
        """Return the quantum layer."""

    def separable(self) -> nn.Module:
        """Return the quantum layer without entanglement."""

    def arranged(self, core: nn.Module) -> nn.Module:
        """Return a core ``(..., inputs) -> (..., outputs)`` with the part's interface."""


def chosen(control: Control, names: Iterable[str]) -> dict[str, str]:
    """Return the control of every part.

    Args:
        control: A control for all, or controls by part. A name with dots may be cut off at one to mean all parts that
            begin like it: ``bottleneck`` stands for ``bottleneck.cores.0`` and ``bottleneck.cores.1``.
        names: Names of the parts.

    Raises:
        ConfigError: If no part has the name of a control by part.
    """
    names = list(names)
    if isinstance(control, str):
        return dict.fromkeys(names, control)
    found = dict.fromkeys(names, "quantum")
    for key, value in control.items():
        meant = [name for name in names if name == key or name.startswith(f"{key}.")]
        if not meant:
            raise ConfigError(unknown_name("quantum part", key, _with_beginnings(names)))
        found.update(dict.fromkeys(meant, value))
    return found


def _with_beginnings(names: Iterable[str]) -> set[str]:
    return {".".join(words[: k + 1]) for words in (name.split(".") for name in names) for k in range(len(words))}


def build_controls(
    parts: Mapping[str, Part], control: Control, *, rest: int, hidden: int | None = None
) -> dict[str, nn.Module]:
    """Build the quantum layers of a model or their controls, one after the other.

    Args:
        parts: The quantum parts by name.
        control: See :func:`chosen`; keys of ``CONTROLS``, or of a part's own controls.
        rest: Trainable parameters of the model without its quantum parts. All that are ``mlp`` share 1 % of the
            quantum model's parameters and the weights of the circuits that they replace. They have one hidden width
            in common, however unequal the circuits are (CHOICE).
        hidden: Hidden width of ``mlp_time``; that control only.

    Raises:
        ConfigError: If a control or a part is unknown, or a control cannot stand in for a circuit.
    """
    controls = chosen(control, parts)
    for name, value in controls.items():
        _check(value, parts[name])
    widths = {"mlp_time": _given_width(hidden, controls.values())}
    if "mlp" in controls.values():
        widths["mlp"] = _matched_width(parts, [name for name, value in controls.items() if value == "mlp"], rest)
    return {name: _build(value, parts[name], widths) for name, value in controls.items()}


def _check(control: str, part: Part) -> None:
    if control in part.own:
        return
    if control not in CONTROLS:
        raise ConfigError(unknown_name("control", control, {*CONTROLS, *part.own} - {*part.refused}))
    if control in part.refused:
        raise ConfigError(f"control='{control}' cannot stand here. {part.refused[control]}")
    inputs, outputs = part.sizes
    if control == "identity" and inputs != outputs:
        raise ConfigError(
            f"control='identity' needs as many inputs as outputs; this circuit has {inputs} and {outputs}. "
            f"Choose one of: {', '.join(name for name in CONTROLS if name not in ('identity', *part.refused))}."
        )


def _given_width(hidden: int | None, controls: Iterable[str]) -> int:
    used = "mlp_time" in controls
    if hidden is None and used:
        raise ConfigError("control='mlp_time' needs control_hidden, the width of its hidden layer.")
    if hidden is not None and not used:
        named = ", ".join(dict.fromkeys(controls))
        raise ConfigError(f"control_hidden={hidden} goes with control='mlp_time' only; got control='{named}'.")
    if hidden is not None and hidden < 1:
        raise ConfigError(f"control_hidden={hidden}: a hidden layer has at least one unit.")
    return hidden or 0


def _build(control: str, part: Part, widths: Mapping[str, int]) -> nn.Module:
    if control in part.own:
        return part.own[control]()
    inputs, outputs = part.sizes
    match control:
        case "quantum":
            return part.quantum()
        case "frozen":
            return part.quantum().requires_grad_(False)
        case "separable":
            return part.separable()
        case "zero":
            core: nn.Module = Zero(outputs)
        case "constant":
            core = Constant(outputs)
        case "linear":
            core = nn.Linear(inputs, outputs)
        case "identity":
            core = nn.Identity()
        case _:
            core = Mlp(inputs, widths[control], outputs)
    return part.arranged(core)


def widest_hidden(sizes: Sequence[tuple[int, int]], budget: int) -> int:
    """Return the widest hidden layer that some :class:`Mlp` can all have within a budget, 0 if none fits.

    Args:
        sizes: Inputs and outputs of each.
        budget: Parameters of all together.
    """
    weights = sum(inputs + 1 + outputs for inputs, outputs in sizes)
    return max(0, (budget - sum(outputs for _, outputs in sizes)) // weights)


def _matched_width(parts: Mapping[str, Part], replaced: Sequence[str], rest: int) -> int:
    total = rest + sum(part.n_weights for part in parts.values())
    sizes = [parts[name].sizes for name in replaced]
    budget = int(MATCH * total) + sum(parts[name].n_weights for name in replaced)
    hidden = widest_hidden(sizes, budget)
    if hidden < 1:
        between = " and ".join(
            f"between {inputs} inputs and {outputs} outputs{f', {times} times' if times > 1 else ''}"
            for (inputs, outputs), times in Counter(sizes).items()
        )
        raise ConfigError(
            f"control='mlp': within {MATCH:.0%} of {total:,} parameters no hidden layer fits {between}. "
            "Choose 'linear' or 'mlp_time'."
        )
    return hidden
