"""What happens beside training: stopping and going on, pictures of predictions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqzoo.callbacks.panel import PredictionPanel as PredictionPanel
    from hqzoo.callbacks.panel import draw_panel as draw_panel
    from hqzoo.callbacks.prediction_writer import PredictionWriter as PredictionWriter
    from hqzoo.callbacks.progress import LineProgress as LineProgress
    from hqzoo.callbacks.resume import Resumable as Resumable
    from hqzoo.callbacks.resume import TrainingInterrupted as TrainingInterrupted

_HOMES = {
    "LineProgress": "progress",
    "PredictionPanel": "panel",
    "PredictionWriter": "prediction_writer",
    "Resumable": "resume",
    "TrainingInterrupted": "resume",
    "draw_panel": "panel",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562 hands out classes and functions alike
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
