"""Variance components: closed forms, another implementation, and how often what they say is wrong."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hqzoo.compare.components import Components, estimate
from hqzoo.compare.families import Family, family_of, groups, mean_of_pair, sphericity
from hqzoo.compare.statistics import mean_of, paired_interval
from hqzoo.compare.table import Comparison

Scores = dict[str, dict[tuple[int, int], float]]


def scores_of(values: np.ndarray) -> Scores:
    """Return scores of rows x folds x seeds."""
    return {
        f"r{row}": {(fold, seed): float(values[row, fold, seed]) for fold, seed in np.ndindex(values.shape[1:])}
        for row in range(len(values))
    }


def draw(shape: tuple[int, int, int], fold_sd: float, run_sd: float, seed: int) -> np.ndarray:
    generator, (R, F, S) = np.random.default_rng(seed), shape
    cells = generator.normal(0, 3, (1, F, S))
    return cells + generator.normal(0, fold_sd, (R, F, 1)) + generator.normal(0, run_sd, (R, F, S))


def mean_squares(values: np.ndarray) -> tuple[float, float]:
    """Mean squares of row x fold and of the residual, of a grid without gaps."""
    R, F, S = values.shape
    own = values - values.mean(0, keepdims=True)
    of_folds = own.mean(2)
    folds = S * ((of_folds - of_folds.mean(1, keepdims=True)) ** 2).sum() / ((R - 1) * (F - 1))
    return folds, ((own - of_folds[..., None]) ** 2).sum() / ((R - 1) * F * (S - 1))


# Estimates ------------------------------------------------------------------------------------------------------------


@given(st.integers(2, 5), st.integers(5, 7), st.integers(2, 4), st.sampled_from([0.0, 0.5, 3.0]), st.integers(0, 99))
def test_grids_without_gaps_have_their_analysis_of_variance(R: int, F: int, S: int, fold_sd: float, seed: int) -> None:
    values = draw((R, F, S), fold_sd, 1.0, seed)
    folds, runs = mean_squares(values)
    degrees = (R - 1) * (F - 1), (R - 1) * F * (S - 1)
    found = estimate(scores_of(values))
    differences = {key: scores_of(values)["r0"][key] - scores_of(values)["r1"][key] for key in np.ndindex(F, S)}
    mean = found.mean(differences, 1 / (F - 1))
    assert mean.value == pytest.approx((values[0] - values[1]).mean())
    if folds > runs:
        assert (found.fold, found.residual) == pytest.approx(((folds - runs) / S, runs), rel=1e-5)
        parts = (1 / F + 1 / (F - 1)) / S * folds, (1 / (F * S) - (1 / F + 1 / (F - 1)) / S) * runs
        assert mean.error == pytest.approx(math.sqrt(2 * sum(parts)), rel=1e-5)
        own = sum(parts) ** 2 / sum(part**2 / nu for part, nu in zip(parts, degrees, strict=True))
        assert mean.degrees == pytest.approx(own, rel=1e-4)  # Satterthwaite, of mean squares
    else:
        pooled = (degrees[0] * folds + degrees[1] * runs) / sum(degrees)
        assert (found.fold, found.residual) == (0.0, pytest.approx(pooled))
        assert (mean.error, mean.degrees) == (
            pytest.approx(math.sqrt(2 * pooled / (F * S))),
            pytest.approx(sum(degrees)),
        )


def random_gaps(values: np.ndarray, seed: int, share: float) -> Scores:
    generator, scores = np.random.default_rng(seed), scores_of(values)
    return {
        row: {key: value for key, value in cells.items() if row == "r0" or generator.random() > share}
        for row, cells in scores.items()
    }


@pytest.mark.parametrize("share", [0.0, 0.2])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_statsmodels_finds_the_same(share: float, seed: int) -> None:
    """A mixed model of all rows: rows and cells fixed, row x fold random. Gaps make the grid unbalanced."""
    scores = random_gaps(draw((4, 5, 3), 1.5, 1.0, seed), seed, share)
    flat = [(row, *key, value) for row, cells in scores.items() for key, value in cells.items()]
    rows, cells = [each[0] for each in flat], [each[1:3] for each in flat]
    fixed = np.hstack([indicators(rows), indicators(cells)[:, 1:]])
    fit = sm.MixedLM(
        np.array([each[3] for each in flat]), fixed, groups=np.array([f"{each[0]} {each[1]}" for each in flat])
    ).fit(reml=True, method=["lbfgs", "powell"])
    found = estimate(scores)
    assert found.fold == pytest.approx(float(fit.cov_re[0, 0]), rel=1e-3)
    assert found.residual == pytest.approx(fit.scale, rel=1e-3)


def indicators(levels: list) -> np.ndarray:
    known = list(dict.fromkeys(levels))
    return np.array([[float(level == each) for each in known] for level in levels])


def test_seeds_that_folds_share_have_a_part() -> None:
    """Row x seed of a full grid: mean squares again; without being told of it, none is estimated."""
    generator = np.random.default_rng(4)
    values = draw((4, 5, 6), 1.0, 0.3, 4) + generator.normal(0, 2, (4, 1, 6))
    own = values - values.mean(0, keepdims=True)
    own -= own.mean((1, 2), keepdims=True)
    folds, seeds = own.mean(2, keepdims=True), own.mean(1, keepdims=True)
    residual = ((own - folds - seeds) ** 2).sum() / (3 * 4 * 5)
    found = estimate(scores_of(values), shared_seeds=True)
    assert found.residual == pytest.approx(residual, rel=1e-5)
    assert found.fold == pytest.approx(((folds**2).sum() / 12 - residual / 6), rel=1e-5)
    assert found.seed == pytest.approx(((seeds**2).sum() / 15 - residual / 5), rel=1e-5)
    assert estimate(scores_of(values)).seed is None


def test_the_variance_of_a_mean_by_hand() -> None:
    """Two folds, of which one has both seeds: weights 1/4, 1/4 and 1/2; seeds 3/4 and 1/4."""
    cells = [(0, 0), (0, 1), (1, 0)]
    parts = 3.0 * (1 / 2 + 1), 5.0 * (9 / 16 + 1 / 16), 7.0 * (1 / 16 + 1 / 16 + 1 / 4)
    assert Components(3.0, 5.0, 7.0).variance(cells, overlap=1.0) == pytest.approx(2 * sum(parts))
    mean = Components(3.0, None, None).mean({(0, 0): 1.0, (0, 1): 3.0, (1, 0): 10.0}, 1.0)
    assert mean.value == pytest.approx((2 + 10) / 2)


def test_what_one_seed_cannot_tell_apart_counts_as_folds() -> None:
    found = estimate(scores_of(draw((3, 5, 1), 1.0, 1.0, 5)))
    assert (found.confounded, found.residual, found.seed) == (True, None, None)
    pair = scores_of(draw((2, 5, 1), 1.0, 1.0, 6))
    differences = {key: pair["r0"][key] - pair["r1"][key] for key in pair["r0"]}
    own, old = estimate(pair).mean(differences, 1 / 4), mean_of(list(differences.values()), 1 / 4)
    assert (own.value, own.error, own.degrees) == pytest.approx((old.value, old.error, old.degrees))
    several = scores_of(draw((3, 5, 3), 1.0, 1.0, 5))
    one = {row: {key: cells[key] for key in cells if row != "r2" or key[1] == 0} for row, cells in several.items()}
    assert not estimate(one).confounded  # other rows tell them apart


def test_too_few_folds_to_believe_in_none_have_no_components() -> None:
    assert estimate(scores_of(draw((2, 3, 5), 1.0, 1.0, 7))) is None
    assert estimate(scores_of(draw((3, 3, 5), 1.0, 1.0, 7))) is not None
    assert estimate({"a": {(0, 0): 1.0}, "b": {(0, 0): 2.0}}) is None
    assert estimate({"a": {(0, 0): 1.0}, "b": {(1, 0): 2.0}}) is None


def test_one_split_has_runs_alone() -> None:
    values = draw((2, 1, 6), 0.0, 1.0, 8)
    found = estimate(scores_of(values))
    assert (found.fold, found.seed) == (None, None)
    gaps = values[0, 0] - values[1, 0]
    mean = found.mean({(0, seed): float(gap) for seed, gap in enumerate(gaps)}, 0.0)
    assert mean.p_of_difference() == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)


# Families -------------------------------------------------------------------------------------------------------------


def test_rows_that_comparisons_connect_are_a_group() -> None:
    comparisons = [Comparison("q", "mlp", "controls"), Comparison("q", "unet", "baselines"),
                   Comparison("q", "constant", "controls"), Comparison("z", "x", "controls")]  # fmt: skip
    assert groups(comparisons) == [("constant", "mlp", "q"), ("q", "unet"), ("constant", "mlp", "q"), ("x", "z")]


def test_near_identical_controls_do_not_lend_their_variance_to_networks() -> None:
    values = draw((5, 5, 3), 0.0, 0.1, 9)
    values[3:] += np.random.default_rng(9).normal(0, 3, (2, 5, 1))
    scores = scores_of(values)
    family = family_of(scores)
    assert family.components is None
    assert family.p_sphericity < 0.05
    near, far = (mean_of_pair(scores["r0"], scores[other], family, 1 / 4) for other in ("r1", "r3"))
    assert near[2] == far[2] == "pair"
    assert near[0].error < 0.1 * far[0].error
    few = {row: {key: cells[key] for key in cells if key[0] < 3} for row, cells in scores.items()}
    mean, components, basis = mean_of_pair(few["r0"], few["r1"], Family(tuple(few), None), 1 / 4)
    assert (components, basis, mean.degrees) == (None, "fold means", 2)


def test_the_test_of_sphericity_keeps_its_level() -> None:
    p_values = []
    for seed in range(400):
        scores = scores_of(draw((4, 5, 2), 1.0, 1.0, seed))
        p_values.append(sphericity(scores, estimate(scores)))
    assert np.mean(np.array(p_values) < 0.25) == pytest.approx(0.25, abs=0.07)
    scores = {"a": {(0, 0): 1.0}, "b": {(0, 0): 1.5}, "c": {(0, 0): 2.5}}
    assert sphericity(scores, Components(None, None, 1.0)) is None  # one cell


# How often it is wrong ------------------------------------------------------------------------------------------------

GRIDS = [(5, 1), (5, 3), (7, 1), (3, 10)]


def equal_rows(folds: int, seeds: int, fold_sd: float, repeats: int, rows: int = 4) -> Iterator[tuple[float, bool]]:
    """Yield p-values of rows without any difference, and whether intervals hold the truth; folds correlate by 1/k."""
    generator, rho = np.random.default_rng(folds * 100 + seeds), 1 / folds
    shape = (rows, folds, seeds)
    for _ in range(repeats):
        own = math.sqrt(1 - rho) * generator.normal(size=(rows, folds, 1))
        values = fold_sd * (own + math.sqrt(rho) * generator.normal(size=(rows, 1, 1))) + generator.normal(size=shape)
        values += generator.normal(0, 2, (1, folds, seeds))
        scores = scores_of(values)
        family = family_of(scores)
        for a, b in (("r0", "r1"), ("r2", "r3")):
            mean = mean_of_pair(scores[a], scores[b], family, 1 / (folds - 1))[0]
            low, high = mean.ends(0.95)
            yield mean.p_of_difference(), low < 0 < high


BANDS = {  # % of false positives at a nominal 5 %, by grid and by standard deviation of row x fold over that of runs
    # Different networks. With one seed the sum of both parts counts as row x fold: too much by what runs are of it.
    ((5, 1), 5.0): (3, 6), ((5, 3), 5.0): (3, 6), ((7, 1), 5.0): (3, 6), ((3, 10), 5.0): (3, 6),
    # Near-identical controls. With one seed per fold nothing tells that folds do not matter: cautious, not 3 to 6.
    ((5, 1), 0.2): (0, 3), ((5, 3), 0.2): (3, 6), ((7, 1), 0.2): (0, 3), ((3, 10), 0.2): (3, 6),
    # No part of folds at all: no estimate is negative, so that some are too large, and 2.8 % is what is reached.
    ((5, 3), 0.0): (2, 6), ((3, 10), 0.0): (2, 6),
}  # fmt: skip


def band(folds: int, seeds: int, fold_sd: float, repeats: int) -> None:
    found = list(equal_rows(folds, seeds, fold_sd, repeats))
    wrong = np.mean([p < 0.05 for p, _ in found])
    assert np.mean([inside for _, inside in found]) == pytest.approx(1 - wrong)  # the interval is that of the test
    low, high = (each / 100 for each in BANDS[(folds, seeds), fold_sd])
    chance = 2.5 * math.sqrt(0.05 * 0.95 / len(found))  # of the simulation itself
    assert low - chance <= wrong <= high + chance


@pytest.mark.slow
@pytest.mark.parametrize(("grid", "fold_sd"), BANDS, ids=str)
def test_false_positives_and_coverage(grid: tuple[int, int], fold_sd: float) -> None:
    band(*grid, fold_sd, 3000)


@pytest.mark.parametrize(("grid", "fold_sd"), [((5, 3), 5.0), ((5, 3), 0.2), ((5, 1), 5.0)], ids=str)
def test_false_positives_in_short(grid: tuple[int, int], fold_sd: float) -> None:
    band(*grid, fold_sd, 150)


def test_it_finds_more_than_the_two_way_rule() -> None:
    """Where one run's luck is what there is, a difference is found twice as often."""
    generator, hits = np.random.default_rng(3), np.zeros(2)
    for _ in range(150):
        values = generator.normal(0, 1, (4, 5, 3))
        values[0] += 1.0
        scores = scores_of(values)
        mean = mean_of_pair(scores["r0"], scores["r1"], family_of(scores), 1 / 4)[0]
        hits += mean.p_of_difference() < 0.05, paired_interval(values[0] - values[1], overlap=1 / 4).p < 0.05
    assert hits[0] > 1.5 * hits[1]
