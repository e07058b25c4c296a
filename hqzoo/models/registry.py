"""The registry: architectures by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from hqzoo.errors import ConfigError, did_you_mean, unknown_name
from hqzoo.nn import CONTROLS
from hqzoo.quantum import QuantumLayer

__all__ = [
    "ModelInfo",
    "check_arguments",
    "count_parameters",
    "create_model",
    "list_models",
    "model_info",
    "register_model",
]

Builder = Callable[..., nn.Module]

_MODULES = ("hq_unet", "qu_net", "smp_unet")  # files of this folder that register architectures
_REGISTRY: dict[str, ModelInfo] = {}


@dataclass(frozen=True)
class ModelInfo:
    """What is known of an architecture.

    Args:
        name: Name in the registry.
        build: Constructor; takes ``in_channels`` and ``num_classes`` and the architecture's own arguments.
        summary: One line.
        parameters: Weights with default arguments, 3 bands and 5 classes; written down, because building models to
            count them takes seconds, and counted by a test.
        quantum_parameters: Those of its circuit.
        qubits: Qubits of its circuit with default arguments, 0 without one.
        paper: Where it was published.
        published: Published scores as text, by data set; never our own.
        limits: What the architecture cannot do with default arguments, and why. ``any_size``: take images of any size.
        controls: What its argument ``control`` may be.
    """

    name: str
    build: Callable[..., nn.Module]
    summary: str
    parameters: int
    quantum_parameters: int = 0
    qubits: int = 0
    paper: str = ""
    published: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    controls: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """The architecture's own arguments with their defaults."""
        signature = inspect.signature(self.build)
        return {k: p for k, p in signature.parameters.items() if k not in ("in_channels", "num_classes")}


def register_model(**info: Any) -> Callable[[Builder], Builder]:  # noqa: ANN401 - ModelInfo checks them
    """Enter a constructor into the registry under its own name; arguments are those of :class:`ModelInfo`."""

    def enter(build: Builder) -> Builder:
        _REGISTRY[build.__name__] = ModelInfo(build.__name__, build, **info)
        return build

    return enter


def list_models() -> list[str]:
    """Return the names of all architectures."""
    for module in _MODULES:
        importlib.import_module(f"hqzoo.models.{module}")
    return sorted(_REGISTRY)


def model_info(name: str) -> ModelInfo:
    """Return what is known of an architecture.

    Raises:
        ConfigError: If no architecture has this name.
    """
    if name not in list_models():
        raise ConfigError(unknown_name("architecture", name, _REGISTRY))
    return _REGISTRY[name]


def check_arguments(name: str, arguments: dict[str, Any]) -> None:
    """Check the names of an architecture's arguments, and of its control.

    Raises:
        ConfigError: If the architecture, one of the arguments or the control does not exist; the message has the
            nearest name.
    """
    info = model_info(name)
    known = info.arguments
    for key in arguments:
        if key not in known:
            raise ConfigError(
                f"Architecture '{name}' has no argument '{key}'.{did_you_mean(key, known)} "
                f"Its arguments: {', '.join(known)}."
            )
    control = arguments.get("control")
    if info.controls and control is not None and control not in (*info.controls, *CONTROLS):
        raise ConfigError(unknown_name(f"control of '{name}'", str(control), info.controls))


def count_parameters(model: nn.Module) -> dict[str, Any]:
    """Return the numbers of weights that every table prints.

    Returns:
        ``parameters``, ``trainable_parameters``, ``quantum_parameters``, and ``replaced``: for models with controls,
        the trainable weights of what stands in the circuit's place (``core``) and of the block around it.
    """
    own = list(model.parameters())
    quantum = [p for m in model.modules() if isinstance(m, QuantumLayer) for p in m.parameters()]
    compared_parts: Callable[[], dict[str, nn.Module]] = getattr(model, "compared_parts", dict)
    return {
        "parameters": sum(p.numel() for p in own),
        "trainable_parameters": sum(p.numel() for p in own if p.requires_grad),
        "quantum_parameters": sum(p.numel() for p in quantum),
        "replaced": {
            name: sum(p.numel() for p in part.parameters() if p.requires_grad)
            for name, part in compared_parts().items()
        },
    }


def create_model(name: str, *, in_channels: int, num_classes: int, **arguments: Any) -> nn.Module:  # noqa: ANN401
    """Build an architecture with fresh weights.

    Args:
        name: One of :func:`list_models`.
        in_channels: Bands of the image.
        num_classes: Classes, that is channels of the logits.
        **arguments: The architecture's own arguments.

    Returns:
        A module that maps normalised images ``(B, in_channels, H, W)`` to logits ``(B, num_classes, H, W)``.

    Raises:
        ConfigError: If the name or an argument is wrong.
    """
    check_arguments(name, arguments)
    if in_channels < 1 or num_classes < 1:
        raise ConfigError(f"in_channels={in_channels} and num_classes={num_classes} must be at least 1.")
    return model_info(name).build(in_channels=in_channels, num_classes=num_classes, **arguments)
