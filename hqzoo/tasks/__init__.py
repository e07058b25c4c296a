"""Lightning modules: what a model is trained for, with its loss, its optimizer and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.tasks.base import Found as Found
    from hqzoo.tasks.base import Task as Task
    from hqzoo.tasks.classification import ClassificationTask as ClassificationTask
    from hqzoo.tasks.dense_probe import DenseProbeTask as DenseProbeTask
    from hqzoo.tasks.hq_jepa import HQJEPATask as HQJEPATask
    from hqzoo.tasks.losses import LossSettings as LossSettings
    from hqzoo.tasks.losses import SegmentationLoss as SegmentationLoss
    from hqzoo.tasks.metric import Metric as Metric
    from hqzoo.tasks.metrics import SegmentationMetrics as SegmentationMetrics
    from hqzoo.tasks.optim import OptimizerSettings as OptimizerSettings
    from hqzoo.tasks.optim import ScheduleSettings as ScheduleSettings
    from hqzoo.tasks.panels import draw_panel as draw_panel
    from hqzoo.tasks.probe import ProbeTask as ProbeTask
    from hqzoo.tasks.report import Report as Report
    from hqzoo.tasks.samples import Samples as Samples
    from hqzoo.tasks.segmentation import SegmentationTask as SegmentationTask

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ClassificationTask": "classification",
        "DenseProbeTask": "dense_probe",
        "Found": "base",
        "HQJEPATask": "hq_jepa",
        "LossSettings": "losses",
        "Metric": "metric",
        "OptimizerSettings": "optim",
        "ProbeTask": "probe",
        "Report": "report",
        "Samples": "samples",
        "ScheduleSettings": "optim",
        "SegmentationLoss": "losses",
        "SegmentationMetrics": "metrics",
        "SegmentationTask": "segmentation",
        "Task": "base",
        "draw_panel": "panels",
    },
)
