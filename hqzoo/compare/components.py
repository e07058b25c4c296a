r"""Variance components of rows that were run on the same folds and seeds, and what they make of a mean difference.

The score of row r in fold f with seed s is

.. math:: y_{rfs} = \mu_r + c_{fs} + a_{rf} + b_{rs} + e_{rfs},

where :math:`c_{fs}` is what all rows share in a cell, which pairing removes, :math:`a_{rf}` how much better than
elsewhere a row does in a fold (row x fold, :math:`\sigma_F^2`), :math:`b_{rs}` how well a start suits a row in all
folds (row x seed, :math:`\sigma_S^2`; it exists only where all folds share a seed's start), and :math:`e_{rfs}` the
luck of one run (:math:`\sigma_E^2`). Components are estimated once over a family of rows by REML (Patterson and
Thompson 1971), with cells as fixed effects, so that rows may lack cells or have more seeds than others. Of grids
without gaps this is the analysis of variance wherever that has no negative component.

The mean difference of two rows, :math:`\bar d = \sum w_{fs} d_{fs}`, gives each of F folds the same weight, and each of
the runs that both rows have in a fold the same share of it. Its variance is

.. math:: V = 2 \left[(1/F + n_\text{test} / n_\text{train})\, \sigma_F^2 + \sum_s w_s^2\, \sigma_S^2
          + \sum_{fs} w_{fs}^2\, \sigma_E^2\right], \quad w_s = \sum_f w_{fs}.

Folds share training images, which correlates :math:`a_{rf}`, hence the second part of the first term (Nadeau and
Bengio 2003); starts do not, so that the others have none. CHOICE: :math:`n_\text{test} / n_\text{train} = 1/(k-1)` of
k folds. Degrees of freedom are Satterthwaite's, :math:`\nu = 2 V^2 / \operatorname{Var} \hat V` with the expected
information of the REML estimates (Giesbrecht and Burns 1985).

Measured at a nominal 5 % (four rows without any difference, effects of folds correlated by 1/k, 6,000 differences each,
with the test of :mod:`hqzoo.compare.families`; intervals cover what is missing to 100 %), as false positives in %:

==========================================  =====  =====  =====  ======
standard deviation of row x fold            5 x 1  7 x 1  5 x 3  3 x 10
==========================================  =====  =====  =====  ======
5 times that of runs (different networks)   5.0    4.7    5.7    6.0
0.2 times (near-identical controls)         1.5    1.0    2.9    4.9
0                                                         2.8    2.8
==========================================  =====  =====  =====  ======

Near-identical rows come out cautious: no estimate is negative, so that a row x fold part of 0 is overestimated, and
with one seed per fold nothing tells :math:`\sigma_F^2` from :math:`\sigma_E^2`: their sum then counts as row x fold,
which only further seeds mend. Two rows alone in 5 folds have up to 7 %, where row x fold is about a tenth of the
residual and seeds are ten or more.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.compare.mean import Mean

__all__ = ["Components", "estimate"]

LEAST_DEGREES = 4
"""Row x fold contrasts from which a small row x fold component is believed. CHOICE: with 4 at most 7 % false positives
at a nominal 5 %, whatever the components; with 2 (two rows in three folds) up to 11 %."""

Array = npt.NDArray[np.float64]
Cell = tuple[int, int]  # fold and seed
Table = Mapping[str, Mapping[Cell, float]]  # scores by row and cell


@dataclass(frozen=True)
class Components:
    """Variances of the parts of a score, for rows of one family.

    Args:
        fold: Of row x fold; None: one fold was run.
        seed: Of row x seed; None: there is no such part, or one seed was run.
        residual: Of single runs; None: nothing tells it from the parts above, which then hold it as well.
        rows: Names of the rows that they were estimated from.
        covariance: Covariance of the estimates, in the order fold, seed, residual, 0 for those that are None or 0.
    """

    fold: float | None
    seed: float | None
    residual: float | None
    rows: tuple[str, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ((0.0,) * 3,) * 3

    @property
    def confounded(self) -> bool:
        """Whether the row x fold part holds the luck of single runs, as no fold has several."""
        return self.fold is not None and self.residual is None

    def variance(self, cells: Sequence[Cell], overlap: float) -> float:
        """Return the variance of the mean difference of two rows.

        Args:
            cells: Folds and seeds that both rows have.
            overlap: Test images over training images of the folds.
        """
        return float(_weights(cells, overlap) @ self._values())

    def mean(self, differences: Mapping[Cell, float], overlap: float) -> Mean:
        """Return the mean difference of two rows of the family, with the error that the components give it.

        Args:
            differences: By fold and seed.
            overlap: Test images over training images of the folds.
        """
        folds = Counter(fold for fold, _ in differences)
        value = math.fsum(each / (len(folds) * folds[fold]) for (fold, _), each in differences.items())
        weights = _weights(list(differences), overlap)
        variance = float(weights @ self._values())
        spread = float(weights @ np.array(self.covariance) @ weights)
        return Mean(value, math.sqrt(variance), 2 * variance**2 / spread if spread else math.inf)

    def to_dict(self) -> dict[str, Any]:
        """Return plain types: standard deviations, and what they were estimated from."""
        roots = {
            name: None if value is None else math.sqrt(value)
            for name, value in (("fold_sd", self.fold), ("seed_sd", self.seed), ("residual_sd", self.residual))
        }
        return {**roots, "rows": list(self.rows), "confounded": self.confounded}

    def _values(self) -> Array:
        return np.array([self.fold or 0.0, self.seed or 0.0, self.residual or 0.0])


def estimate(scores: Table, shared_seeds: bool = False) -> Components | None:
    """Return the REML estimates over a family of rows.

    Args:
        scores: Scores of its rows.
        shared_seeds: Whether all folds of a seed start alike, so that there is a part row x seed.

    Returns:
        The components; None where there are too few runs to tell: no two of them differ in what the rows do not share,
        or fewer than :data:`LEAST_DEGREES` contrasts tell row x fold from the residual.
    """
    observed = _observed(scores)
    rows = [row for row in scores if any(name == row for name, _ in observed)]
    basis = _contrasts(observed)
    if not basis.shape[1]:
        return None
    data = basis.T @ np.array([scores[row][cell] for row, cell in observed])
    designs = [[(row, fold) for row, (fold, _) in observed], [(row, seed) for row, (_, seed) in observed]]
    projected = [basis.T @ _indicators(each) for each in designs]
    parts = {place: each @ each.T for place, each in enumerate(projected) if np.abs(each).max() > 1e-9}
    if not shared_seeds:
        parts.pop(1, None)
    parts[2] = np.eye(basis.shape[1])
    if not _independent(list(parts.values())):
        del parts[2]
    elif 0 in parts and np.linalg.matrix_rank(projected[0], tol=1e-9) < LEAST_DEGREES:
        return None
    values, covariance = _reml(list(parts.values()), data)
    places = list(parts)
    whole = np.zeros((3, 3))
    whole[np.ix_(places, places)] = covariance
    found = dict(zip(places, values, strict=True))
    return Components(
        found.get(0), found.get(1), found.get(2), tuple(rows), tuple(tuple(map(float, each)) for each in whole)
    )


def _observed(scores: Table) -> list[tuple[str, Cell]]:
    """Return the runs, but those of cells that one row alone has: such a score is the cell's and tells nothing."""
    count = Counter(cell for cells in scores.values() for cell in cells)
    return [(row, cell) for row, cells in scores.items() for cell in sorted(cells) if count[cell] > 1]


def _contrasts(observed: Sequence[tuple[str, Cell]]) -> Array:
    """Return an orthonormal basis ``(runs, contrasts)`` of what neither rows' means nor cells explain."""
    if not observed:
        return np.zeros((0, 0))
    fixed = np.hstack([_indicators([each[place] for each in observed]) for place in (0, 1)])
    left, sizes, _ = np.linalg.svd(fixed)
    return left[:, int((sizes > 1e-9).sum()) :]


def _indicators(levels: Sequence[Any]) -> Array:
    """Return the design ``(runs, levels)`` of a factor."""
    places = {level: place for place, level in enumerate(dict.fromkeys(levels))}
    return np.eye(len(places))[[places[level] for level in levels]]


def _independent(matrices: Sequence[Array]) -> bool:
    stacked = np.array([each.ravel() / np.linalg.norm(each) for each in matrices])
    return int(np.linalg.matrix_rank(stacked, tol=1e-6)) == len(matrices)


def _reml(parts: Sequence[Array], data: Array) -> tuple[list[float], Array]:
    """Return the components that are not negative with the highest restricted likelihood, and their covariance.

    Parts at the bound are those that the best subset leaves out; they count as known to be 0.
    """
    count = len(parts)
    if not data.any():
        return [0.0] * count, np.zeros((count, count))
    best, values, covariance = math.inf, [0.0] * count, np.zeros((count, count))
    for size in range(1, count + 1):
        for places in itertools.combinations(range(count), size):
            chosen = [parts[place] for place in places]
            if np.linalg.matrix_rank(sum(chosen)) < len(data):
                continue  # without the residual some contrasts would be known exactly
            found, information, deviance = _scoring(chosen, data)
            if deviance < best - 1e-9:
                best, values, covariance = deviance, [0.0] * count, np.zeros((count, count))
                for place, value in zip(places, found, strict=True):
                    values[place] = float(value)
                covariance[np.ix_(places, places)] = 2 * np.linalg.inv(information)
    return values, covariance


def _scoring(parts: Sequence[Array], data: Array) -> tuple[Array, Array, float]:
    """Return components of a subset by Fisher scoring (Searle, Casella and McCulloch 1992, section 8.3).

    Returns:
        The components, the information ``tr(P G_i P G_j)`` and the deviance. Steps stop short of a component of 0; the
        subset without it is then as good.
    """
    scale = float(data @ data) / len(data)
    values = np.array([scale * len(data) / (len(parts) * np.trace(each)) for each in parts])
    for _ in range(200):
        inverse = np.linalg.inv(np.tensordot(values, np.array(parts), 1))
        products = [inverse @ each for each in parts]
        information = np.array([[float(np.sum(a * b.T)) for b in products] for a in products])
        fitted = inverse @ data
        target = np.linalg.solve(information, np.array([fitted @ each @ fitted for each in parts]))
        step = target - values
        falling = step < 0
        room = float(np.min(values[falling] / -step[falling])) if falling.any() else math.inf
        values = values + min(1.0, 0.9 * room) * step
        if np.abs(step).max() <= 1e-10 * values.max() or values.min() < 1e-12 * values.max():
            break
    sign, log_determinant = np.linalg.slogdet(np.tensordot(values, np.array(parts), 1))
    del sign  # positive definite
    deviance = log_determinant + float(data @ np.linalg.solve(np.tensordot(values, np.array(parts), 1), data))
    return values, information, deviance


def _weights(cells: Sequence[Cell], overlap: float) -> Array:
    """Return the factors of the components fold, seed and residual in the variance of a mean difference."""
    folds = Counter(fold for fold, _ in cells)
    weights = {cell: 1 / (len(folds) * folds[cell[0]]) for cell in cells}
    of_seeds: Counter[int] = Counter()
    for (_, seed), weight in weights.items():
        of_seeds[seed] += weight  # type: ignore[assignment]
    return 2 * np.array([
        1 / len(folds) + overlap,
        math.fsum(weight**2 for weight in of_seeds.values()),
        math.fsum(weight**2 for weight in weights.values()),
    ])  # fmt: skip
