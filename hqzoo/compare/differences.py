"""What the differences of a table's rows support: intervals, p-values and words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from hqzoo.compare.components import Components
from hqzoo.compare.families import Basis, Family, family_of, groups, mean_of_pair
from hqzoo.compare.mean import Mean, without_spread
from hqzoo.compare.published import published_gain
from hqzoo.compare.scores import Key, Scores, Unit, paired, published_folds, units_of
from hqzoo.compare.statistics import (
    LEAST_SCENES,
    Interval,
    hierarchical_bootstrap,
    holm,
    mean_of,
    paired_interval,
    pitman_morgan,
    verdict,
)
from hqzoo.compare.table import Comparison, Table
from hqzoo.tasks.metric import Metric

__all__ = [
    "ALPHA", "BARELY_TRAINED", "NOT_RUN", "POWER", "RULES", "UNFINISHED", "Judge", "Keys", "Rule", "compare", "rule_of",
]  # fmt: skip

ALPHA, POWER = 0.05, 0.8
NOT_RUN, UNFINISHED = "not run", "unfinished"
BARELY_TRAINED = "undecided: barely trained"

Rule = Literal["components", "two_way"]
RULES: dict[Rule, str] = {
    "components": "errors are those of variance components (row x fold, single run), estimated by REML over the rows "
    "that a family of comparisons connects, or for a pair alone where these rows are not alike; the fold part grows "
    "with the training images that folds share",
    "two_way": "errors count the spread over folds, which grows with the training images that folds share (Nadeau and "
    "Bengio 2003), and that over seeds, which all folds start from (two-way clustering)",
}
"""How the error of a mean difference comes about."""

Keys = Mapping[str, set[Key]]  # by row: folds and seeds


@dataclass(frozen=True)
class Judge:
    """What makes a difference a good one, and one that nobody would mind; without a margin all others matter."""

    metric: Metric
    margin: float | None
    barely_trained: bool = False
    """Whether rows of the table were not trained far enough for any verdict."""

    def equivalence(self, mean: Mean | None) -> float | None:
        """Return the p-value of a difference within the margin; None where it cannot be told."""
        return mean.p_of_equivalence(self.margin) if self.margin and mean else None

    def word(self, interval: Interval | None, p: float | None, p_equivalence: float | None, scope: str) -> str:
        """Return the verdict and, where there is none, why.

        Without any spread no test is possible: such runs are copies of each other, or learned nothing.
        """
        if interval is None:
            return "no common score"
        if interval.n == 1:
            return "undecided: one pair"
        if interval.sd == 0:
            return "undecided: no spread"
        if self.barely_trained:
            return BARELY_TRAINED
        word = verdict(interval, p, p_equivalence, ALPHA, self.metric.higher_is_better)
        if word == "undecided":
            return word if self.margin else f"{word}: no margin"
        small = word != "equivalent" and p_equivalence is not None and p_equivalence < ALPHA
        return f"{word}{scope}{', but within the margin' * small}"


@dataclass(frozen=True)
class _Pair:
    """Two rows' differences, and how well their mean is known.

    Args:
        differences: By fold and seed.
        units: Their means by fold, or by seed of the only split.
        mean: The mean with its error; None for one unit, and for differences without any spread.
        components: Those that the error rests on, if any.
        basis: Which runs the error is from.
    """

    differences: Scores
    units: dict[int, float]
    mean: Mean | None = None
    components: Components | None = None
    basis: Basis | None = None

    @property
    def interval(self) -> Interval | None:
        """The interval of the mean; None without differences."""
        if not self.units:
            return None
        values = list(self.units.values())
        if self.mean is None:
            return Interval(fmean(values), None, None, 0.0 if len(values) > 1 else None, len(values), None)
        low, high = self.mean.ends(1 - ALPHA)
        return Interval(self.mean.value, low, high, stdev(values), len(values), self.mean.p_of_difference())


def rule_of(table: Table) -> Rule:
    """Return the rule by which the errors of a table's differences are made.

    Components take runs to start anew in every fold; tables whose folds share the starts of a seed keep the two-way
    rule, under which they were published.
    """
    return "two_way" if table.seed_rule == "shared" else "components"


def compare(
    table: Table,
    judge: Judge,
    comparisons: Sequence[Comparison],
    scores: Mapping[str, Scores],
    run: Keys,
    planned: Keys,
    unit: Unit,
    overlap: float,
) -> list[dict[str, Any]]:
    """Return the statistics of comparisons; p-values are corrected within each family, run or not (Holm).

    Intervals, ``p``, ``p_equivalence`` and ``smallest_detectable`` have the error that the table's rule gives the mean,
    see :data:`RULES`; ``p_plain`` is that of the t-test over folds. ``error_from`` says which runs the components are
    from: all rows of the ``family``, the ``pair`` alone, or no components but the pair's ``fold means``.
    """
    published = {row.name: published_folds(row) for row in table.rows}
    pairs = _pairs(rule_of(table), comparisons, scores, unit, overlap)
    intervals = [pair.interval for pair in pairs]
    plain = [paired_interval(list(pair.units.values())) if pair.mean and overlap else None for pair in pairs]
    families = [each.family for each in comparisons]
    p, p_plain = (
        _corrected([None if each is None else each.p for each in tests], families) for tests in (intervals, plain)
    )
    p_equivalence = _corrected([judge.equivalence(pair.mean) for pair in pairs], families)
    found = []
    for i, (comparison, pair) in enumerate(zip(comparisons, pairs, strict=True)):
        row, against = scores[comparison.row], scores[comparison.against]
        interval, size = intervals[i], families.count(families[i])
        level = ALPHA / size  # what the first step of Holm's correction leaves
        found.append({
            **asdict(comparison), "family_size": size, "units": pair.units, "runs": len(pair.differences),
            "all_runs": len(pair.differences) == len(row) == len(against),
            "interval": None if interval is None else asdict(interval),
            "degrees": pair.mean.degrees if pair.mean else None, "error_from": pair.basis,
            "components": pair.components.to_dict() if pair.components else None,
            "p": p[i], "p_plain": p_plain[i], "p_equivalence": p_equivalence[i],
            "verdict": _state(comparison, run, planned)
            or judge.word(interval, p[i], p_equivalence[i], _scope(rule_of(table), pair.differences, unit)),
            "smallest_detectable": pair.mean.detectable(POWER, level) if pair.mean else None,
            "bootstrap": _bootstrap(row, against, pair.differences),
            "published": (gain := _published_difference(published[comparison.row], published[comparison.against])),
            "published_gain": published_gain(
                pair.mean, list(paired(published[comparison.row], published[comparison.against]).values()), gain
            ),
            **_spread(row, against, list(pair.differences), unit),
        })  # fmt: skip
    return found


def _pairs(
    rule: Rule, comparisons: Sequence[Comparison], scores: Mapping[str, Scores], unit: Unit, overlap: float
) -> list[_Pair]:
    families: dict[tuple[str, ...], Family] = {}
    found = []
    for comparison, names in zip(comparisons, groups(comparisons), strict=True):
        row, against = scores[comparison.row], scores[comparison.against]
        differences = paired(row, against)
        pair = _Pair(differences, units_of(differences, unit))
        magnitude = max((abs(each[key]) for each in (row, against) for key in differences), default=0.0)
        if len(pair.units) > 1 and not without_spread(list(differences.values()), magnitude):
            if rule == "two_way":
                pair = _Pair(differences, pair.units, mean_of(_by_fold_and_seed(differences, unit), overlap))
            else:
                if names not in families:
                    families[names] = family_of({name: scores[name] for name in names})
                pair = _Pair(differences, pair.units, *mean_of_pair(row, against, families[names], overlap))
        found.append(pair)
    return found


def _by_fold_and_seed(differences: Scores, unit: Unit) -> list[Any]:
    """Return differences as folds x seeds, NaN where one lacks, or by seed of the only split."""
    if unit == "seed":
        return list(differences.values())
    folds, seeds = (sorted({key[place] for key in differences}) for place in (0, 1))
    return [[differences.get((fold, seed), math.nan) for seed in seeds] for fold in folds]


def _scope(rule: Rule, pairs: Scores, unit: Unit) -> str:
    """Return what a verdict holds for alone: one split, or a seed that all folds started from; empty: neither."""
    if unit == "seed":
        return " on this split"
    return " at one seed" if rule == "two_way" and len({seed for _, seed in pairs}) == 1 else ""


def _published_difference(row: Scores, against: Scores) -> float | None:
    """Return the mean difference that a paper published, over its folds."""
    differences = paired(row, against)
    return fmean(differences.values()) if differences else None


def _corrected(p_values: Sequence[float | None], families: Sequence[str]) -> list[float | None]:
    corrected: list[float | None] = [None] * len(p_values)
    for family in dict.fromkeys(families):
        of_family = [i for i, (p, name) in enumerate(zip(p_values, families, strict=True))
                     if name == family and p is not None]  # fmt: skip
        values = holm([p for i in of_family if (p := p_values[i]) is not None], families.count(family))
        for i, value in zip(of_family, values, strict=True):
            corrected[i] = value
    return corrected


def _state(comparison: Comparison, run: Keys, planned: Keys) -> str:
    """Return what a comparison waits for; empty: nothing, all its runs are there.

    There is no verdict before: whoever looks again after every fold finds differences by chance.
    """
    if not (run[comparison.row] and run[comparison.against]):
        return NOT_RUN
    pairs, all_pairs = (len(each[comparison.row] & each[comparison.against]) for each in (run, planned))
    return f"{UNFINISHED}: {pairs} of {all_pairs} runs" if pairs < all_pairs else ""


def _spread(row: Scores, against: Scores, keys: Sequence[Key], unit: Unit) -> dict[str, Any]:
    """Return the spread of single runs of both rows, and whether it differs (Pitman and Morgan).

    Where folds have several runs, the spread is that of runs within their fold, ``spread_over`` "runs of a fold": two
    runs of a fold are not two folds, as the test would take them to be. With one run in each it is that over folds, and
    on one split that over seeds. Runs count as independent, which those of folds that share a seed's start are not
    quite.
    """
    count = Counter(fold for fold, _ in keys)
    several = unit == "fold" and max(count.values(), default=0) > 1
    used = [key for key in keys if count[key[0]] > 1] if several else list(keys)
    labels = [fold if several else 0 for fold, _ in used]
    values = [[each[key] for key in used] for each in (row, against)]
    degrees = len(used) - len(set(labels))
    sds = [_pooled_sd(each, labels, degrees) if degrees > 0 else None for each in values]
    return {
        "sd_row": sds[0],
        "sd_against": sds[1],
        "spread_over": "runs of a fold" if several else f"{unit}s",
        "steadier": sds[0] < sds[1] if sds[0] is not None and sds[1] is not None else None,
        "pitman_morgan": pitman_morgan(values[0], values[1], labels) if degrees > 1 else None,
    }


def _pooled_sd(values: Sequence[float], labels: Sequence[int], degrees: int) -> float:
    """Return the standard deviation within groups."""
    groups_of_values = [[value for value, own in zip(values, labels, strict=True) if own == label]
                        for label in set(labels)]  # fmt: skip
    squares = sum((value - fmean(group)) ** 2 for group in groups_of_values for value in group)
    return math.sqrt(squares / degrees)


def _bootstrap(row: Scores, against: Scores, pairs: Scores) -> dict[str, Any] | None:
    """Return the bootstrap over folds, then seeds, where there are enough folds."""
    folds = sorted({fold for fold, _ in pairs})
    if len(folds) < LEAST_SCENES:
        return None
    a, b = ({fold: [each[key] for key in pairs if key[0] == fold] for fold in folds} for each in (row, against))
    return asdict(hierarchical_bootstrap(a, b))
