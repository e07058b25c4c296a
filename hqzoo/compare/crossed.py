r"""Differences of units x runs: the variance of their mean from its two sources, and what both have in common.

A difference :math:`d_{ur}` of unit u and run r is :math:`\mu + \alpha_g + \beta_r + \varepsilon_{gr}`: what the unit's
cluster g of images, what the run, and what the two together make of it. Units that are scored by several runs are no
new units, and runs that are scored on several units no new runs, so that neither the number of units nor that of pairs
may be the n of a t-test. It is the model of studies with several readers and several cases in radiology (Dorfman,
Berbaum and Metz 1992; Obuchowski and Rockette 1995), with runs for readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.errors import ConfigError

__all__ = ["CrossedFold", "CrossedMean", "crossed_mean", "strata"]

Array = npt.NDArray[np.float64]
NOISE = 1e-10  # relative: differences that are equal up to rounding have no spread


@dataclass(frozen=True)
class CrossedFold:
    """Differences on the units of one fold.

    Args:
        fold: The fold.
        values: ``(N, R)``.
        cluster: Number of every unit's cluster ``(N,)``, from 0.
        keys: What tells the R runs apart, also over folds.
    """

    fold: int
    values: Array
    cluster: npt.NDArray[np.intp]
    keys: tuple[Any, ...]

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max()) + 1

    def shares(self) -> Array:
        """Return what every cluster and run add to the fold's deviation from its mean, ``(G, R)``; the sum is 0."""
        shares = np.zeros((self.clusters, self.values.shape[1]))
        np.add.at(shares, self.cluster, (self.values - self.values.mean()) / len(self.values))
        return shares


@dataclass(frozen=True)
class CrossedMean:
    """A mean difference, and what its variance is made of.

    Args:
        value: The mean: folds count alike, and units within their fold.
        clusters: What the choice of clusters adds to its variance.
        runs: What the choice of runs adds; None: of one run alone nobody can tell.
        residual: What is left, of clusters with runs; None likewise.
        degrees: Degrees of freedom with which the sum is known.
    """

    value: float
    clusters: float
    runs: float | None
    residual: float | None
    degrees: float

    @property
    def variance(self) -> float:
        """Variance of the mean."""
        return self.clusters + (self.runs or 0.0) + (self.residual or 0.0)


def crossed_mean(folds: Sequence[CrossedFold]) -> CrossedMean:
    r"""Return the mean of differences and its variance components, in closed form.

    In one fold of G clusters and R runs, with :math:`Z_{gr}` the clusters' shares of the mean (:math:`G / N` times the
    sum of the cluster's deviations, which is the linearised mean of a sample of clusters of unequal sizes; Cochran
    1977), the mean squares of the two-way table estimate the variance of the mean as

    .. math:: V = \frac{MS_G + MS_R - MS_E}{G R}
                = \frac{\hat\sigma_\alpha^2}{G} + \frac{\hat\sigma_\beta^2}{R} + \frac{\hat\sigma_\varepsilon^2}{G R}

    (ANOVA estimators of two crossed random factors; Searle, Casella and McCulloch 1992, chapter 4), without bias before
    components below zero are set to zero. Folds of other units and other runs are independent, and their terms add up
    with the squares of their weights; runs that several folds share, such as those of one draw of initial weights, are
    one run over all of these. Degrees of freedom are Satterthwaite's (1946) of the mean squares that V is made of;
    CHOICE: MS_E, which V takes off, counts as well. With one run in every fold V is that of clusters alone.

    Of simulated differences without any (20 to 1000 clusters in one fold, run variance from none to all of it), a test
    at 5 % calls 2 to 6 % real with five runs or ten, and 2 to 8 % with three; with two, whose spread is hardly known,
    up to 13 % where runs vary most, so that two runs in one fold are too few.

    Args:
        folds: Differences fold by fold.

    Raises:
        ConfigError: If a fold has a single cluster, or folds have one run and several.
    """
    for fold in folds:
        if fold.clusters < 2:
            raise ConfigError(
                f"Fold {fold.fold} has one cluster of {len(fold.values)} units, such as one scene: how much clusters "
                "vary cannot be told within it. Compare folds instead or, if its units are independent, use "
                "clusters='name'."
            )
    together, weight = strata([each.keys for each in folds]), 1 / len(folds)
    shares = [weight * fold.shares() for fold in folds]
    clusters, residual, runs = _Sum(), _Sum(), _Sum()
    for each in shares:
        number, repeats = each.shape
        of_clusters, of_runs = each.mean(1, keepdims=True), each.mean(0, keepdims=True)
        clusters.add(number / (number - 1) * float((of_clusters**2).sum()), number - 1)
        if repeats > 1:
            degrees = (number - 1) * (repeats - 1)
            rest = float(((each - of_clusters - of_runs) ** 2).sum())
            residual.add(number / repeats * rest / degrees, degrees)
    for members in together:
        keys = folds[members[0]].keys
        orders = {place: [folds[place].keys.index(key) for key in keys] for place in members}
        totals = np.sum([shares[place].sum(0)[order] for place, order in orders.items()], 0)
        if len(totals) > 1:
            runs.add(float((totals**2).sum()) / (len(totals) * (len(totals) - 1)), len(totals) - 1)
    value = float(np.mean([fold.values.mean() for fold in folds]))
    scale = max(float(np.abs(fold.values).max()) for fold in folds)
    return _mean(value, clusters, runs, residual, any(len(each.keys) > 1 for each in folds), (NOISE * scale) ** 2)


def strata(keys: Sequence[tuple[Any, ...]]) -> list[list[int]]:
    """Return which folds have the same runs, by their places: their runs vary together, those of others apart.

    Args:
        keys: What tells the runs of every fold apart.

    Raises:
        ConfigError: If folds share some of their runs alone, or one has a single run and others have several.
    """
    found: dict[frozenset[Any], list[int]] = {}
    for place, own in enumerate(keys):
        found.setdefault(frozenset(own), []).append(place)
    if sum(map(len, found)) > len(frozenset[Any]().union(*found)):
        raise ConfigError("Runs do not pair over folds: some are in one fold and not in another that shares others.")
    numbers = sorted({len(own) for own in found})
    if numbers[0] == 1 and len(numbers) > 1:
        raise ConfigError(
            f"Some folds have one run, others up to {numbers[-1]}: how much runs vary cannot be told in the former. "
            "Compare the seeds that all folds have."
        )
    return list(found.values())


class _Sum:
    """A sum of independent mean squares, each with its factor, and its degrees of freedom (Satterthwaite 1946)."""

    def __init__(self) -> None:
        self.value = self.squares = 0.0

    def add(self, term: float, degrees: int) -> None:
        self.value += term
        self.squares += term**2 / degrees


def _mean(value: float, clusters: _Sum, runs: _Sum, residual: _Sum, several: bool, least: float) -> CrossedMean:
    """Put the mean squares together; a component below zero is zero, and what it would have taken off is left out."""
    kept = [each for each in (clusters, runs) if each.value > residual.value]
    of_clusters, of_runs = (max(0.0, each.value - residual.value) for each in (clusters, runs))
    squares = sum(each.squares for each in kept)
    if len(kept) != 1:  # of one component alone the residual is a part of its mean square
        squares += residual.squares
    total = of_clusters + of_runs + residual.value
    if total <= least:
        of_clusters = of_runs = 0.0
    return CrossedMean(
        value,
        of_clusters,
        of_runs if several else None,
        (residual.value if total > least else 0.0) if several else None,
        total**2 / squares if total > least else np.inf,
    )
