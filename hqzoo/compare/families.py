r"""Which rows of a table lend each other their variance: rows that are compared with each other, if they are alike.

Rows that comparisons of one family connect, such as a circuit and the controls in its place, are estimated together
(:mod:`hqzoo.compare.components`); baselines are apart from controls, as different networks differ by more than
near-identical ones. Within such a group every difference is supposed to have one variance (sphericity), and pooled
errors are wrong for single differences where it has not (Boik 1981). A test of sphericity therefore decides (John
1972): where it rejects at 25 %, and where too few cells are shared by all rows for a test, every pair has components of
its own. Where a pair has too few runs for components, its folds' means have the variance of Nadeau and Bengio (2003).

Measured as there, as false positives in % between different networks at a nominal 5 %, in tables of four rows each:
what pooling regardless does (500 tables) and what this rule does (2,000):

* Three near-identical rows beside one network of another kind (row x fold 15 times as wide): 13 to 20 pooled; by this
  rule 6 (5 x 1), 4 to 5 (7 x 1), 7 (5 x 3), but 12 with 3 folds x 10 seeds, where three folds seldom show it.
* Two near-identical rows beside two networks: 6 to 8 pooled (3 x 10: 8), by this rule 6 to 7 (3 x 10: 8 to 9).
* Two rows with three times the spread of two others: 5 to 12 pooled, by this rule 5 to 6.

Near-identical pairs beside them have 0 pooled, hence no power, and 1 (one seed) to 5 by this rule. Rows that are alike
lose the pooled error in a quarter of tables, and keep their level. Different networks in few folds are better kept in a
family of comparisons of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hqzoo.compare.components import Components, estimate
from hqzoo.compare.mean import Mean
from hqzoo.compare.scores import Scores, paired
from hqzoo.compare.statistics import fold_means, mean_of
from hqzoo.compare.table import Comparison

__all__ = ["Basis", "Family", "family_of", "groups", "mean_of_pair", "sphericity"]

UNLIKE = 0.25
"""Level at which rows are held to be unlike: the one that Bancroft (1964) found for tests that decide about pooling."""
REPEATS = 499
"""Draws of the statistic's distribution. CHOICE"""

Basis = Literal["family", "pair", "fold means"]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """Rows that comparisons connect, and what they have in common.

    Args:
        rows: Their names.
        components: Estimated from all of them; None: they are not of one variance, or nothing can be told.
        p_sphericity: p-value of the test of one variance; None: two rows, or too few shared cells.
    """

    rows: tuple[str, ...]
    components: Components | None
    p_sphericity: float | None = None


def groups(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return for every comparison the rows that its family connects with it."""
    joined: dict[tuple[str, str], set[tuple[str, str]]] = {}  # by family and row
    for each in comparisons:
        ends = [(each.family, name) for name in (each.row, each.against)]
        whole = set().union(*(joined.get(end, {end}) for end in ends))
        joined.update(dict.fromkeys(whole, whole))
    return [tuple(sorted(name for _, name in joined[each.family, each.row])) for each in comparisons]


def family_of(scores: Mapping[str, Scores]) -> Family:
    """Return the family of rows with these scores."""
    components = estimate(scores)
    if components is None or len(components.rows) < 3:
        return Family(tuple(scores), components)
    p = sphericity({row: scores[row] for row in components.rows}, components)
    alike = p is not None and p >= UNLIKE
    return Family(tuple(scores), components if alike else None, p)


def mean_of_pair(row: Scores, against: Scores, family: Family, overlap: float) -> tuple[Mean, Components | None, Basis]:
    """Return the mean difference of two rows of a family, the components it rests on, and where they are from.

    Args:
        row: Scores of the row.
        against: Of what it is compared with, in at least two folds, or with two seeds of one split.
        family: Their family.
        overlap: Test images over training images of the folds; 0: the rows share one split.
    """
    differences = paired(row, against)
    if family.components is not None:
        return family.components.mean(differences, overlap), family.components, "family"
    own = estimate(
        {"row": {key: row[key] for key in differences}, "against": {key: against[key] for key in differences}}
    )
    if own is not None:
        return own.mean(differences, overlap), own, "pair"
    return mean_of(list(fold_means(differences).values()), overlap), None, "fold means"


def sphericity(scores: Mapping[str, Scores], components: Components) -> float | None:
    r"""Return the p-value of one variance of all differences between rows (John 1972).

    :math:`U = (R - 1) \operatorname{tr} S^2 / (\operatorname{tr} S)^2` of the products of scores, from which means of
    rows and of cells are taken off, is 1 if all contrasts have the same spread, and larger else. Its distribution is
    drawn from the model with the components that were estimated, as cells are few and folds correlate their runs.

    Args:
        scores: Of at least three rows.
        components: Of all of them.

    Returns:
        The p-value; None if fewer than three cells are shared by all rows.
    """
    cells = sorted(set.intersection(*(set(each) for each in scores.values())))
    if len(cells) < 3:
        return None
    found = _excess(np.array([[each[cell] for each in scores.values()] for cell in cells])[None])[0]
    generator = np.random.default_rng(0)
    folds = {fold: place for place, fold in enumerate(dict.fromkeys(fold for fold, _ in cells))}
    of_folds = generator.normal(size=(REPEATS, len(folds), len(scores)))[:, [folds[fold] for fold, _ in cells]]
    of_runs = generator.normal(size=(REPEATS, len(cells), len(scores)))
    drawn = _excess((components.fold or 0.0) ** 0.5 * of_folds + (components.residual or 0.0) ** 0.5 * of_runs)
    return float((1 + np.sum(drawn >= found)) / (1 + REPEATS))


def _excess(scores: Array) -> Array:
    """Return U of draws x cells x rows; 1 without any spread."""
    centred = scores - scores.mean(2, keepdims=True)
    centred -= centred.mean(1, keepdims=True)
    products = centred.transpose(0, 2, 1) @ centred
    trace = np.trace(products, axis1=1, axis2=2)
    squares = (products**2).sum((1, 2))
    rank = scores.shape[2] - 1
    return np.where(trace > 0, rank * squares / np.where(trace > 0, trace, 1.0) ** 2, 1.0)
