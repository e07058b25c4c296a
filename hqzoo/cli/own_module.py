"""LightningModules that are no tasks of hqzoo: controls in their quantum layers' places, reports of what they log."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from hqzoo._lightning import pl
from hqzoo.errors import ConfigError
from hqzoo.models import count_parameters
from hqzoo.nn.controls import Control
from hqzoo.nn.ladder import with_control
from hqzoo.tasks import Report, Task
from hqzoo.tasks.known_data import class_path

__all__ = ["is_own", "own_report", "place_control"]

STEPS = ("test_step", "validation_step", "training_step")
STAGES = ("test/", "val/")
PLAIN = (Tensor, int, float, complex, str, type(None))
MODULE = frozenset(vars(nn.Module()))  # parameters, submodules, hooks: what every module has


def is_own(path: str) -> bool:
    """Return whether a class of a configuration is a LightningModule that is no task of hqzoo."""
    module, _, name = path.rpartition(".")
    cls = getattr(import_module(module), name)
    return not (isinstance(cls, type) and issubclass(cls, Task))


def place_control(
    module: pl.LightningModule, data: pl.LightningDataModule, control: Control, hidden: int | None
) -> pl.LightningModule:
    """Return a copy with a control in the place of its quantum layers, which are looked at on a batch of its own data.

    Torch's generator is left as it was, so that what is drawn afterwards is the same for every control.

    Args:
        module: The module; its ``test_step`` is run on a training batch, or else its validation or training step.
        data: Its data module.
        control: A control for all layers, or controls by their names among the modules.
        hidden: Hidden width of ``mlp_time``.

    Raises:
        ConfigError: If the step cannot be run without a trainer, there is no quantum layer, or the control does not
            fit.
        CircuitError: If a layer's circuit cannot be recovered.
    """
    step = next((name for name in STEPS if getattr(type(module), name) is not getattr(pl.LightningModule, name)), "")
    if not step:
        raise ConfigError(f"{class_path(type(module))} has none of {', '.join(STEPS)}; there is nothing to run.")
    if not isinstance(control, str):
        control = {f"module.{name}": each for name, each in control.items()}  # where _Step holds it
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*self.log.*")  # there is no trainer yet that could
        batch = _batch(data)
        before = _state(module)
        try:
            placed = with_control(_Step(module, step), (batch,), control, hidden=hidden)
        except (AttributeError, RuntimeError) as error:
            raise ConfigError(
                f"{class_path(type(module))}.{step} cannot be run on a batch before training, which is how its quantum "
                f"layers are found: {error}"
            ) from error
        found: pl.LightningModule = placed.get_submodule("module")  # type: ignore[assignment]
        for each in (module, found):  # metrics and lists must not hold the batch that was looked at
            _put_back(each, before)
    return found


class _Step(nn.Module):
    """A step of a LightningModule as a forward pass."""

    def __init__(self, module: pl.LightningModule, step: str) -> None:
        super().__init__()
        self.module, self.step = module, step

    def forward(self, batch: Any) -> Any:  # noqa: ANN401 - whatever the data module makes
        return getattr(self.module, self.step)(batch, 0)


def _batch(data: pl.LightningDataModule) -> Any:  # noqa: ANN401 - whatever it makes
    data.prepare_data()
    data.setup("fit")
    loader = data.train_dataloader()
    batch = data.on_before_batch_transfer(next(iter(loader)), 0)
    return data.on_after_batch_transfer(batch, 0)


def _state(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Return what the modules of a model keep in plain attributes, such as a metric's counts."""
    return {
        name: {
            key: copy.deepcopy(value) for key, value in vars(module).items() if key not in MODULE and _is_plain(value)
        }
        for name, module in model.named_modules()
    }


def _is_plain(value: Any) -> bool:  # noqa: ANN401 - any attribute
    """Return whether an attribute is made of tensors, numbers and words; parameters are the model's own."""
    return all(isinstance(leaf, PLAIN) and not isinstance(leaf, nn.Parameter) for leaf in tree_leaves(value))


def _put_back(model: nn.Module, state: Mapping[str, Mapping[str, Any]]) -> None:
    for name, module in model.named_modules():
        for key, value in state.get(name, {}).items():
            if key in vars(module):
                vars(module)[key] = copy.deepcopy(value)


def own_report(module: pl.LightningModule, logged: Mapping[str, Tensor]) -> Report:
    """Return the report of what a module logged while it was tested.

    A score has the name that it was logged under, without ``test/`` or ``val/`` in front; further ``/`` become ``_``.
    Nothing says what these scores mean: a table does.

    Args:
        module: The module.
        logged: Numbers by name, ``trainer.callback_metrics``.
    """
    scores = {_short(name): float(value) for name, value in logged.items()}
    path = class_path(type(module))
    return Report(
        scores={name: None if math.isnan(value) else value for name, value in scores.items()},
        metrics=(),
        model={"task": path, "architecture": path, "architecture_args": {}, **count_parameters(module)},
    )


def _short(name: str) -> str:
    for stage in STAGES:
        name = name.removeprefix(stage)
    return name.replace("/", "_")
