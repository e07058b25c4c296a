"""The pigeonhole bootstrap: scores of counts whose units and runs were both drawn, and could have been others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.compare.crossed import strata
from hqzoo.errors import ConfigError

__all__ = ["CountedFold", "Resampled", "pigeonhole"]

Array = npt.NDArray[np.float64]
AT_ONCE = 2**22  # weights of clusters in one piece, 32 MiB


@dataclass(frozen=True)
class CountedFold:
    """Counts on the units of one fold, added up by cluster.

    Args:
        a: For each of the R runs, the counts of the checkpoints that are averaged, ``(G, ...)`` each.
        b: Those of the other row; empty: the score of the one row is resampled.
        keys: What tells the runs apart, also over folds.
    """

    a: Sequence[Sequence[Array]]
    b: Sequence[Sequence[Array]]
    keys: tuple[Any, ...]

    @property
    def clusters(self) -> int:
        """Number of clusters G."""
        return len(self.a[0][0])


@dataclass(frozen=True)
class Resampled:
    """A difference, and those of resamples.

    Args:
        value: The difference of the scores of all units and runs.
        values: That of every resample that has one ``(B,)``.
    """

    value: float
    values: Array

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the percentile interval."""
        low, high = np.quantile(self.values, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def below(self, bound: float) -> float:
        """Return the share of resamples at or below a bound, one added (Davison and Hinkley 1997, eq. 4.11)."""
        return float((np.sum(self.values <= bound) + 1) / (len(self.values) + 1))

    def above(self, bound: float) -> float:
        """Return the share of resamples at or above a bound, one added."""
        return float((np.sum(self.values >= bound) + 1) / (len(self.values) + 1))


def pigeonhole(
    folds: Sequence[CountedFold], score: Callable[[Array], Array], repeats: int = 2000, seed: int = 0
) -> Resampled:
    r"""Return the difference of two rows' scores, and what it is in resamples of clusters and of runs.

    Clusters and runs are drawn with replacement, independently of each other, and a pair of them counts as often as the
    product of both (Owen 2007, The pigeonhole bootstrap): the counts of a run are added up over the drawn
    clusters, scored, and the scores averaged over the drawn runs. Both rows have the same draws. What a score is of all
    units is thus what a report says: that of each checkpoint on all images of its fold, averaged over runs and then
    over folds. Clusters are drawn within their fold, and runs once for all folds that share them.

    CHOICE: n - 1 of n clusters and of n runs are drawn, so that the variance of a linear score is that of n draws from
    what they were drawn from, and not (n - 1) / n of it (McCarthy and Snowden 1985; Rao and Wu 1988), which is half
    with two runs. What clusters and runs have in common counts up to three times (Owen 2007), which errs on
    the cautious side; that the spread of few runs is badly known does not show in a percentile interval. Of simulated
    differences without any, on 40 clusters, 95 % intervals miss 0 in 6 % of cases with one run, in 3 to 4 % with five
    or ten, and with three in 3 % where runs hardly vary and in 9 % where they vary more than clusters do.

    Args:
        folds: Counts fold by fold.
        score: The score ``(B,)`` of added counts ``(B, ...)``, NaN where there is none.
        repeats: Number of resamples B.
        seed: Seed of the resampling.

    Raises:
        ConfigError: If a fold has a single cluster, runs differ between folds that share some, there is no score, or
            ``repeats`` is below 100.
    """
    if repeats < 100:
        raise ConfigError(f"repeats={repeats}: a bootstrap takes at least 100, better 2000.")
    if any(fold.clusters < 2 for fold in folds):
        raise ConfigError(
            "A fold has one cluster, such as one scene: how much clusters vary cannot be told within it. Compare folds "
            "instead or, if its units are independent, use clusters='name'."
        )
    generator, total = np.random.default_rng(seed), np.zeros(repeats)
    value = 0.0
    for members in strata([fold.keys for fold in folds]):
        number = len(folds[members[0]].keys)
        drawn = _draws(generator, number, repeats)
        for place in members:
            fold = folds[place]
            order = [fold.keys.index(key) for key in folds[members[0]].keys]
            whole, resampled = _differences(fold, score, repeats, generator)
            value += float(whole.mean()) / len(folds)
            total += (drawn * resampled[:, order]).sum(1) / drawn.sum(1) / len(folds)
    if np.isnan(value):
        raise ConfigError("The score does not exist on these units, such as that of a class that no image has.")
    return Resampled(value, total[~np.isnan(total)])


def _draws(generator: np.random.Generator, number: int, repeats: int) -> Array:
    """Return how often each is drawn ``(repeats, number)``; a single one is always there."""
    return generator.multinomial(max(1, number - 1), np.full(number, 1 / number), size=repeats).astype(np.float64)


def _differences(
    fold: CountedFold, score: Callable[[Array], Array], repeats: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    """Return the difference of every run on all clusters ``(R,)``, and on the drawn ones ``(repeats, R)``."""
    step = max(1, AT_ONCE // fold.clusters)
    whole = _of_runs(fold, score, np.ones((1, fold.clusters)))[0]
    parts = [
        _of_runs(fold, score, _draws(generator, fold.clusters, min(step, repeats - start)))
        for start in range(0, repeats, step)
    ]
    return whole, np.concatenate(parts)


def _of_runs(fold: CountedFold, score: Callable[[Array], Array], weights: Array) -> Array:
    """Return a - b of every run with weighted clusters ``(B, R)``."""
    sides = [
        [np.mean([score(np.tensordot(weights, counts, 1)) for counts in checkpoints], 0) for checkpoints in side]
        for side in (fold.a, fold.b)
        if side
    ]
    found = [np.stack(side, 1) for side in sides]
    difference: Array = found[0] if len(found) == 1 else found[0] - found[1]
    return difference
