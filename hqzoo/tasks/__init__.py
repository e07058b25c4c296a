"""Lightning modules: what a model is trained for, with its loss, its optimizer and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.tasks.losses import LossSettings as LossSettings
    from hqzoo.tasks.losses import SegmentationLoss as SegmentationLoss
    from hqzoo.tasks.metrics import SegmentationMetrics as SegmentationMetrics
    from hqzoo.tasks.optim import OptimizerSettings as OptimizerSettings
    from hqzoo.tasks.optim import ScheduleSettings as ScheduleSettings
    from hqzoo.tasks.segmentation import SegmentationTask as SegmentationTask

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "LossSettings": "losses",
        "OptimizerSettings": "optim",
        "ScheduleSettings": "optim",
        "SegmentationLoss": "losses",
        "SegmentationMetrics": "metrics",
        "SegmentationTask": "segmentation",
    },
)
