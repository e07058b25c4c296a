r"""What a table of scores supports: intervals, tests, and the words for them.

The units are folds: images that were left out of training. Runs that differ in their seed alone are no new images, so
they are averaged within their fold (:func:`fold_means`); what they add is a steadier value for the fold, never a
larger n. Only where one split is all there is, the units are its seeds, and what is found holds for that split
alone. Differences are paired: both runs saw the same images in training, and the same ones were scored.

Two things make the folds' differences less independent than the t-test takes them to be, so that it calls too many of
them real. Their training images overlap, and where all folds of a seed start alike, a start that suits one fold suits
others. :func:`paired_interval`, :func:`tost` and :func:`smallest_detectable` therefore take differences of F folds x S
seeds and the ``overlap`` of folds, and have the variance

.. math:: V = (1/F + n_\text{test} / n_\text{train})\, s_F^2 + s_S^2 / S

of the mean difference, where :math:`s_F^2` and :math:`s_S^2` are the variances of the folds' and of the seeds' means.
The first term is that of Nadeau and Bengio (2003) for folds that share training images; CHOICE:
:math:`n_\text{test} / n_\text{train} = 1 / (k - 1)` of k folds, also where a part of the training images is kept
apart. The second is two-way clustering (Cameron, Gelbach and Miller 2011) without taking off what both terms count
twice, which errs on the cautious side; degrees of freedom are Satterthwaite's (1946). With one seed there is nothing to
estimate the second term from, and what is found holds for that seed. Without overlap and with one difference per
unit, all this is the paired t-test. Where runs lack, seeds' means are those of an additive fit of folds and seeds, and
1/S is the sum of squares of the weights that seeds have in the mean.

This *two-way* rule is that of tables whose folds share the starts of a seed. It counts the luck of single runs in both
terms, and with it 1 % of false positives at a nominal 5 %; tables whose runs all start anew have
:mod:`hqzoo.compare.components` instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from hqzoo.compare.mean import Mean, without_spread
from hqzoo.errors import ConfigError

__all__ = [
    "LEAST_SCENES",
    "Interval",
    "Verdict",
    "fold_means",
    "hierarchical_bootstrap",
    "holm",
    "mean_of",
    "median_iqr",
    "paired_interval",
    "pitman_morgan",
    "smallest_detectable",
    "tost",
    "verdict",
]

LEAST_SCENES = 5

Array = npt.NDArray[np.float64]
Verdict = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True)
class Interval:
    """A mean difference and how well it is known; ``None`` where one number alone cannot say.

    Args:
        mean: Mean of the differences.
        low: Lower end of the interval.
        high: Upper end of the interval.
        sd: Standard deviation of the differences (n - 1 in the denominator).
        n: Number of differences.
        p: Two-sided probability of a mean at least this far from 0, if there were no difference.
    """

    mean: float
    low: float | None
    high: float | None
    sd: float | None
    n: int
    p: float | None


def fold_means(scores: Mapping[tuple[int, int], float]) -> dict[int, float]:
    """Average the seeds within every fold.

    Args:
        scores: Score, or difference, by (fold, seed).

    Returns:
        Mean by fold, in the order of the folds.
    """
    folds = sorted({fold for fold, _ in scores})
    return {fold: float(np.mean([value for key, value in scores.items() if key[0] == fold])) for fold in folds}


def paired_interval(differences: npt.ArrayLike, confidence: float = 0.95, overlap: float = 0.0) -> Interval:
    r"""Return the interval of a mean difference, :math:`\bar d \pm t_{(1+c)/2,\,\nu} \sqrt V` (Student 1908).

    Args:
        differences: One per unit ``(n,)``, or per fold and seed ``(F, S)``, with NaN for runs that lack; see the
            module's docstring.
        confidence: Coverage c, between 0 and 1.
        overlap: Test images over training images of the folds; 0: independent.

    Returns:
        Mean, interval and p; ``sd`` is that of the units and ``n`` their number. A single unit has a mean and nothing
        else.

    Raises:
        ConfigError: If there is no difference, one is no number, the overlap is negative, or ``confidence`` is no
            probability.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence={confidence} must lie between 0 and 1, such as 0.95.")
    values = _numbers(differences, 1, "paired_interval", (1, 2))
    units = _of_units(values)
    if len(units) == 1:
        return Interval(float(units[0]), None, None, None, 1, None)
    mean = mean_of(values, overlap)
    low, high = mean.ends(confidence)
    sd = float(units.std(ddof=1)) if mean.error else 0.0
    return Interval(mean.value, low, high, sd, len(units), mean.p_of_difference())


def hierarchical_bootstrap(
    scores_a: npt.ArrayLike | Mapping[Any, Sequence[float]],
    scores_b: npt.ArrayLike | Mapping[Any, Sequence[float]],
    repeats: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    r"""Return a bootstrap interval of the mean of a - b that resamples scenes, then seeds within each.

    Both levels are drawn with replacement, the larger unit first (Davison and Hinkley 1997, section 3.8); a drawn seed
    is the same in a and b, as the runs are paired. The interval is the percentile interval, p is
    :math:`2 \min(P(d^* \le 0), P(d^* \ge 0))` with one added to counts and repeats (ibid., eq. 4.11).

    With few scenes percentile intervals are too narrow. Measured over 10,000 tables of one seed (4,000 of three, whose
    standard deviation is half that of scenes), 95 % intervals cover the truth in 84 % (85 %) of five independent normal
    scenes, 90 % (91 %) of ten, 94 % (94 %) of forty. Folds that share training images are worse, as they are resampled
    like independent ones: with effects that correlate by 1/k, 68 % of five and 76 % of ten. Verdicts rest on other
    intervals therefore, and this one shows whether they hang on the normal distribution.

    Args:
        scores_a: Scores as scenes x seeds, or by scene a list over seeds, of which scenes may have unequally many.
        scores_b: Those of the other row, of the same shape.
        repeats: Number of resamples.
        seed: Seed of the resampling.
        confidence: Coverage, between 0 and 1.

    Returns:
        The interval; ``sd`` is that of the scenes' mean differences and ``n`` the number of scenes.

    Raises:
        ConfigError: If there are fewer than five scenes, the shapes differ, or a score is no number.
    """
    differences = _scene_differences(scores_a, scores_b)
    n = len(differences)
    if n < LEAST_SCENES:
        raise ConfigError(
            f"A bootstrap over {n} scenes says little: resamples repeat the same few numbers. It takes at least "
            f"{LEAST_SCENES}; use paired_interval."
        )
    if repeats < 1 or not 0 < confidence < 1:
        raise ConfigError(f"repeats={repeats} must be at least 1 and confidence={confidence} between 0 and 1.")
    means = _resampled_means(differences, repeats, np.random.default_rng(seed))
    low, high = (float(q) for q in np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2]))
    of_scenes = np.array([values.mean() for values in differences])
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (repeats + 1))
    return Interval(float(of_scenes.mean()), low, high, float(of_scenes.std(ddof=1)), n, p)


def holm(p_values: Sequence[float], number: int | None = None) -> list[float]:
    r"""Return p-values corrected for their number, in the given order (Holm 1979).

    The i-th smallest of m is multiplied by :math:`m - i + 1`, and none may be smaller than one before it. Rejecting
    what lies below alpha keeps the chance of any wrong rejection below alpha, however the tests depend on each other.

    Args:
        p_values: Uncorrected ones, 0 to 1.
        number: How many tests m the family has; those whose p is not known yet are taken to have larger ones. Default:
            as many as there are p-values.

    Raises:
        ConfigError: If one is no probability, or there are more of them than tests.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ConfigError(f"holm takes probabilities from 0 to 1, got {list(p_values)}.")
    m = len(p_values) if number is None else number
    if m < len(p_values):
        raise ConfigError(f"holm got {len(p_values)} probabilities of a family of number={m} tests.")
    corrected, largest = [0.0] * len(p_values), 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        largest = max(largest, min(1.0, (m - position) * p_values[index]))
        corrected[index] = largest
    return corrected


def tost(differences: npt.ArrayLike, margin: float = 0.01, overlap: float = 0.0) -> float:
    """Return the p-value of two one-sided t-tests (Schuirmann 1987): is the mean within ``margin`` of 0?

    Below alpha, the interval of confidence 1 - 2 alpha lies within the margin, and the two count as equivalent.

    Args:
        differences: As in :func:`paired_interval`, of at least two units.
        margin: The difference that nobody would mind, in units of the score. CHOICE .01: one point of IoU.
        overlap: As in :func:`paired_interval`.

    Raises:
        ConfigError: If there are fewer than two units, the margin is not positive, or the overlap is negative.
    """
    return mean_of(_numbers(differences, 2, "tost", (1, 2)), overlap).p_of_equivalence(margin)


def verdict(
    interval: Interval,
    p_difference: float | None,
    p_equivalence: float | None,
    alpha: float = 0.05,
    higher_is_better: bool = True,
) -> Verdict:
    """Return the word that a comparison supports.

    A difference that is told from 0 is "better" or "worse", however small; else one that is told from the margin is
    "equivalent"; else nothing was shown, "undecided", which is not the same as equal.

    Args:
        interval: Of the differences, row minus what it is compared with.
        p_difference: p of no difference, corrected for the number of comparisons; None: cannot be told.
        p_equivalence: p of :func:`tost`, corrected likewise; None: cannot be told.
        alpha: Chance of a wrong word that is accepted.
        higher_is_better: False for errors such as a loss.
    """
    if p_difference is not None and p_difference < alpha:
        return "better" if (interval.mean > 0) == higher_is_better else "worse"
    if p_equivalence is not None and p_equivalence < alpha:
        return "equivalent"
    return "undecided"


def smallest_detectable(
    differences: npt.ArrayLike, power: float = 0.8, alpha: float = 0.05, overlap: float = 0.0
) -> float:
    r"""Return the difference that a test of this spread and size finds, with its sign, with ``power``.

    Solves :math:`P(T'_\nu(\delta / \sqrt V) > t_{1-\alpha/2,\,\nu}) = \text{power}` for :math:`\delta` with the
    non-central t distribution (Cohen 1988, chapter 2); the test is two-sided. Smaller differences may exist; such a
    table would mostly miss them.

    Args:
        differences: As in :func:`paired_interval`, of at least two units; only their spread counts.
        power: Chance of finding the difference, above ``alpha`` and below 1.
        alpha: Level of the test.
        overlap: As in :func:`paired_interval`.

    Raises:
        ConfigError: If there are fewer than two units, or power, alpha and overlap make no sense.
    """
    return mean_of(_numbers(differences, 2, "smallest_detectable", (1, 2)), overlap).detectable(power, alpha)


def mean_of(differences: npt.ArrayLike, overlap: float = 0.0) -> Mean:
    """Return the mean difference with its error by the two-way rule, see the module's docstring.

    Args:
        differences: As in :func:`paired_interval`, of at least two units.
        overlap: As in :func:`paired_interval`.

    Raises:
        ConfigError: If there are fewer than two units, or the overlap is negative.
    """
    if overlap < 0:
        raise ConfigError(f"overlap={overlap}: test images over training images is not negative.")
    values = _numbers(differences, 2, "mean_of", (1, 2))
    units = _of_units(values)
    known = values[np.isfinite(values)]
    if without_spread(known, float(np.abs(known).max())):
        return Mean(float(units.mean()), 0.0, len(units) - 1)
    parts = [(float(units.var(ddof=1)) * (1 / len(units) + overlap), len(units) - 1)]
    if values.ndim == 2:
        parts += _part_of_seeds(values)
    variance = sum(part for part, _ in parts)
    degrees = 1 / sum((part / variance) ** 2 / own for part, own in parts)  # Satterthwaite 1946
    return Mean(float(units.mean()), math.sqrt(variance), degrees)


def pitman_morgan(a: npt.ArrayLike, b: npt.ArrayLike, groups: Sequence[Any] | None = None) -> float:
    r"""Return the p-value of equal spread of paired scores (Pitman 1939, Morgan 1939).

    Spreads are equal exactly if sums and differences of the pairs do not correlate; their correlation r has
    :math:`t = r \sqrt{\nu / (1 - r^2)}` with :math:`\nu = n - g - 1` degrees of freedom, where g means were taken off:
    that of all pairs, or that of every group. Paired scores may correlate, as rows that share folds do; the scores are
    taken to be normal. Pairs that all have the same sum, or the same difference, have p = 1.

    Args:
        a: Scores of single runs.
        b: The other row's, of the same folds and seeds.
        groups: The fold of every pair, where folds have several runs: spread is then that of runs within their fold,
            as runs of one fold are no further folds. Default: one group, so that spread is that of all pairs.

    Raises:
        ConfigError: If the rows are not equally long, or leave no degree of freedom.
    """
    pair = [_numbers(each, 3, "pitman_morgan") for each in (a, b)]
    labels = list(groups) if groups is not None else [0] * len(pair[0])
    if not len(pair[0]) == len(pair[1]) == len(labels):
        raise ConfigError(
            f"Spread is compared of pairs; got {len(pair[0])} and {len(pair[1])} scores, of {len(labels)}."
        )
    degrees = len(labels) - len(set(labels)) - 1
    if degrees < 1:
        raise ConfigError(f"{len(labels)} pairs in {len(set(labels))} groups are too few to compare their spread.")
    magnitude = float(np.abs(pair).max())
    sums, differences = (_centred(each, labels) for each in (pair[0] + pair[1], pair[0] - pair[1]))
    if without_spread(sums, magnitude) or without_spread(differences, magnitude):
        return 1.0
    r = float(sums @ differences / math.sqrt((sums @ sums) * (differences @ differences)))
    return float(2 * stats.t.sf(abs(r) * math.sqrt(degrees / max(1 - r * r, 1e-300)), degrees))


def median_iqr(values: npt.ArrayLike) -> tuple[float, float]:
    """Return median and interquartile range; quartiles interpolate linearly (Hyndman and Fan 1996, definition 7).

    Raises:
        ConfigError: If there is no value.
    """
    low, middle, high = np.quantile(_numbers(values, 1, "median_iqr"), [0.25, 0.5, 0.75])
    return float(middle), float(high - low)


def _of_units(values: Array) -> Array:
    """Return the mean of every unit over the runs that it has."""
    return values if values.ndim == 1 else np.nanmean(values, axis=1)


def _part_of_seeds(values: Array) -> list[tuple[float, int]]:
    """Return what seeds that folds share add to the variance of the mean, with its degrees of freedom; else nothing."""
    folds, seeds = np.nonzero(np.isfinite(values))
    shared = len(np.unique(seeds)) < len(seeds)
    if values.shape[1] < 2 or not shared:
        return []
    design = np.hstack([np.eye(values.shape[1])[seeds], np.eye(values.shape[0])[folds]])
    effects = np.linalg.lstsq(design, values[folds, seeds], rcond=None)[0][: values.shape[1]]
    runs = np.bincount(folds)
    weights = np.bincount(seeds, 1 / (runs[folds] * len(runs)))
    return [(float(effects.var(ddof=1) * (weights**2).sum()), values.shape[1] - 1)]


def _centred(values: Array, labels: Sequence[Any]) -> Array:
    """Return values without the mean of their group."""
    groups = np.unique(np.asarray(labels), return_inverse=True)[1]
    return values - (np.bincount(groups, values) / np.bincount(groups))[groups]


def _numbers(values: npt.ArrayLike, least: int, what: str, dimensions: tuple[int, ...] = (1,)) -> Array:
    array = np.asarray(values, dtype=np.float64)
    known = np.isfinite(array)
    if array.ndim == 2:  # a run may lack, but no fold and no seed as a whole
        known = np.append(known.any(axis=0), known.any(axis=1)) & ~np.isinf(array).any()
    if array.ndim not in dimensions or len(array) < least or not array.size or not known.all():
        shape = "in a row" if dimensions == (1,) else "in a row, or folds x seeds"
        raise ConfigError(f"{what} takes at least {least} finite numbers {shape}, got {values!r}.")
    return array


def _scene_differences(
    scores_a: npt.ArrayLike | Mapping[Any, Sequence[float]], scores_b: npt.ArrayLike | Mapping[Any, Sequence[float]]
) -> list[Array]:
    """Return a - b by scene, one array over seeds each."""
    a, b = _by_scene(scores_a), _by_scene(scores_b)
    if list(a) != list(b) or any(len(a[scene]) != len(b[scene]) for scene in a):
        raise ConfigError(
            "A paired bootstrap takes the same scenes and seeds of both rows; got "
            f"{ {scene: len(values) for scene, values in a.items()} } and "
            f"{ {scene: len(values) for scene, values in b.items()} } (scores by scene)."
        )
    return [
        _numbers(a[scene], 1, "hierarchical_bootstrap") - _numbers(b[scene], 1, "hierarchical_bootstrap") for scene in a
    ]


def _by_scene(scores: npt.ArrayLike | Mapping[Any, Sequence[float]]) -> dict[Any, Sequence[float]]:
    if isinstance(scores, Mapping):
        return {scene: scores[scene] for scene in sorted(scores)}
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2:
        raise ConfigError(f"Scores are an array of scenes x seeds or a dictionary; got one of shape {array.shape}.")
    return dict(enumerate(array.tolist()))


def _resampled_means(differences: Sequence[Array], repeats: int, generator: np.random.Generator) -> Array:
    """Return the mean over resampled scenes of the mean over resampled seeds, ``(repeats,)``."""
    n, sizes = len(differences), np.array([len(values) for values in differences])
    padded = np.zeros((n, sizes.max()))
    for scene, values in enumerate(differences):
        padded[scene, : len(values)] = values
    scenes = generator.integers(n, size=(repeats, n))
    counts = sizes[scenes]
    places = np.arange(padded.shape[1])
    drawn = padded[scenes[..., None], generator.integers(counts[..., None], size=(*scenes.shape, len(places)))]
    means: Array = ((drawn * (places < counts[..., None])).sum(-1) / counts).mean(-1)
    return means
