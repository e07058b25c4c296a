"""Optimizers and learning-rate schedules from settings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from hqzoo.errors import ConfigError, unknown_name
from hqzoo.quantum import QuantumLayer
from hqzoo.tasks.settings import check_keys

__all__ = ["OptimizerSettings", "ScheduleSettings", "build_optimizer", "build_schedule", "parameter_groups"]

SCHEDULES = ("constant", "cosine", "linear", "polynomial")


@dataclass(frozen=True)
class OptimizerSettings:
    """How weights follow gradients. CHOICE throughout: the HQ-UNet paper names no optimizer.

    Attributes:
        name: Any class of ``torch.optim``.
        lr: Peak learning rate.
        weight_decay: Weight decay of the classical weights.
        decay_norms_and_biases: Whether normalisation weights and biases (parameters of at most one dimension)
            decay too.
        quantum_weight_decay: Weight decay of the rotation angles of quantum layers: an angle has no reason to
            be small.
        quantum_lr: Peak learning rate of the quantum layers; ``None``: ``lr``.
        options: Further arguments of the optimizer, such as ``{"betas": [0.9, 0.99]}``.
    """

    name: str = "AdamW"
    lr: float = 1e-3
    weight_decay: float = 1e-4
    decay_norms_and_biases: bool = True
    quantum_weight_decay: float = 0.0
    quantum_lr: float | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate goes through training, step by step. CHOICE: the HQ-UNet paper names no schedule.

    Attributes:
        name: ``"cosine"``, ``"linear"``, ``"polynomial"`` (all from the peak down to ``min_lr``) or
            ``"constant"``.
        warmup: Share of all steps, 0 to 1, in which the rate first rises linearly: 0.05 is 5 epochs of 100.
        warmup_steps: The same as a number of steps; takes precedence when given.
        min_lr: Learning rate of the last step (not of ``"constant"``).
        power: Exponent of ``"polynomial"``.
    """

    name: str = "cosine"
    warmup: float = 0.05
    warmup_steps: int | None = None
    min_lr: float = 1e-6
    power: float = 0.9


def parameter_groups(model: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Split the trainable parameters of ``model`` into classical, undecayed and quantum ones.

    Returns:
        One dictionary per group that is not empty, with ``params``, ``lr`` and, where the optimizer knows it,
        ``weight_decay``.
    """
    quantum = {id(p) for m in model.modules() if isinstance(m, QuantumLayer) for p in m.parameters()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    is_quantum = [p for p in trainable if id(p) in quantum]
    classical = [p for p in trainable if id(p) not in quantum]
    undecayed = [] if settings.decay_norms_and_biases else [p for p in classical if p.ndim <= 1]
    spared = {id(p) for p in undecayed}
    quantum_lr = settings.lr if settings.quantum_lr is None else settings.quantum_lr
    groups = [
        {
            "params": [p for p in classical if id(p) not in spared],
            "weight_decay": settings.weight_decay,
            "lr": settings.lr,
        },
        {"params": undecayed, "weight_decay": 0.0, "lr": settings.lr},
        {"params": is_quantum, "weight_decay": settings.quantum_weight_decay, "lr": quantum_lr},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Return the optimizer that ``settings`` describes, over the trainable parameters of ``model``.

    Raises:
        ConfigError: If name, options or numbers do not make sense.
    """
    known = sorted(
        name
        for name, item in vars(torch.optim).items()
        if inspect.isclass(item) and issubclass(item, Optimizer) and item is not Optimizer
    )
    if settings.name not in known:
        raise ConfigError(unknown_name("optimizer", settings.name, known))
    for name in ("lr", "weight_decay", "quantum_lr", "quantum_weight_decay"):
        if (getattr(settings, name) or 0) < 0:
            raise ConfigError(f"The optimizer setting {name} must not be negative, got {getattr(settings, name)}.")
    cls = getattr(torch.optim, settings.name)
    arguments = [name for name in inspect.signature(cls).parameters if name != "params"]
    own = ("lr", "weight_decay")
    check_keys(settings.options, [a for a in arguments if a not in own], f"option of optimizer {settings.name}")
    groups = parameter_groups(model, settings)
    if not groups:
        raise ConfigError("The model has no parameter that requires a gradient: there is nothing to optimise.")
    if "weight_decay" not in arguments:
        if settings.weight_decay or settings.quantum_weight_decay:
            raise ConfigError(f"Optimizer {settings.name} knows no weight decay: set weight_decay to 0.")
        for group in groups:
            del group["weight_decay"]
    try:
        return cls(groups, **settings.options)  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Optimizer {settings.name} refuses its settings: {error}") from error


def build_schedule(optimizer: Optimizer, settings: ScheduleSettings, total_steps: float) -> LambdaLR:
    """Return a schedule to be stepped after every optimizer step.

    Args:
        optimizer: The optimizer whose learning rates are scaled.
        settings: The shape of the schedule.
        total_steps: Number of optimizer steps of the whole training, ``math.inf`` if it is open-ended.

    Raises:
        ConfigError: If the name is unknown, a number is out of range, or a falling schedule has no end.
    """
    if settings.name not in SCHEDULES:
        raise ConfigError(unknown_name("schedule", settings.name, SCHEDULES))
    if not 0 <= settings.warmup < 1 or (settings.warmup_steps or 0) < 0 or settings.min_lr < 0:
        raise ConfigError(
            "A schedule needs 0 <= warmup < 1, warmup_steps >= 0 and min_lr >= 0, got "
            f"warmup={settings.warmup}, warmup_steps={settings.warmup_steps}, min_lr={settings.min_lr}."
        )
    if math.isinf(total_steps) and (settings.name != "constant" or settings.warmup_steps is None):
        raise ConfigError(
            f"The schedule '{settings.name}' needs to know when training ends: set max_epochs or max_steps "
            "of the trainer, or use the schedule 'constant' with warmup_steps."
        )
    warmup = settings.warmup_steps
    if warmup is None:
        warmup = round(settings.warmup * total_steps)
    factors = [_factor(settings, float(group["lr"]), warmup, total_steps) for group in optimizer.param_groups]
    return LambdaLR(optimizer, factors)


def _factor(settings: ScheduleSettings, lr: float, warmup: int, total_steps: float) -> Callable[[int], float]:
    """Return the factor on ``lr`` as a function of the step (a closure, so that checkpoints hold no code)."""
    floor = min(settings.min_lr / lr, 1.0) if lr > 0 else 1.0
    shapes: dict[str, Callable[[float], float]] = {
        "constant": lambda _: 1.0,
        "cosine": lambda t: floor + (1 - floor) * (1 + math.cos(math.pi * t)) / 2,
        "linear": lambda t: floor + (1 - floor) * (1 - t),
        "polynomial": lambda t: floor + (1 - floor) * (1 - t) ** settings.power,
    }
    shape = shapes[settings.name]

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        # The last of total_steps optimizer steps runs at min_lr exactly; LambdaLR asks for one step more.
        return shape(min(1.0, (step - warmup) / max(1, total_steps - 1 - warmup)))

    return factor
