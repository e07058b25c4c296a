"""Trained weights as files: checkpoints that rebuild their model and task alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqzoo.weights.checkpoint import load_task as load_task

_HOMES = {"load_task": "checkpoint"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562 hands out classes and functions alike
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
