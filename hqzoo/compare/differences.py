"""What the differences of a table's rows support: intervals, p-values and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median, stdev
from typing import Any

from hqzoo.compare.scores import Key, Scores, Unit, published_folds, units_of
from hqzoo.compare.statistics import (
    LEAST_SCENES,
    Interval,
    brown_forsythe,
    hierarchical_bootstrap,
    holm,
    paired_interval,
    smallest_detectable,
    tost,
    verdict,
)
from hqzoo.compare.table import Comparison, Table
from hqzoo.tasks.metric import Metric

__all__ = ["ALPHA", "BARELY_TRAINED", "NOT_RUN", "UNFINISHED", "Judge", "Keys", "compare", "paired"]

ALPHA, POWER = 0.05, 0.8
NOT_RUN, UNFINISHED = "not run", "unfinished"
BARELY_TRAINED = "undecided: barely trained"

Keys = Mapping[str, set[Key]]  # by row: folds and seeds


@dataclass(frozen=True)
class Judge:
    """What makes a difference a good one, and one that nobody would mind; without a margin all others matter."""

    metric: Metric
    margin: float | None
    barely_trained: bool = False
    """Whether rows of the table were not trained far enough for any verdict."""

    def equivalence(self, differences: Sequence[Any], overlap: float) -> float | None:
        """Return the p-value of a difference within the margin; None where it cannot be told."""
        return tost(differences, self.margin, overlap) if self.margin and len(differences) > 1 else None

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

    Intervals, ``p`` and ``p_equivalence`` have the variance for folds that share training images and seeds;
    ``p_plain`` is that of the t-test over folds.
    """
    published = {row.name: published_folds(row) for row in table.rows}
    pairs = [paired(scores[each.row], scores[each.against]) for each in comparisons]
    units = [units_of(differences, unit) for differences in pairs]
    values = [_by_fold_and_seed(differences, unit) for differences in pairs]
    intervals = [paired_interval(each, overlap=overlap) if each else None for each in values]
    plain = [paired_interval(list(each.values())) if each and overlap else None for each in units]
    families = [each.family for each in comparisons]
    p, p_plain = (
        _corrected([None if each is None else each.p for each in tests], families) for tests in (intervals, plain)
    )
    p_equivalence = _corrected([judge.equivalence(each, overlap) for each in values], families)
    found = []
    for i, comparison in enumerate(comparisons):
        row, against = scores[comparison.row], scores[comparison.against]
        interval = intervals[i]
        level = ALPHA / families.count(families[i])  # what the first step of Holm's correction leaves
        several = len(values[i]) > 1
        found.append({
            **asdict(comparison), "units": units[i], "runs": len(pairs[i]),
            "all_runs": len(pairs[i]) == len(row) == len(against),
            "interval": None if interval is None else asdict(interval),
            "p": p[i], "p_plain": p_plain[i], "p_equivalence": p_equivalence[i],
            "verdict": _state(comparison, run, planned)
            or judge.word(interval, p[i], p_equivalence[i], _scope(pairs[i], unit)),
            "smallest_detectable": smallest_detectable(values[i], POWER, level, overlap) if several else None,
            "bootstrap": _bootstrap(row, against, pairs[i]),
            "published": _published_difference(published[comparison.row], published[comparison.against]),
            **_spread(*(units_of({key: each[key] for key in pairs[i]}, unit) for each in (row, against))),
        })  # fmt: skip
    return found


def paired(row: Scores, against: Scores) -> Scores:
    """Return the differences of runs with the same fold and seed."""
    return {key: row[key] - against[key] for key in row if key in against}


def _by_fold_and_seed(differences: Scores, unit: Unit) -> list[Any]:
    """Return differences as folds x seeds, or one per unit where not every fold has the same seeds."""
    folds, seeds = (sorted({key[place] for key in differences}) for place in (0, 1))
    if unit == "seed" or len(differences) < len(folds) * len(seeds):
        return list(units_of(differences, unit).values())
    return [[differences[fold, seed] for seed in seeds] for fold in folds]


def _scope(pairs: Scores, unit: Unit) -> str:
    """Return what a verdict holds for alone: one split, or one seed; empty: neither."""
    if unit == "seed":
        return " on this split"
    return " at one seed" if len({seed for _, seed in pairs}) == 1 else ""


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


def _spread(row: Mapping[int, float], against: Mapping[int, float]) -> dict[str, Any]:
    """Return the spread over the shared units of both rows, and whether it differs (Brown and Forsythe).

    ``steadier`` says whether the row's scores lie nearer to their median, the distance that the test looks at.
    """
    groups = [list(each.values()) for each in (row, against)]
    several = len(groups[0]) > 1
    distances = [fmean(abs(value - median(group)) for value in group) if group else 0.0 for group in groups]
    return {
        "sd_row": stdev(groups[0]) if several else None,
        "sd_against": stdev(groups[1]) if several else None,
        "steadier": distances[0] < distances[1] if several else None,
        "brown_forsythe": brown_forsythe(groups) if len(groups[0]) > 2 else None,
    }


def _bootstrap(row: Scores, against: Scores, pairs: Scores) -> dict[str, Any] | None:
    """Return the bootstrap over folds, then seeds, where there are enough folds."""
    folds = sorted({fold for fold, _ in pairs})
    if len(folds) < LEAST_SCENES:
        return None
    a, b = ({fold: [each[key] for key in pairs if key[0] == fold] for fold in folds} for each in (row, against))
    return asdict(hierarchical_bootstrap(a, b))
