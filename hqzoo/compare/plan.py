r"""How many folds and seeds a margin takes, from the cells so far or from stated components; nothing is run.

Of F folds and S seeds, the two mean squares that errors are made of (row x fold, and single runs within folds, see
:mod:`hqzoo.compare.components`) are independent of the mean difference and follow :math:`\chi^2` distributions. The
power of a design is therefore the chance that a normal mean passes the test, integrated over both mean squares with the
errors and degrees of freedom that the rule makes of them, a row x fold part of 0 among them. With one mean square it is
the power of a t-test (Cohen 1988, chapter 2), and of two one-sided ones (Phillips 1990).

The least S is looked for with which a true difference of one margin is found, or rows without any difference are shown
to lie within it, in four tables of five. Seeds lower the luck of single runs alone: where row x fold is too large, no
number of them is enough. Components are taken to stay what they are with other folds, whose training sets differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from hqzoo.compare.components import LEAST_DEGREES, Components, estimate
from hqzoo.compare.differences import ALPHA, POWER
from hqzoo.compare.families import family_of, groups
from hqzoo.compare.grids import Grid
from hqzoo.compare.result import Result, Results
from hqzoo.compare.scores import Scores, metric_of, paired, scores_of
from hqzoo.compare.summary import folds_of_data, overlap_of
from hqzoo.compare.table import Comparison, Table
from hqzoo.errors import ConfigError, unknown_name

__all__ = ["GOALS", "Option", "Plan", "Stated", "least_seeds", "plan", "power_of_design", "read_stated"]

POINT = 0.01
"""The margin of a score that has none: one point."""
MORE_FOLDS = (5, 10, 20)
SEEDS = (*range(1, 61), *range(65, 200, 5), *range(200, 1001, 50))
STATED = ("fold", "residual", "seconds")

Array = npt.NDArray[np.float64]
Basis = tuple[Components | None, str, int]  # components, where they are from, and of how many rows
Goal = Literal["a difference", "equivalence"]
GOALS: tuple[Goal, ...] = ("a difference", "equivalence")


@dataclass(frozen=True)
class Stated:
    """Components that a user states instead of cells.

    Args:
        components: Row x fold and residual.
        seconds: Of training one run; None: what the cells took, if there are any.
    """

    components: Components
    seconds: float | None = None


@dataclass(frozen=True)
class Option:
    """One design.

    Args:
        folds: Its folds.
        goal: What it is to show with 80 % power.
        seeds: The fewest seeds that do; None: no number of them does, or more than a thousand.
        runs: Runs of the family, those that are there among them.
        new_runs: Those that are not there yet.
        hours: Of training them, one after another; None: nothing says how long a run takes.
    """

    folds: int
    goal: Goal
    seeds: int | None
    runs: int | None = None
    new_runs: int | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Plan:
    """What a family of rows takes.

    Args:
        family: Name of the family of comparisons.
        rows: The rows that it connects.
        components: What the plan rests on; None: the cells are too few to tell.
        source: Where they are from, and what to keep in mind.
        margin: The difference that is to be told.
        alpha: Level of a test, what the first step of Holm's correction leaves.
        options: Designs.
        least_error: By folds, the standard error that row x fold alone leaves, whatever the number of seeds.
    """

    family: str
    rows: tuple[str, ...]
    components: Components | None
    source: str
    margin: float
    alpha: float
    options: tuple[Option, ...]
    least_error: Mapping[int, float]

    def grid(self) -> Grid:
        """Return the options as a table of text."""
        lines = [
            [str(each.folds), each.goal, "no number is enough" if each.seeds is None else str(each.seeds),
             *("" if value is None else f"{value:,}" for value in (each.runs, each.new_runs)),
             "" if each.hours is None else f"{each.hours:,.1f}"]
            for each in self.options
        ]  # fmt: skip
        return Grid(["folds", f"to tell, by {self.margin:g}", "seeds", "runs", "still to run", "hours"], lines)

    def sentences(self) -> list[str]:
        """Return what the plan rests on, and why a design cannot do it."""
        if self.components is None:
            return [f"{self.family}: {', '.join(self.rows)}. No plan: {self.source}."]
        parts = {"row x fold": self.components.fold, "single runs": self.components.residual}
        known = ", ".join(f"{name} {math.sqrt(value):.4f}" for name, value in parts.items() if value is not None)
        found = [f"{self.family}: {', '.join(self.rows)}. Standard deviations: {known} ({self.source})."]
        if short := list(dict.fromkeys(each.folds for each in self.options if each.seeds is None)):
            errors = ", ".join(f"{self.least_error[folds]:.4f} with {folds} folds" for folds in short)
            found.append(
                "Where no number of seeds is enough, row x fold alone leaves the mean difference too large a standard "
                f"error against a margin of {self.margin:g}: {errors}."
            )
        return found


def plan(table: Table, results: Results, stated: Stated | None = None) -> list[Plan]:
    """Return what every family of a table's comparisons takes.

    Args:
        table: The table.
        results: Its finished cells; rows may have none.
        stated: Components to use instead of those of the cells.

    Raises:
        ConfigError: If the table compares nothing, or the cells are too few to tell components of any family.
    """
    comparisons = table.comparisons()
    if not comparisons:
        raise ConfigError(f"Table '{table.name}' compares no rows: there is nothing to plan.")
    every = [result for cells in results.values() for result in cells.values()]
    margin, scores = _margin_and_scores(table, results)
    k = folds_of_data(table, every)
    found: dict[tuple[str, tuple[str, ...]], list[Plan]] = {}
    for comparison, rows in zip(comparisons, groups(comparisons), strict=True):
        key = comparison.family, rows
        if key in found:
            continue
        own = [each for each in comparisons if each.family == comparison.family and each.row in rows]
        alpha = ALPHA / sum(each.family == comparison.family for each in comparisons)
        cells = {row: results.get(row, {}) for row in rows}
        seconds = stated.seconds if stated and stated.seconds is not None else _seconds(cells)
        found[key] = []
        as_stated: list[Basis] = [(stated.components, "as stated", len(rows))] if stated else []
        for components, source, pooled in as_stated or _bases(table, own, scores):
            told: Sequence[Option] = ()
            errors: dict[int, float] = {}
            if components is not None:
                told = _options(table, components, (alpha, margin), pooled, cells, seconds, k)
                errors = {each: _error(components, each, math.inf, _overlap(each, k)) for each in _folds(table)}
            found[key].append(Plan(comparison.family, rows, components, source, margin, alpha, tuple(told), errors))
    plans = [each for of_family in found.values() for each in of_family]
    if not any(each.components for each in plans):
        raise ConfigError(
            f"The cells of table '{table.name}' are too few to tell components. Run two seeds of five folds, or state "
            "components: --plan-components fold=0.02 residual=0.03."
        )
    return plans


def power_of_design(
    components: Components, folds: int, seeds: float, rows: int, goal: Goal, margin: float, alpha: float, overlap: float
) -> float:
    """Return the chance that a design shows what it is for.

    Args:
        components: Of row x fold and residual.
        folds: Folds F.
        seeds: Seeds S of every fold; may be infinite.
        rows: Rows R that errors are estimated from.
        goal: To find a true difference of one margin, or to show that rows without one lie within it.
        margin: The margin.
        alpha: Level of the test.
        overlap: Test images over training images.
    """
    true = _error(components, folds, seeds, overlap)
    if true == 0:
        return 1.0
    errors, degrees, weights = _estimated_errors(components, folds, seeds, rows, overlap)
    if goal == "a difference":
        passed = stats.norm.cdf((margin - stats.t.ppf(1 - alpha / 2, degrees) * errors) / true)
    else:
        passed = np.maximum(2 * stats.norm.cdf((margin - stats.t.ppf(1 - alpha, degrees) * errors) / true) - 1, 0.0)
    return float(np.sum(weights * passed))


def least_seeds(
    components: Components, folds: int, rows: int, goal: Goal, margin: float, alpha: float, overlap: float
) -> int | None:
    """Return the fewest seeds with which a design has 80 % power; None: no number has, or more than a thousand.

    Args:
        components: See :func:`power_of_design`, as all others.
        folds: Folds.
        rows: Rows that errors are estimated from.
        goal: What is to be shown.
        margin: The margin.
        alpha: Level of the test.
        overlap: Test images over training images.
    """
    for seeds in (math.inf, *SEEDS):
        enough = (
            folds * seeds > 1 and power_of_design(components, folds, seeds, rows, goal, margin, alpha, overlap) >= POWER
        )
        if seeds == math.inf and not enough:
            return None
        if seeds != math.inf and enough:
            return int(seeds)
    return None


def read_stated(texts: Sequence[str]) -> Stated:
    """Return components from ``fold=SD residual=SD``, standard deviations, and perhaps ``seconds=T`` of a run.

    Raises:
        ConfigError: If one is missing, unknown or no number.
    """
    values: dict[str, float] = {}
    for text in (part for each in texts for part in each.split(",") if part):
        name, sign, value = text.partition("=")
        if name not in STATED:
            raise ConfigError(unknown_name("component", name, STATED))
        try:
            values[name] = float(value)
        except ValueError:
            values[name] = math.nan
        if not sign or not math.isfinite(values[name]) or values[name] < 0:
            raise ConfigError(f"'{text}' states no component: give its standard deviation, such as {name}=0.02.")
    if missing := [name for name in STATED[:2] if name not in values]:
        raise ConfigError(
            f"A plan needs {missing[0]}=SD as well: the standard deviation of row x fold (fold) and of single runs "
            "(residual), such as fold=0.02 residual=0.03."
        )
    return Stated(Components(values["fold"] ** 2, None, values["residual"] ** 2), values.get("seconds"))


def _error(components: Components, folds: int, seeds: float, overlap: float) -> float:
    """Return the true standard error of a mean difference."""
    fold = (components.fold or 0.0) * (1 / folds + overlap) if folds > 1 else 0.0
    return math.sqrt(2 * (fold + (components.residual or 0.0) / (folds * seeds)))


def _estimated_errors(
    components: Components, folds: int, seeds: float, rows: int, overlap: float
) -> tuple[Array, Array, Array]:
    """Return the standard errors that a design may find, their degrees of freedom, and how likely each is."""
    fold, residual = components.fold or 0.0, components.residual or 0.0
    if folds == 1:
        return _one_square(2 * residual / seeds, (rows - 1) * (seeds - 1))
    of_folds, wide = (rows - 1) * (folds - 1), 1 / folds + overlap
    if of_folds < LEAST_DEGREES and seeds > 1:
        return _one_square(2 * (fold + residual / seeds) * wide, folds - 1)
    if seeds in (1, math.inf):
        return _one_square(2 * (fold + residual / seeds) * wide, of_folds)
    of_runs = (rows - 1) * folds * (seeds - 1)
    (a, a_weights), (b, b_weights) = (_quantiles(degrees) for degrees in (of_folds, of_runs))
    between, within = (residual + seeds * fold) * a[:, None], residual * b[None]
    parts = wide / seeds * between, (1 / (folds * seeds) - wide / seeds) * within
    pooled = (of_folds * between + of_runs * within) / (of_folds + of_runs)
    found = between > within  # else row x fold is estimated to be 0
    variance = np.where(found, 2 * (parts[0] + parts[1]), 2 * pooled / (folds * seeds))
    own = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / of_folds + parts[1] ** 2 / of_runs)
    return np.sqrt(variance), np.where(found, own, of_folds + of_runs), a_weights[:, None] * b_weights[None]


def _one_square(variance: float, degrees: float) -> tuple[Array, Array, Array]:
    shares, weights = _quantiles(degrees)
    return np.sqrt(variance * shares), np.full(len(shares), degrees), weights


def _quantiles(degrees: float) -> tuple[Array, Array]:
    """Return mean squares over what is expected of them, and their weights (Gauss and Legendre)."""
    levels, weights = np.polynomial.legendre.leggauss(64)
    return stats.chi2.ppf((levels + 1) / 2, degrees) / degrees, weights / 2


def _margin_and_scores(table: Table, results: Results) -> tuple[float, dict[str, Scores]]:
    """Return the margin, one point where nothing says another, and the scores of the cells."""
    if not any(results.values()) and not table.metric:
        return table.margin or POINT, {}
    metric, meaning = metric_of(table, results)
    scores = {
        row: scores_of({key: each.report for key, each in cells.items()}, metric) for row, cells in results.items()
    }
    return table.margin or meaning.margin or POINT, scores


def _bases(table: Table, comparisons: Sequence[Comparison], scores: Mapping[str, Scores]) -> list[Basis]:
    """Return the components that plans of a family rest on, where they are from, and of how many rows.

    Rows that are not of one variance are planned by the pair of the largest. Where nothing tells row x fold from single
    runs, there are two plans: all of one, and all of the other.
    """
    shared = table.seed_rule == "shared"
    rows = {name: scores.get(name, {}) for each in comparisons for name in (each.row, each.against)}
    family = family_of(rows)
    if family.components is not None:
        found, source = estimate(rows, shared), f"{sum(map(len, rows.values()))} cells of all these rows"
    else:
        pairs = {}
        for each in comparisons:
            keys = paired(rows[each.row], rows[each.against])
            own = estimate({name: {key: rows[name][key] for key in keys} for name in (each.row, each.against)}, shared)
            if own is not None:
                pairs[own.fold or 0.0, own.residual or 0.0, each.row, each.against] = own
        if not pairs:
            return [(None, "the cells are too few to tell components", 0)]
        widest = max(pairs, key=lambda each: each[0] + each[1])
        found, source = pairs[widest], f"{widest[2]} and {widest[3]} alone, the widest pair, as rows are not alike"
    if found is None:
        return [(None, "the cells are too few to tell components", 0)]
    if shared:
        found = Components(found.fold, None, _sum(found.seed, found.residual), found.rows)
        source += "; planned for a new table, whose runs all start anew"
    count = len(found.rows)
    if found.fold is None or found.residual is not None:
        return [(found, source, count)]
    both = f"{source}; one seed per fold tells it not from the other: "
    return [
        (Components(found.fold, None, None, found.rows), f"{both}if all of it is row x fold", count),
        (Components(None, None, found.fold, found.rows), f"{both}if all of it is the luck of single runs", count),
    ]


def _sum(*parts: float | None) -> float | None:
    known = [each for each in parts if each is not None]
    return sum(known) if known else None


def _folds(table: Table) -> list[int]:
    """Return the numbers of folds to plan for: those that there are, and more of them."""
    own = len(table.folds) or 1
    return [own, *(folds for folds in MORE_FOLDS if folds > own)] if own > 1 else [1]


def _overlap(folds: int, k: int) -> float:
    """Return test images over training images: of the folds of the data, or of as many as are to be run."""
    return overlap_of(max(folds, k)) if folds > 1 else 0.0


def _options(
    table: Table,
    components: Components,
    test: tuple[float, float],
    pooled: int,
    cells: Mapping[str, Mapping[tuple[int, int], Result]],
    seconds: float | None,
    k: int,
) -> list[Option]:
    """Return a family's designs; runs of the folds that there are go on, those of other folds begin anew."""
    found = []
    for folds in _folds(table):
        for goal in GOALS:
            seeds = least_seeds(components, folds, pooled, goal, test[1], test[0], _overlap(folds, k))
            if seeds is None:
                found.append(Option(folds, goal, None))
                continue
            runs = len(cells) * folds * seeds
            goes_on = folds == (len(table.folds) or 1) and table.seed_rule == "per_run"
            there = sum(min(len(each), folds * seeds) for each in cells.values()) if goes_on else 0
            hours = None if seconds is None else (runs - there) * seconds / 3600
            found.append(Option(folds, goal, seeds, runs, runs - there, hours))
    return found


def _seconds(cells: Mapping[str, Mapping[tuple[int, int], Result]]) -> float | None:
    """Return the mean training time of a run; None where no cell knows it."""
    times = [result.report.costs.get("training_seconds") for each in cells.values() for result in each.values()]
    known = [float(each) for each in times if each is not None]
    return fmean(known) if known else None
