"""Probabilities from which on labels are predicted, chosen on validation images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CANDIDATES", "best_thresholds", "f1_at"]

Array = npt.NDArray[Any]

CANDIDATES = np.linspace(0.1, 0.95, 18)


def best_thresholds(truth: Array, probability: Array) -> Array:
    """Return for each label the threshold of 0.1, 0.15, ... 0.95 with its highest F1, ``(K,)``; the lowest of equals.

    Labels without an image keep 0.5.

    Args:
        truth: ``(N, K)``, 0 or 1.
        probability: ``(N, K)``.
    """
    there = truth.astype(bool)
    scores = np.stack([_f1_of_each(there, probability >= threshold) for threshold in CANDIDATES])
    return np.where(there.any(0), CANDIDATES[scores.argmax(0)], 0.5)


def f1_at(truth: Array, probability: Array, thresholds: Array) -> tuple[float, float]:
    """Return micro and macro F1 at a threshold for each label; macro over labels that occur or are predicted."""
    there, predicted = truth.astype(bool), probability >= thresholds
    counted = there.any(0) | predicted.any(0)
    total = int(there.sum() + predicted.sum())
    micro = 2 * int((there & predicted).sum()) / total if total else 0.0
    return micro, float(_f1_of_each(there, predicted)[counted].mean()) if counted.any() else 0.0


def _f1_of_each(there: Array, predicted: Array) -> Array:
    total = there.sum(0) + predicted.sum(0)
    found: Array = 2 * (there & predicted).sum(0) / np.maximum(total, 1)
    return found
