"""The registry: architectures by name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

import hqzoo.models
from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError, did_you_mean, unknown_name
from hqzoo.models.own import own_factory
from hqzoo.models.protocol import as_model
from hqzoo.nn import CONTROLS
from hqzoo.nn.frozen import frozen_parts
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
Kind = Literal["segmentation", "classification", "features", "pretraining", "own"]

GIVEN = ("in_channels", "num_classes", "inputs")  # what a task knows and no recipe says
_REGISTRY: dict[str, ModelInfo] = {}


@dataclass(frozen=True)
class ModelInfo:
    """What is known of an architecture.

    Args:
        name: Name in the registry.
        build: Constructor; takes the architecture's own arguments and, of what a task knows, those that it names:
            ``in_channels``, ``num_classes``, or ``inputs`` (:class:`hqzoo.data.sensor.Inputs`) where sensors matter.
        summary: One line.
        kind: What it gives: ``"segmentation"`` logits per pixel, ``"classification"`` logits per image, ``"features"``
            vectors without a head, ``"pretraining"`` whatever its own task makes of it, ``"own"`` what its author
            knows: a factory that is not registered.
        tags: Names of pretrained weights that its arguments can ask for.
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
    kind: Kind = "segmentation"
    tags: tuple[str, ...] = ()
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
        return {k: p for k, p in signature.parameters.items() if k not in GIVEN}


def register_model(**info: Any) -> Callable[[Builder], Builder]:  # noqa: ANN401 - ModelInfo checks them
    """Enter a constructor into the registry under its own name; arguments are those of :class:`ModelInfo`.

    Raises:
        ConfigError: If the name is another architecture's.
    """

    def enter(build: Builder) -> Builder:
        other = _REGISTRY.get(build.__name__)
        if other is not None and other.build.__module__ != build.__module__:
            raise ConfigError(
                f"There are two architectures '{build.__name__}', in {other.build.__module__} and {build.__module__}. "
                "Rename one."
            )
        _REGISTRY[build.__name__] = ModelInfo(build.__name__, build, **info)
        return build

    return enter


def list_models(kind: Kind | None = None) -> list[str]:
    """Return the names of all architectures, or of those of one kind."""
    for module in pkgutil.iter_modules(hqzoo.models.__path__):
        importlib.import_module(f"hqzoo.models.{module.name}")  # every file of the folder may register some
    return sorted(name for name, info in _REGISTRY.items() if kind in (None, info.kind))


def model_info(name: str) -> ModelInfo:
    """Return what is known of an architecture.

    Args:
        name: One of :func:`list_models`; or, of someone's own, ``package.module.function``, see
            :func:`hqzoo.models.own.own_factory`.

    Raises:
        ConfigError: If no architecture has this name.
    """
    if "." in name:
        build = own_factory(name)
        controls = tuple(CONTROLS) if "control_hidden" in inspect.signature(build).parameters else ()
        return ModelInfo(name, build, inspect.getdoc(build) or name, 0, "own", controls=controls)
    if name not in list_models():
        raise ConfigError(unknown_name("architecture", name, _REGISTRY))
    return _REGISTRY[name]


def check_arguments(name: str, arguments: dict[str, Any], kinds: Collection[Kind] = ()) -> None:
    """Check the names of an architecture's arguments, and of its control.

    Args:
        name: Name of the architecture.
        arguments: Its arguments.
        kinds: The kinds of architecture that will do; empty: all.

    Raises:
        ConfigError: If the architecture, one of the arguments or the control does not exist, where the message has the
            nearest name, or the architecture is of another kind.
    """
    info = model_info(name)
    if kinds and info.kind not in (*kinds, "own"):
        others = [each for kind in kinds for each in list_models(kind)]
        raise ConfigError(
            f"Architecture '{name}' is for {info.kind}; {' or '.join(kinds)} is needed here. "
            f"Choose one of: {', '.join(others) or 'none yet'}."
        )
    known = info.arguments
    any_key = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values())
    for key in arguments:
        if key not in known and not any_key:
            raise ConfigError(
                f"Architecture '{name}' has no argument '{key}'.{did_you_mean(key, known)} "
                f"Its arguments: {', '.join(known)}."
            )
    control = arguments.get("control")
    for each in control.values() if isinstance(control, Mapping) else [control]:  # one for all parts, or one by part
        if info.controls and each is not None and each not in (*info.controls, *CONTROLS):
            raise ConfigError(unknown_name(f"control of '{name}'", str(each), info.controls))


def count_parameters(model: nn.Module) -> dict[str, Any]:
    """Return the numbers of weights that every table prints.

    Returns:
        ``parameters``, ``trainable_parameters``, ``quantum_parameters``, ``frozen_parameters`` (of parts that no
        checkpoint holds), and ``replaced``: for models with controls, the trainable weights of what stands in the
        circuit's place (``core``) and of the block around it.
    """
    own = list(model.parameters())
    quantum = [p for m in model.modules() if isinstance(m, QuantumLayer) for p in m.parameters()]
    frozen = [p for part in frozen_parts(model).values() for p in part.parameters()]
    return {
        "parameters": sum(p.numel() for p in own),
        "trainable_parameters": sum(p.numel() for p in own if p.requires_grad),
        "quantum_parameters": sum(p.numel() for p in quantum),
        "frozen_parameters": sum(p.numel() for p in frozen),
        "replaced": {
            name: sum(p.numel() for p in part.parameters() if p.requires_grad)
            for name, part in as_model(model).compared_parts().items()
        },
    }


def create_model(
    name: str,
    /,
    *,
    in_channels: int | None = None,
    num_classes: int | None = None,
    inputs: Inputs | None = None,
    **arguments: Any,  # noqa: ANN401 - the architecture checks them
) -> nn.Module:
    """Build an architecture with fresh weights.

    Args:
        name: One of :func:`list_models`, or ``package.module.function`` of someone's own.
        in_channels: Bands of the image, for architectures that need no more than their number.
        num_classes: Classes, that is channels of the logits; None for architectures without a head.
        inputs: Sensors and statistics of the images. They make ``in_channels`` superfluous.
        **arguments: The architecture's own arguments.

    Returns:
        For ``kind`` *segmentation* a module that maps normalised images ``(B, in_channels, H, W)`` to logits
        ``(B, num_classes, H, W)``, for *classification* to ``(B, num_classes)``, for *features* to ``(B, D)``.

    Raises:
        ConfigError: If the name or an argument is wrong.
    """
    check_arguments(name, arguments)
    info = model_info(name)
    wanted = inspect.signature(info.build).parameters
    if inputs is not None and in_channels is None and "in_channels" in wanted:
        in_channels = len(inputs.single)
    given: dict[str, Any] = {}
    for key, value in (("in_channels", in_channels), ("num_classes", num_classes), ("inputs", inputs)):
        if key not in wanted:
            continue
        if value is None:
            if wanted[key].default is None:  # it can do without
                continue
            raise ConfigError(f"Architecture '{name}' needs {key}.")
        if isinstance(value, int) and value < 1:
            raise ConfigError(f"{key}={value} must be at least 1.")
        given[key] = value
    try:
        return info.build(**given, **arguments)
    except (
        TypeError,
        ValueError,
        RuntimeError,
        ZeroDivisionError,
    ) as error:  # torch's words for numbers that do not fit
        if info.kind == "own":  # whoever wrote it wants to see where
            raise
        told = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "its default arguments"
        raise ConfigError(f"Architecture '{name}' cannot be built with {told}: {error}") from error
