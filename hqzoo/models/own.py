"""Architectures of one's own: factories named by where Python finds them, ``package.module.function``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hqzoo._own_code import import_own
from hqzoo.errors import ConfigError, did_you_mean
from hqzoo.nn.ladder import with_control

__all__ = ["own_factory"]

SAMPLE_SIZE = 64
ADDED = {"control": None, "control_hidden": None, "sample_size": SAMPLE_SIZE}


def own_factory(path: str) -> Callable[..., nn.Module]:
    """Return a factory of models, with an argument ``control`` where it has none itself.

    That argument puts a control in the place of the model's quantum layers, whoever made them, see
    :func:`hqzoo.with_control`; None leaves the model as it is. ``control_hidden`` is the hidden width of ``mlp_time``,
    and ``sample_size`` the height and width of an image that the model takes.

    Args:
        path: ``package.module.function``; a class will do.

    Raises:
        ConfigError: If there is no such function.
    """
    module, _, name = path.rpartition(".")
    members = vars(import_own(module, f"Architecture '{path}'"))
    factory = members.get(name)
    if not callable(factory):
        raise ConfigError(f"{module} has no function '{name}' that builds a model.{did_you_mean(name, members)}")
    signature = inspect.signature(factory)
    if "control" in signature.parameters:
        return factory  # type: ignore[no-any-return]

    @functools.wraps(factory)
    def build(
        control: Any = None,  # noqa: ANN401 - a name, or names by part
        control_hidden: int | None = None,
        sample_size: int = SAMPLE_SIZE,
        **arguments: Any,  # noqa: ANN401 - the factory's own
    ) -> nn.Module:
        model = factory(**arguments)
        if not isinstance(model, nn.Module):
            raise ConfigError(f"{path} returned {type(model).__name__}; a torch.nn.Module is needed.")
        if control is None:
            return model
        generator = torch.Generator().manual_seed(0)
        sample = torch.rand(2, arguments.get("in_channels", 1), sample_size, sample_size, generator=generator)
        try:
            return with_control(model, sample, control, hidden=control_hidden)
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path} does not run on an image {tuple(sample.shape)}, on which its quantum layers are looked at: "
                f"{error}. Give a size that it takes as sample_size."
            ) from error

    added = [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=each) for key, each in ADDED.items()]
    own = list(signature.parameters.values())
    last = [each for each in own if each.kind is inspect.Parameter.VAR_KEYWORD]
    build.__signature__ = signature.replace(parameters=[*(p for p in own if p not in last), *added, *last])  # type: ignore[attr-defined]
    return build
