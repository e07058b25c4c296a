"""Two checkpoints on the same units, right or wrong: McNemar's test, exact or of clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from hqzoo.errors import ConfigError

__all__ = ["TwoCheckpoints", "clustered", "mid_p", "unclustered"]


@dataclass(frozen=True)
class TwoCheckpoints:
    """A difference of two shares.

    Args:
        value: Share that a has right minus share that b has right.
        p: Two-sided probability of a difference at least as large, if there were none.
        center: Middle of the interval.
        error: Standard error of the center.
        degrees: Its degrees of freedom; infinite: the normal distribution.
    """

    value: float
    p: float
    center: float
    error: float
    degrees: float = math.inf


def mid_p(only_a: int, only_b: int) -> float:
    r"""Return the exact conditional mid-p of McNemar's test.

    Of the discordant units, as many belong to either side as of tosses of a coin; of the outcomes as extreme as the
    observed one itself half counts: :math:`2 (P(X < x) + P(X = x) / 2)` with :math:`x = \min(b, c)` of
    :math:`X \sim B(b + c, 1/2)` (Lancaster 1961; Fagerland, Lydersen and Laake 2013, who recommend it).

    Args:
        only_a: Units that a alone has right.
        only_b: Units that b alone has right.
    """
    least, number = min(only_a, only_b), only_a + only_b
    return float(min(1.0, 2 * stats.binom.cdf(least, number, 0.5) - stats.binom.pmf(least, number, 0.5)))


def unclustered(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> TwoCheckpoints:
    r"""Return the difference of two checkpoints on independent units: :func:`mid_p`.

    The interval is that of Bonett and Price (2012), recommended by Fagerland, Lydersen and Laake (2014): Wald's
    with one unit added to either discordant count.

    Args:
        a: Whether the first is right ``(N,)``.
        b: Whether the second is right ``(N,)``.
    """
    only_a, only_b, number = int(np.sum(a & ~b)), int(np.sum(b & ~a)), len(a)
    p_a, p_b = (only_a + 1) / (number + 2), (only_b + 1) / (number + 2)
    error = math.sqrt((p_a + p_b - (p_a - p_b) ** 2) / (number + 2))
    return TwoCheckpoints((only_a - only_b) / number, mid_p(only_a, only_b), p_a - p_b, error)


def clustered(a: npt.NDArray[Any], b: npt.NDArray[Any], cluster: npt.NDArray[np.intp]) -> TwoCheckpoints:
    r"""Return the difference of two checkpoints on units that come in clusters.

    The test of Durkalski, Palesch, Lipsitz and Rust (2003): with :math:`d_k` the difference in the k-th cluster,
    :math:`(\sum_k d_k)^2 / \sum_k d_k^2` is chi-square with one degree of freedom. It assumes nothing of how units of a
    cluster depend on each other. Clusters count alike in it, whatever their size, and so they do in the difference; the
    interval is Student's of the clusters' differences.

    Args:
        a: Whether the first is right ``(N,)``.
        b: Whether the second is right ``(N,)``.
        cluster: Number of every unit's cluster ``(N,)``, from 0.

    Raises:
        ConfigError: If there is one cluster.
    """
    sizes = np.bincount(cluster)
    if len(sizes) < 2:
        raise ConfigError(f"All {len(a)} units are in one cluster: use clusters='name' if they are independent.")
    d = np.bincount(cluster, a.astype(float) - b.astype(float)) / sizes
    squares = float((d**2).sum())
    p = float(stats.chi2.sf(d.sum() ** 2 / squares, 1)) if squares else 1.0
    mean = float(d.mean())
    return TwoCheckpoints(mean, p, mean, float(d.std(ddof=1)) / math.sqrt(len(d)), len(d) - 1)
