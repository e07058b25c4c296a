"""Scores of semantic segmentation, all from counts that are summed over the whole split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from hqzoo.data.labels import IGNORE_INDEX
from hqzoo.errors import ConfigError
from hqzoo.tasks.checks import check_labels

__all__ = ["SegmentationMetrics", "boundary_band", "to_numbers"]

DIAGONAL_SHARE = 0.02  # Cheng et al. 2021: the band is 2 % of the image diagonal wide

NEVER = 2**15 - 1  # beyond any class index in int16


class SegmentationMetrics(Metric):
    """One confusion matrix and one set of boundary counts over a split; every score follows from them.

    Counts are added up over batches and, under DDP, over processes, so a score never depends on how the split
    was batched. A class without a single labelled pixel in the split is absent: its scores are NaN, and means
    leave it out, as Galileo's mean IoU does. A class that is there but was never predicted has precision 0.

    The macro Jaccard index of GEO-Bench is another mean of the same IoUs: torchmetrics (from 1.0 on) and scikit-learn
    also count an absent class that was predicted somewhere, as 0, and leave out what is in neither. It is at most
    ``miou``, and the same where every class occurs. Earlier torchmetrics counted what is in neither as 0, too.
    All classes count, also "no data"; a data module that ignores the class leaves it out of truth and of the model.

    Boundary IoU (Cheng et al. 2021, eq. 2) compares only the pixels within ``boundary_width`` of a contour
    and inside it. Distances are chessboard distances as in the authors' code. CHOICE: unlike there, the edge
    of a window is no contour, since windows are cut from larger images; neither is the edge of an unlabelled
    area.

    Binary accuracy takes each of the K classes against all others, and is the mean of (TP_c + TN_c) / N over them,
    absent ones included. A wrong pixel is wrong for two classes, so that it is 1 - 2 (1 - OA) / K: near 1 for many
    classes, whatever the model. It is there because some publications seem to report it as accuracy; ``oa`` is the
    share of right pixels.

    Args:
        num_classes: Number of classes K.
        ignore_index: Mask value of unlabelled pixels.
        boundary_width: Width of the band in pixels; ``None``: 2 % of the window's diagonal, as in the paper.

    Raises:
        ConfigError: If ``boundary_width`` is not positive.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    confusion: Tensor
    boundary: Tensor

    def __init__(self, num_classes: int, ignore_index: int = IGNORE_INDEX, boundary_width: int | None = None) -> None:
        super().__init__()
        if boundary_width is not None and boundary_width < 1:
            raise ConfigError(f"boundary_width must be at least 1 pixel, got {boundary_width}.")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.boundary_width = boundary_width
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.add_state("confusion", zeros, dist_reduce_fx="sum")  # [truth, prediction]
        self.add_state("boundary", torch.zeros(3, num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Count one batch.

        Args:
            prediction: Class indices 0 to K-1, ``(B, H, W)`` int64.
            truth: Class indices or ``ignore_index``, ``(B, H, W)`` int64.

        Raises:
            DataError: If the truth holds a value that is neither a class nor ``ignore_index``.
        """
        check_labels(truth, self.num_classes, self.ignore_index)
        valid = truth != self.ignore_index
        pairs = _count(truth * self.num_classes + prediction, valid, self.num_classes**2)
        self.confusion += pairs.view_as(self.confusion)
        width = self.boundary_width or default_boundary_width(*truth.shape[-2:])
        near_truth = boundary_band(truth, valid, width)
        near_prediction = boundary_band(prediction, valid, width)
        near_both = near_truth & near_prediction & (prediction == truth)
        cases = ((truth, near_both), (truth, near_truth), (prediction, near_prediction))
        self.boundary += torch.stack([_count(labels, where, self.num_classes) for labels, where in cases])

    def compute(self) -> dict[str, Tensor]:
        """Return all scores as float64: ``miou``, ``jaccard``, ``oa``, ``binary_accuracy``, ``boundary_iou``, and per
        class ``(K,)`` ``iou``, ``f1``, ``precision``, ``recall``, ``boundary_iou_per_class``; NaN where a class, or
        the whole split, is absent.
        """  # noqa: D205 - one sentence that needs two lines
        confusion = self.confusion.cpu().double()
        hits, truth, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        both, near_truth, near_predicted = self.boundary.cpu().double()
        present = truth > 0
        scores = {
            "iou": hits / (truth + predicted - hits),
            "f1": 2 * hits / (truth + predicted),
            "precision": hits / predicted.clamp(min=1),
            "recall": hits / truth,
        }
        scores = {name: values.where(present, torch.nan) for name, values in scores.items()}
        # A class may fill whole windows: present, but without a contour on either side.
        scores["boundary_iou_per_class"] = (both / (near_truth + near_predicted - both)).where(
            near_truth > 0, torch.nan
        )
        return {
            "miou": scores["iou"].nanmean(),
            "jaccard": (hits / (truth + predicted - hits)).nanmean(),
            "oa": hits.sum() / confusion.sum(),
            "binary_accuracy": ((confusion.sum() - truth - predicted + 2 * hits) / confusion.sum()).mean(),
            "boundary_iou": scores["boundary_iou_per_class"].nanmean(),
            **scores,
            "confusion": self.confusion.cpu(),  # under DDP the synchronised counts exist only in here
        }

    def report(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return all scores and counts as plain types; ``None`` stands for absent.

        Args:
            classes: Names of the K classes.

        Returns:
            ``miou``, ``jaccard``, ``oa``, ``binary_accuracy``, ``boundary_iou``, ``pixels`` (labelled ones),
            ``confusion`` (rows are the truth) and ``classes``: per class ``name``, ``iou``, ``f1``, ``precision``,
            ``recall``, ``boundary_iou``, ``truth_pixels``, ``predicted_pixels``.
        """
        scores = self.compute()
        confusion = to_numbers(scores["confusion"].reshape(self.num_classes, self.num_classes))
        # torchmetrics squeezes vectors of one number; a single class is still a list of one
        columns = {name: to_numbers(scores[name].reshape(-1)) for name in ("iou", "f1", "precision", "recall")}
        columns["boundary_iou"] = to_numbers(scores["boundary_iou_per_class"].reshape(-1))
        columns["truth_pixels"] = [sum(row) for row in confusion]
        columns["predicted_pixels"] = [sum(column) for column in zip(*confusion, strict=True)]
        rows = [
            {"name": name, **{column: values[k] for column, values in columns.items()}}
            for k, name in enumerate(classes)
        ]
        names = ("miou", "jaccard", "oa", "binary_accuracy", "boundary_iou")
        means = {name: to_numbers(scores[name]) for name in names}
        return {**means, "pixels": sum(columns["truth_pixels"]), "classes": rows, "confusion": confusion}


def default_boundary_width(height: int, width: int) -> int:
    """Return 2 % of the diagonal of a window, in whole pixels, at least 1 (as in Cheng et al.'s code)."""
    return max(1, round(DIAGONAL_SHARE * math.hypot(height, width)))


def boundary_band(labels: Tensor, valid: Tensor, width: int) -> Tensor:
    r"""Return which pixels lie within ``width`` of a labelled pixel of another class (chessboard distance).

    Args:
        labels: Class indices ``(B, H, W)``.
        valid: Labelled pixels ``(B, H, W)`` bool; the others make no contour and lie in no band.
        width: Width of the band in pixels.

    Returns:
        ``(B, H, W)`` bool. Restricted to class c this is :math:`G_d \cap G` of the paper: c eroded ``width``
        times, removed from c; all classes are found at once, since a pixel survives when the largest and the
        smallest label around it agree.
    """
    values = labels.to(torch.int16)
    highest = _largest_around(values.where(valid, -NEVER), width)
    lowest = -_largest_around(-values.where(valid, NEVER), width)
    return valid & (highest != lowest)


def _largest_around(values: Tensor, width: int) -> Tensor:
    """Return the largest value within ``width``."""
    # A square is a column of rows, and a line of 2 r + 1 pixels grows threefold in one step.
    largest = values
    for dim in (-2, -1):
        size, reach = values.shape[dim], 0
        while reach < min(width, size - 1):
            step = min(2 * reach + 1, width - reach, size - 1)
            before = largest
            largest = before.clone()
            for to, of in ((0, step), (step, 0)):
                part = largest.narrow(dim, to, size - step)
                torch.maximum(part, before.narrow(dim, of, size - step), out=part)
            reach += step
    return largest


def _count(labels: Tensor, where: Tensor, number: int) -> Tensor:
    """Return how often each of ``number`` labels stands ``where`` a mask is true, ``(number,)`` int64."""
    # One more bin for all the rest is several times faster than picking the pixels first.
    return torch.bincount(labels.where(where, number).flatten(), minlength=number + 1)[:number]


def to_numbers(value: Tensor) -> Any:  # noqa: ANN401 - a number or a list of numbers
    """Return a tensor as numbers, ``None`` for NaN, which JSON cannot hold."""
    if value.ndim:
        return [to_numbers(item) for item in value]
    number = value.item()
    return None if math.isnan(number) else number
