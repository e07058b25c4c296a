"""Scores of labels of whole images, from the truth and the probabilities of a whole split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from hqzoo.tasks.count_scores import CALIBRATION_BINS, UNIT
from hqzoo.tasks.reliability import reliability_bins

__all__ = ["label_scores", "reliability_of_labels"]

Array = npt.NDArray[Any]


def label_scores(
    truth: Array, probability: Array, classes: Sequence[str], threshold: float = 0.5
) -> tuple[dict[str, float | None], list[dict[str, Any]]]:
    """Return the scores of a split, and a row per class.

    A class without an image and without a prediction is absent: its scores are None and means leave it out, as in
    segmentation. A class that is there but was never predicted has precision 0, one that was only predicted F1 0.

    Args:
        truth: Class indices ``(N,)``, or multi-hot ``(N, K)``.
        probability: ``(N, K)``.
        classes: Names of the K classes.
        threshold: Probability from which on one of several labels is predicted; not used for single labels.

    Returns:
        ``accuracy`` (of several labels: the share of images with all of them right), ``macro_f1``, ``micro_f1`` and
        ``ece`` (15 bins; of several labels: over all of them alike); and rows with ``name``, ``f1``, ``precision``,
        ``recall``, ``images`` and ``predicted_images``.
    """
    several = truth.ndim == 2
    predicted = probability >= threshold if several else _one_hot(probability.argmax(1), len(classes))
    wanted = truth.astype(bool) if several else _one_hot(truth, len(classes))
    hits, images, claims = (part.sum(0) for part in (wanted & predicted, wanted, predicted))
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "f1": _share(2 * int(hit), int(there + claimed)),
            "precision": _share(int(hit), int(claimed)) if claimed else (0.0 if there else None),
            "recall": _share(int(hit), int(there)),
            "images": int(there),
            "predicted_images": int(claimed),
        }
        for name, hit, there, claimed in zip(classes, hits, images, claims, strict=True)
    ]
    present = [row["f1"] for row in rows if row["f1"] is not None]
    scores = {
        "accuracy": float((wanted == predicted).all(1).mean()) if len(wanted) else None,
        "macro_f1": float(np.mean(present)) if present else None,
        "micro_f1": _share(2 * int(hits.sum()), int(images.sum() + claims.sum())),
        "ece": _calibration_error(truth, probability) if len(truth) else None,
    }
    return scores, rows


def reliability_of_labels(truth: Array, probability: Array) -> list[dict[str, Any]]:
    """Return the bins of confidence that ``ece`` is the error of, see :func:`.reliability.reliability_bins`.

    Of several labels every one counts, at its probability, as right where it is there.

    Args:
        truth: Class indices ``(N,)``, or multi-hot ``(N, K)``.
        probability: ``(N, K)``.
    """
    if truth.ndim == 2:
        confidence, hits = probability.ravel(), truth.ravel() > 0
    else:
        confidence, hits = probability.max(1, initial=0), probability.argmax(1) == truth
    confidence = np.nan_to_num(confidence.astype(np.float64))
    place = np.clip((confidence * CALIBRATION_BINS).astype(np.int64), 0, CALIBRATION_BINS - 1)
    sums = np.zeros((3, CALIBRATION_BINS), np.int64)
    columns = (np.ones_like(place), (confidence * UNIT).round().astype(np.int64), hits.astype(np.int64))
    for row, column in zip(sums, columns, strict=True):
        np.add.at(row, place, column)
    return reliability_bins(sums)


def _calibration_error(truth: Array, probability: Array) -> float:
    target, chance = torch.from_numpy(truth).long(), torch.from_numpy(probability).float()
    if truth.ndim == 2:
        return float(binary_calibration_error(chance.flatten(), target.flatten(), n_bins=CALIBRATION_BINS))
    return float(multiclass_calibration_error(chance, target, chance.shape[1], n_bins=CALIBRATION_BINS))


def _one_hot(labels: Array, classes: int) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = labels[:, None] == np.arange(classes)
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
