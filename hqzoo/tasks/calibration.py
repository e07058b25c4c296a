"""Sums of probabilities, from which soft IoU and the calibration error of any set of images follow."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hqzoo.errors import DivergedError
from hqzoo.tasks.count_scores import CALIBRATION_BINS, UNIT

__all__ = ["probability_counts"]


def probability_counts(logits: Tensor, truth: Tensor, ignore_index: int) -> dict[str, Tensor]:
    """Return what soft IoU and calibration error follow from, window by window; see ``hqzoo.tasks.count_scores``.

    Args:
        logits: ``(B, K, H, W)``.
        truth: Class indices or ``ignore_index`` ``(B, H, W)``.
        ignore_index: Mask value of unlabelled pixels.

    Returns:
        int64, with probabilities in units of 1 / 2^24: ``soft`` ``(B, 3, K)``, of every class its probability where it
        is the truth, the pixels of the truth, and its probability everywhere; ``calibration`` ``(B, 3, 15)``, of every
        bin of confidence its pixels, their confidence, and how many of them are right.

    Raises:
        DivergedError: If a logit is not finite.
    """
    if not torch.isfinite(logits).all():
        raise DivergedError(
            "The model's outputs are not finite: its training diverged. Train again with a lower learning rate, or "
            "with trainer.gradient_clip_val=1."
        )
    size, classes = logits.shape[:2]
    valid = (truth != ignore_index).flatten()
    labels = truth.flatten()[valid]
    window = torch.arange(size, device=truth.device).repeat_interleave(truth[0].numel())[valid]
    p = logits.detach().float().softmax(1).movedim(1, -1).reshape(-1, classes)[valid]
    units = (p * UNIT).round().long()
    hit = units.gather(1, labels.unsqueeze(1)).squeeze(1)
    ones = torch.ones_like(labels)
    everywhere = torch.zeros(size, classes, dtype=units.dtype, device=units.device).index_add(0, window, units)
    confidence, predicted = p.max(1)
    number = (confidence * CALIBRATION_BINS).long().clamp(max=CALIBRATION_BINS - 1)
    columns = (ones, units.amax(1), (predicted == labels).long())
    of_truth = _totals(window * classes + labels, (hit, ones), size, classes)
    of_bins = _totals(window * CALIBRATION_BINS + number, columns, size, CALIBRATION_BINS)
    return {"soft": torch.stack([*of_truth, everywhere], 1), "calibration": torch.stack(of_bins, 1)}


def _totals(places: Tensor, columns: Sequence[Tensor], rows: int, size: int) -> list[Tensor]:
    """Return the sums of the columns by place, ``(rows, size)`` each."""
    return [torch.zeros(rows * size, dtype=column.dtype, device=column.device).index_add(0, places, column)
            .view(rows, size) for column in columns]  # fmt: skip
