"""Whether a row was trained far enough for its scores to say anything about its model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from statistics import fmean

from hqzoo.compare.result import Result

__all__ = ["barely_trained", "mean_curve"]

STEEP = 0.5
"""A loss falls steeply where its last quarter falls at least half as fast as the whole of training did. CHOICE"""
HIGH = 0.5
"""...unless it has come down to half of what it began with: so far it was trained, whatever more there is. CHOICE"""
ZERO = 0.01
"""A class with a lower score was not learned. CHOICE"""
CLASS_SCORES = ("iou", "f1", "recall")


def barely_trained(results: Collection[Result]) -> list[str]:
    """Return what shows that the runs of a row were too short; empty: nothing does.

    Args:
        results: The finished cells of the row. Heads that were fitted, in no steps, are fitted to the end.
    """
    if all(result.report.run.get("step") == 0 for result in results):
        return []
    reasons = [_curve_reason(mean_curve([result.curve or result.losses for result in results]))]
    if zero := _classes_at_zero(results):
        reasons.append(f"{', '.join(zero)} {'stays' if len(zero) == 1 else 'stay'} at zero")
    return [reason for reason in reasons if reason]


def mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of curves over the points that all of them have."""
    return [fmean(values) for values in zip(*curves, strict=False)]


def _curve_reason(losses: Sequence[float]) -> str:
    """Return what a curve of training losses shows; nothing where no loss is known."""
    if not losses:
        return ""
    if len(losses) == 1:
        return "one training loss alone was logged"
    quarter = max(1, len(losses) // 4)
    first, before, last = losses[0], fmean(losses[-2 * quarter : -quarter]), fmean(losses[-quarter:])
    if last >= first:
        return "the training loss did not fall"
    pace = (before - last) / quarter
    average = (first - last) / (len(losses) - 1 - (quarter - 1) / 2)  # to the middle of the last quarter
    if pace >= STEEP * average and (first <= 0 or last > HIGH * first):
        return f"the training loss still falls steeply, from {before:.3g} to {last:.3g} over the last quarter"
    return ""


def _classes_at_zero(results: Collection[Result]) -> list[str]:
    """Return the classes that most runs whose test images hold them did not learn."""
    scores: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for row in result.report.classes:
            value = next((row[name] for name in CLASS_SCORES if row.get(name) is not None), None)
            if value is not None and row.get("truth_pixels") != 0:
                scores[str(row["name"])].append(float(value))
    return [name for name, values in scores.items() if 2 * sum(value < ZERO for value in values) > len(values)]
