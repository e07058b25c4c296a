"""Two rows compared on units, images or queries, rather than on folds: what is found, and what it holds for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import stats

from hqzoo.compare.crossed import CrossedFold, crossed_mean
from hqzoo.compare.mcnemar import clustered, unclustered
from hqzoo.compare.pigeonhole import CountedFold, pigeonhole
from hqzoo.compare.unit_runs import RUN_KEYS, PairedFold, UnitRun, pair_runs
from hqzoo.compare.unit_statistics import Linear, PerUnit, Ratio, Statistic, statistic_of
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["UnitDifference", "compare_units", "interval_of_units"]

Method = Literal["components", "pigeonhole", "mcnemar"]
METHODS = get_args(Method)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UnitDifference:
    """A mean difference over units, a - b, and what it holds for.

    Args:
        statistic: The score.
        method: How it was tested.
        mean: The difference: units count alike within their fold, runs alike, folds alike.
        low: Lower end of its interval; None where nothing varies, so that nothing can be told.
        high: Upper end.
        confidence: Coverage of the interval.
        p: Two-sided probability of a difference at least as large, if there were none.
        p_equivalence: Of two one-sided tests: below alpha, the difference lies within the margin. None: no margin.
        margin: The difference that nobody would mind.
        components: What adds how much to the variance of the mean: ``clusters``, ``runs``, ``residual``; of a
            bootstrap all at once, ``resampled``.
        degrees: Degrees of freedom of the variance; None where it is not used.
        units: Number of units.
        clusters: Number of independent clusters that they come in.
        runs: Number of independent pairs of runs.
        scope: What the finding holds for, as the end of a sentence.
    """

    statistic: str
    method: Method
    mean: float
    low: float | None
    high: float | None
    confidence: float
    p: float | None
    p_equivalence: float | None
    margin: float | None
    components: Mapping[str, float]
    degrees: float | None
    units: int
    clusters: int
    runs: int
    scope: str


@dataclass(frozen=True)
class _Tested:
    mean: float
    low: float | None
    high: float | None
    p: float | None
    p_equivalence: float | None
    components: Mapping[str, float]
    degrees: float | None = None


def compare_units(
    a: Sequence[UnitRun],
    b: Sequence[UnitRun],
    statistic: str | PerUnit,
    clusters: str = "group",
    runs: Sequence[str] = RUN_KEYS,
    margin: float | None = None,
    method: Method | None = None,
    *,
    need_margin: bool = False,
    confidence: float = 0.95,
    repeats: int = 2000,
    seed: int = 0,
) -> UnitDifference:
    """Compare two rows on the units that both were scored on.

    Units of one cluster, such as the images of a patient, depend on each other, and so do the scores of one run, so
    that neither is counted as if it were independent. Runs of one pretraining (several probes) are averaged: what is
    counted are pretrainings. With one run, or the probes of one pretraining, nothing is known of others, and the
    finding is about that checkpoint alone.

    Args:
        a: Runs of a row, see :func:`hqzoo.compare.units_of_row` and :func:`hqzoo.compare.read_units`.
        b: Runs of another, with the same folds, seeds and names of pretrainings.
        statistic: Name of a score, ``miou``, or a function from a run's columns to one number per unit, see
            :func:`hqzoo.compare.unit_statistics.statistic_of`.
        clusters: Column of what units were taken from; ``"name"``: every unit is independent.
        runs: What tells runs apart; the first is counted, see :func:`hqzoo.compare.unit_runs.pair_runs`.
        margin: The difference that nobody would mind; None: that of the score's metric, which may have none.
        method: ``"components"``: variance components of units x runs, for scores of which every unit has one
            (:func:`hqzoo.compare.crossed.crossed_mean`). ``"pigeonhole"``: a bootstrap over clusters and runs, for
            scores of counts that are added up first (:func:`hqzoo.compare.pigeonhole.pigeonhole`). ``"mcnemar"``: for
            one pair of checkpoints that are right or wrong (:mod:`hqzoo.compare.mcnemar`). None: what the score needs;
            for one pair and ``accuracy`` the last.
        need_margin: Whether equivalence has to be told.
        confidence: Coverage of the interval, between 0 and 1.
        repeats: Resamples of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: If runs do not pair, their units differ in name, truth or cluster, the score or method does not
            fit, or equivalence has to be told and there is no margin.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence={confidence} must lie between 0 and 1, such as 0.95.")
    folds = pair_runs(a, b, clusters, runs)
    score = statistic_of(statistic, next(iter(folds[0].a.values()))[0])
    margin = _margin(score, margin, need_margin)
    number = len({key for fold in folds for key in fold.keys})
    single = len(a) == 1
    chosen = _method(method, score, single)
    if chosen == "pigeonhole" or isinstance(score, Ratio):
        tested = _pigeonhole(folds, score, margin, confidence, repeats, seed)
    elif chosen == "components":
        folds, tested = _components(folds, score, margin, confidence)
    else:
        folds, tested = _mcnemar(folds[0], score, single, margin, confidence)
    units, independent = (sum(getattr(fold, what) for fold in folds) for what in ("units", "clusters"))
    name = statistic if isinstance(statistic, str) else score.metric.name
    scope = _scope(chosen, folds, number, units, independent)
    return UnitDifference(
        name, chosen, **vars(tested), margin=margin, confidence=confidence,
        units=units, clusters=independent, runs=number, scope=scope,
    )  # fmt: skip


def interval_of_units(
    runs: Sequence[UnitRun],
    statistic: str | PerUnit,
    clusters: str = "group",
    confidence: float = 0.95,
    repeats: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of one row's score, by the bootstrap over clusters of units and over runs.

    Args:
        runs: Its runs.
        statistic: As of :func:`compare_units`.
        clusters: Likewise.
        confidence: Coverage of the interval.
        repeats: Resamples.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: As of :func:`compare_units`.
    """
    folds = pair_runs(runs, runs, clusters, RUN_KEYS)
    score = statistic_of(statistic, next(iter(folds[0].a.values()))[0])
    ratio = _as_ratio(score) if isinstance(score, Linear) else score
    counted = [CountedFold(_counts(fold, fold.a, ratio), (), fold.keys) for fold in folds]
    return pigeonhole(counted, ratio.score, repeats, seed).interval(confidence)


def _margin(score: Statistic, margin: float | None, needed: bool) -> float | None:
    found = score.metric.margin if margin is None else margin
    if found is None and needed:
        raise ConfigError(
            f"Nobody has said which difference in {score.metric.heading} would not matter: the metric "
            f"'{score.metric.name}' has no margin. Give one with margin=, in the unit of the score."
        )
    if found is not None and not (math.isfinite(found) and found > 0):
        raise ConfigError(f"margin={found} must be positive: the difference that nobody would mind, such as 0.01.")
    return found


def _method(method: Method | None, score: Statistic, single: bool) -> Method:
    if method is None:
        if isinstance(score, Ratio):
            return "pigeonhole"
        return "mcnemar" if single and score.metric.name == "accuracy" else "components"
    if method not in METHODS:
        raise ConfigError(unknown_name("method", str(method), METHODS))
    if method != "pigeonhole" and isinstance(score, Ratio):
        raise ConfigError(
            f"method='{method}' takes scores of which every unit has one; {score.metric.heading} is a ratio of counts "
            "that are added up over units. Use method='pigeonhole'."
        )
    return method


def _of_runs(runs: Mapping[tuple[Any, ...], Sequence[UnitRun]], score: Linear) -> Array:
    """Return the scores of every unit and run ``(N, R)``; those of one pretraining are averaged."""
    return np.stack([np.mean([score.of_run(run) for run in each], 0) for each in runs.values()], 1)


def _with_scores(fold: PairedFold, score: Linear) -> tuple[PairedFold, Array, Array]:
    """Return scores of both rows, and the fold, without the units that have none.

    Raises:
        ConfigError: If a unit has a score in some runs only, or one is infinite.
    """
    a, b = _of_runs(fold.a, score), _of_runs(fold.b, score)
    both = np.concatenate([a, b], 1)
    missing = np.isnan(both)
    kept = ~missing.all(1)
    wrong = (kept & missing.any(1)) | np.isinf(both).any(1)
    if wrong.any() or not kept.any():
        name = next(iter(fold.a.values()))[0].columns["name"][np.flatnonzero(wrong)[0] if wrong.any() else 0]
        raise ConfigError(
            f"{score.metric.heading} is no finite number in every run for {int(wrong.sum()) or len(kept)} units of "
            f"fold {fold.fold}, such as '{name}'. A unit has a score in all runs, or in none (NaN)."
        )
    cluster = np.unique(fold.cluster[kept], return_inverse=True)[1]
    return PairedFold(fold.fold, fold.a, fold.b, cluster), a[kept], b[kept]


def _components(
    folds: Sequence[PairedFold], score: Linear, margin: float | None, confidence: float
) -> tuple[list[PairedFold], _Tested]:
    found = [_with_scores(fold, score) for fold in folds]
    mean = crossed_mean([CrossedFold(fold.fold, a - b, fold.cluster, fold.keys) for fold, a, b in found])
    parts = {"clusters": mean.clusters, "runs": mean.runs, "residual": mean.residual}
    components = {name: value for name, value in parts.items() if value is not None}
    tested = _student(mean.value, mean.value, math.sqrt(mean.variance), mean.degrees, margin, confidence)
    return [fold for fold, _, _ in found], _Tested(**{**vars(tested), "components": components})


def _mcnemar(
    fold: PairedFold, score: Linear, single: bool, margin: float | None, confidence: float
) -> tuple[list[PairedFold], _Tested]:
    if not single:
        raise ConfigError(
            "method='mcnemar' compares one pair of checkpoints; there are more. Use method='components', which counts "
            "that runs vary, or give one run of each row."
        )
    fold, a, b = _with_scores(fold, score)
    if not np.isin([a, b], (0, 1)).all():
        raise ConfigError(
            f"method='mcnemar' takes units that are right or wrong, 1 or 0; {score.metric.heading} has other values. "
            "Use method='components'."
        )
    right_a, right_b = a[:, 0] == 1, b[:, 0] == 1
    several = fold.clusters < fold.units
    found = clustered(right_a, right_b, fold.cluster) if several else unclustered(right_a, right_b)
    tested = _student(found.value, found.center, found.error, found.degrees, margin, confidence)
    degrees = found.degrees if several else None
    return [fold], _Tested(**{**vars(tested), "p": found.p, "degrees": degrees, "components": {}})


def _student(
    mean: float, center: float, error: float, degrees: float, margin: float | None, confidence: float
) -> _Tested:
    """Return interval and p-values of Student's distribution (t-test, and two one-sided ones: Schuirmann 1987)."""
    if error == 0:  # copies of each other, or a difference that is the same everywhere: no test is possible
        return _Tested(mean, None, None, None, None, {})
    half = float(stats.t.ppf((1 + confidence) / 2, degrees)) * error
    p = 2 * float(stats.t.sf(abs(center) / error, degrees))
    equivalence = None if margin is None else float(stats.t.sf((margin - abs(center)) / error, degrees))
    return _Tested(mean, center - half, center + half, p, equivalence, {}, degrees)


def _pigeonhole(
    folds: Sequence[PairedFold], score: Statistic, margin: float | None, confidence: float, repeats: int, seed: int
) -> _Tested:
    ratio = _as_ratio(score) if isinstance(score, Linear) else score
    counted = [CountedFold(_counts(fold, fold.a, ratio), _counts(fold, fold.b, ratio), fold.keys) for fold in folds]
    found = pigeonhole(counted, ratio.score, repeats, seed)
    components = {"resampled": float(found.values.var(ddof=1)) if len(found.values) > 1 else 0.0}
    if len(found.values) < 2 or np.ptp(found.values) == 0:
        return _Tested(found.value, None, None, None, None, components)
    low, high = found.interval(confidence)
    p = min(1.0, 2 * min(found.below(0.0), found.above(0.0)))
    equivalence = None if margin is None else max(found.below(-margin), found.above(margin))
    return _Tested(found.value, low, high, p, equivalence, components)


def _as_ratio(score: Linear) -> Ratio:
    """Return a mean over units as a ratio: of the sum of scores, and how many there are."""

    def counts(run: UnitRun) -> Array:
        values = score.of_run(run)
        return np.stack([np.nan_to_num(values), ~np.isnan(values)], 1)

    return Ratio(score.metric, counts, lambda totals: totals[..., 0] / totals[..., 1])


def _counts(fold: PairedFold, runs: Mapping[tuple[Any, ...], Sequence[UnitRun]], ratio: Ratio) -> list[list[Array]]:
    """Return the counts of every checkpoint, added up by cluster."""
    found = []
    for checkpoints in runs.values():
        of_units = [ratio.counts(run) for run in checkpoints]
        totals = [np.zeros((fold.clusters, *counts.shape[1:])) for counts in of_units]
        for total, counts in zip(totals, of_units, strict=True):
            np.add.at(total, fold.cluster, counts)
        found.append(totals)
    return found


def _scope(method: Method, folds: Sequence[PairedFold], runs: int, units: int, clusters: int) -> str:
    """Return what a finding holds for, and what was drawn."""
    drawn = f"{units} units" if clusters == units else f"{units} units in {clusters} clusters"
    if method == "mcnemar":
        return f"these two checkpoints ({drawn})"
    if max(len(fold.keys) for fold in folds) == 1:
        what = "this checkpoint" if runs == 1 else f"these checkpoints, one in each of {len(folds)} folds"
        return f"{what} ({drawn})"
    where = "" if len(folds) == 1 else f" on these {len(folds)} training sets"
    return f"runs of this training{where} ({runs} runs, {drawn})"
