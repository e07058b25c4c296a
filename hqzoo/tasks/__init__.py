"""Lightning modules: what a model is trained for, with its loss, its optimizer and its metrics."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqzoo.tasks.losses import LossSettings as LossSettings
    from hqzoo.tasks.losses import SegmentationLoss as SegmentationLoss
    from hqzoo.tasks.metrics import SegmentationMetrics as SegmentationMetrics
    from hqzoo.tasks.optim import OptimizerSettings as OptimizerSettings
    from hqzoo.tasks.optim import ScheduleSettings as ScheduleSettings
    from hqzoo.tasks.segmentation import SegmentationTask as SegmentationTask

_HOMES = {
    "LossSettings": "losses",
    "OptimizerSettings": "optim",
    "ScheduleSettings": "optim",
    "SegmentationLoss": "losses",
    "SegmentationMetrics": "metrics",
    "SegmentationTask": "segmentation",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562 hands out classes and functions alike
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
