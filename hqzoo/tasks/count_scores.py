"""Scores that follow from counts which add up over images: of one image, of a split, or of any part of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CALIBRATION_BINS", "UNIT", "calibration_error", "share", "soft_iou"]

CALIBRATION_BINS = 15
"""Equal bins of confidence in [0, 1], as in Guo et al. 2017 (arXiv 1706.04599)."""

UNIT = 2**24
"""Probabilities are summed as whole numbers of 1 / UNIT: exactly, in any order, and on devices without float64."""

EPSILON = 1e-7

Array = npt.NDArray[np.float64]


def soft_iou(sums: npt.NDArray[Any]) -> Array:
    r"""Return the soft IoU of every class ``(..., K)``, NaN where a class is absent.

    Over all labelled pixels at once, without a threshold (what the Qu-Net authors report):
    :math:`(\sum_i p_{ic} y_{ic} + \epsilon) / (\sum_i y_{ic} + \sum_i p_{ic} - \sum_i p_{ic} y_{ic} + \epsilon)`.

    Args:
        sums: ``soft`` of :func:`hqzoo.tasks.calibration.probability_counts`, added up: ``(..., 3, K)``.
    """
    both, truth, predicted = np.moveaxis(np.asarray(sums, np.float64), -2, 0)
    both, predicted = both / UNIT, predicted / UNIT
    return np.where(truth > 0, (both + EPSILON) / (truth + predicted - both + EPSILON), np.nan)


def calibration_error(bins: npt.NDArray[Any]) -> Array:
    """Return the expected calibration error (Guo et al. 2017, eq. 3) ``(...)``, NaN where nothing was counted.

    The mean distance between confidence (the highest probability) and accuracy over equal bins of confidence, weighted
    by what lies in them.

    Args:
        bins: ``calibration`` of :func:`hqzoo.tasks.calibration.probability_counts`, added up: ``(..., 3, bins)``.
    """
    number, confidence, hits = np.moveaxis(np.asarray(bins, np.float64), -2, 0)
    return share(np.abs(confidence / UNIT - hits).sum(-1), number.sum(-1))


def share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Array:
    """Return part / whole, NaN where the whole is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = np.where(whole > 0, part / whole, np.nan)
    return found
