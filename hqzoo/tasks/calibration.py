"""Scores of probabilities rather than of labels: soft IoU and expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from hqzoo.data.labels import IGNORE_INDEX
from hqzoo.errors import DivergedError
from hqzoo.tasks.metrics import to_numbers

__all__ = ["CALIBRATION_BINS", "ProbabilityMetrics"]

CALIBRATION_BINS = 15
"""Equal bins of confidence in [0, 1], as in Guo et al. 2017 (arXiv 1706.04599)."""

EPSILON = 1e-7
UNIT = 2**24
"""Probabilities are summed as whole numbers of 1 / UNIT: exactly, in any order, and on devices without float64."""


class ProbabilityMetrics(Metric):
    r"""Sums over a split from which soft IoU and calibration error follow, whatever its batches were.

    * Soft IoU of class c over all labelled pixels at once, without a threshold (what the Qu-Net authors report):
      :math:`(\sum_i p_{ic} y_{ic} + \epsilon) / (\sum_i y_{ic} + \sum_i p_{ic} - \sum_i p_{ic} y_{ic} + \epsilon)`.
    * Expected calibration error (Guo et al. 2017, eq. 3): the mean distance between confidence (the highest
      probability) and accuracy over 15 equal bins of confidence, weighted by their pixels.

    Args:
        num_classes: Number of classes K.
        ignore_index: Mask value of unlabelled pixels.
    """

    is_differentiable = False
    full_state_update = False
    sums: Tensor
    bins: Tensor

    def __init__(self, num_classes: int, ignore_index: int = IGNORE_INDEX) -> None:
        super().__init__()
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.add_state("sums", torch.zeros(3, num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("bins", torch.zeros(3, CALIBRATION_BINS, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, truth: Tensor) -> None:
        """Count one batch of logits ``(B, K, H, W)`` against class indices or ``ignore_index`` ``(B, H, W)``.

        Raises:
            DivergedError: If a logit is not finite.
        """
        if not torch.isfinite(logits).all():
            raise DivergedError(
                "The model's outputs are not finite: its training diverged. Train again with a lower learning rate, or "
                "with trainer.gradient_clip_val=1."
            )
        valid = (truth != self.ignore_index).flatten()
        labels = truth.flatten()[valid]
        p = logits.detach().float().softmax(1).movedim(1, -1).reshape(-1, self.num_classes)[valid]
        units = (p * UNIT).round().long()
        hit = units.gather(1, labels.unsqueeze(1)).squeeze(1)
        ones = torch.ones_like(labels)
        self.sums += torch.stack([*_totals(labels, (hit, ones), self.num_classes), units.sum(0)])
        confidence, predicted = p.max(1)
        number = (confidence * CALIBRATION_BINS).long().clamp(max=CALIBRATION_BINS - 1)
        columns = (ones, units.amax(1), (predicted == labels).long())
        self.bins += torch.stack(_totals(number, columns, CALIBRATION_BINS))

    def compute(self) -> dict[str, Tensor]:
        """Return ``soft_iou`` per class ``(K,)``, NaN where a class is absent, and ``ece``, NaN without a pixel."""
        both, truth, predicted = self.sums.cpu().double()
        both, predicted = both / UNIT, predicted / UNIT
        soft_iou = (both + EPSILON) / (truth + predicted - both + EPSILON)
        pixels, confidence, hits = self.bins.cpu().double()
        ece = (confidence / UNIT - hits).abs().sum() / pixels.sum()
        return {"soft_iou": soft_iou.where(truth > 0, torch.nan), "ece": ece}

    def report(self) -> dict[str, Any]:
        """Return ``soft_iou`` (a list, one number a class) and ``ece`` as plain types; None stands for absent."""
        scores = self.compute()
        return {"soft_iou": to_numbers(scores["soft_iou"].reshape(-1)), "ece": to_numbers(scores["ece"])}


def _totals(places: Tensor, columns: Sequence[Tensor], size: int) -> list[Tensor]:
    """Return the sums of the columns by place, ``(size,)`` each."""
    return [torch.zeros(size, dtype=column.dtype, device=column.device).index_add(0, places, column)
            for column in columns]  # fmt: skip
