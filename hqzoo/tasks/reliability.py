"""How often a model is right at each confidence, counted over a whole split: the bins of a reliability diagram."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics import Metric

from hqzoo.tasks.count_scores import CALIBRATION_BINS, UNIT

__all__ = ["Reliability", "reliability_bins"]


class Reliability(Metric):
    """Pixels, their confidence and how many of them are right, by bin of confidence (Guo et al. 2017, Fig. 1).

    Sums are whole numbers, so that they do not depend on batches or processes. Unlike a test's, those of a validation
    let outputs pass that are not finite: they count with confidence 0.

    Args:
        ignore_index: Mask value of unlabelled pixels.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    bins: Tensor

    def __init__(self, ignore_index: int) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        zeros = torch.zeros(3, CALIBRATION_BINS, dtype=torch.int64)
        self.add_state("bins", zeros, dist_reduce_fx="sum")

    def update(self, logits: Tensor, truth: Tensor) -> None:
        """Count one batch.

        Args:
            logits: ``(B, K, H, W)``.
            truth: Class indices or ``ignore_index``, ``(B, H, W)``.
        """
        confidence, predicted = logits.detach().float().softmax(1).max(1)
        confidence = confidence.nan_to_num(0.0)
        number = (confidence * CALIBRATION_BINS).long().clamp(0, CALIBRATION_BINS - 1)
        place = number.where(truth != self.ignore_index, CALIBRATION_BINS).flatten()
        columns = (torch.ones_like(place), (confidence * UNIT).round().long(), (predicted == truth).long())
        for row, column in zip(self.bins, columns, strict=True):
            row += row.new_zeros(CALIBRATION_BINS + 1).index_add(0, place, column.flatten())[:-1]

    def compute(self) -> Tensor:
        """Return the sums ``(3, bins)``."""
        return self.bins


def reliability_bins(sums: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Return a row per bin of confidence as plain types: ``low``, ``high``, ``count``, ``confidence``, ``accuracy``.

    Args:
        sums: ``calibration`` of :func:`hqzoo.tasks.calibration.probability_counts`, added up: ``(3, bins)``.

    Returns:
        Rows with mean confidence and share of right ones; both are None where a bin is empty.
    """
    counts, confidences, hits = (row.tolist() for row in np.asarray(sums))
    width = 1 / len(counts)
    return [
        {
            "low": round(k * width, 6),
            "high": round((k + 1) * width, 6),
            "count": count,
            "confidence": confidence / UNIT / count if count else None,
            "accuracy": hit / count if count else None,
        }
        for k, (count, confidence, hit) in enumerate(zip(counts, confidences, hits, strict=True))
    ]
