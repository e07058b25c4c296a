r"""Does a published gain agree with ours? The interval in which the published experiment, run anew, would find it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy import stats

from hqzoo.compare.mean import Mean

__all__ = ["prediction_interval", "published_gain"]


def published_gain(mean: Mean | None, published: Sequence[float], gain: float | None) -> dict[str, Any] | None:
    """Return the published gain and whether it lies inside the interval that ours predicts for it.

    Args:
        mean: Our mean difference and how well it is known; None: not known.
        published: The paper's differences fold by fold; fewer than two: not known.
        gain: The published difference; None: none was published.

    Returns:
        ``gain``, ``low``, ``high`` and ``inside``; ``low`` and ``high`` are None where it cannot be told. None without
        a published difference.
    """
    if gain is None:
        return None
    if mean is None or len(published) < 2:
        return {"gain": gain, "low": None, "high": None, "inside": None}
    average = sum(published) / len(published)
    variance = sum((each - average) ** 2 for each in published) / (len(published) - 1)
    low, high = prediction_interval(mean, variance / len(published), len(published) - 1)
    return {"gain": gain, "low": low, "high": high, "inside": low <= gain <= high}


def prediction_interval(mean: Mean, variance: float, degrees: float, confidence: float = 0.95) -> tuple[float, float]:
    r"""Return the interval in which another experiment's mean difference lies, if both measure the same one.

    .. math:: \bar d \pm t_{(1+c)/2,\,\nu} \sqrt{V + V'}, \qquad
        \nu = \frac{(V + V')^2}{V^2 / \nu_V + V'^2 / \nu_{V'}}

    with the variances of both means: ours, and that of the other one, a single run of its folds (Hahn and Meeker 1991,
    section 4.8; degrees of freedom: Satterthwaite 1946). Folds that both experiments share make it wider than it had to
    be: a gain outside of it disagrees with ours all the more.

    Args:
        mean: Our mean difference.
        variance: Variance of the other mean.
        degrees: Degrees of freedom with which that is known.
        confidence: Coverage c, between 0 and 1.
    """
    own = mean.error**2
    total = own + variance
    if total == 0:
        return mean.value, mean.value
    joint = total**2 / (own**2 / mean.degrees + variance**2 / degrees)
    half = float(stats.t.ppf((1 + confidence) / 2, joint)) * math.sqrt(total)
    return mean.value - half, mean.value + half
