"""What happens beside training: stopping and going on, pictures of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.callbacks.best import BestCheckpoint as BestCheckpoint
    from hqzoo.callbacks.dashboard import Dashboard as Dashboard
    from hqzoo.callbacks.feature_cache import FeatureCache as FeatureCache
    from hqzoo.callbacks.label_writer import LabelWriter as LabelWriter
    from hqzoo.callbacks.panel import PredictionPanel as PredictionPanel
    from hqzoo.callbacks.prediction_writer import PredictionWriter as PredictionWriter
    from hqzoo.callbacks.progress import LineProgress as LineProgress
    from hqzoo.callbacks.resume import Resumable as Resumable
    from hqzoo.callbacks.resume import TrainingInterrupted as TrainingInterrupted
    from hqzoo.callbacks.start_from import StartFromWeights as StartFromWeights
    from hqzoo.callbacks.wandb_logger import SafeWandbLogger as SafeWandbLogger
    from hqzoo.callbacks.wrapping import WrappedShare as WrappedShare

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BestCheckpoint": "best",
        "Dashboard": "dashboard",
        "FeatureCache": "feature_cache",
        "LabelWriter": "label_writer",
        "LineProgress": "progress",
        "PredictionPanel": "panel",
        "PredictionWriter": "prediction_writer",
        "Resumable": "resume",
        "SafeWandbLogger": "wandb_logger",
        "StartFromWeights": "start_from",
        "TrainingInterrupted": "resume",
        "WrappedShare": "wrapping",
    },
)
