"""Variance components of units x runs against statsmodels, closed forms and simulation."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import mixedlm, ols

from hqzoo.compare.crossed import CrossedFold, CrossedMean, crossed_mean
from hqzoo.errors import ConfigError


def fold(values: np.ndarray, cluster: np.ndarray | None = None, number: int = 0, keys: Any = None) -> CrossedFold:
    cluster = np.arange(len(values)) if cluster is None else cluster
    keys = tuple((number, run) for run in range(values.shape[1])) if keys is None else keys
    return CrossedFold(number, values, cluster, keys)


def draw(
    generator: np.random.Generator, units: int, runs: int, unit_sd: float, run_sd: float, rest_sd: float
) -> np.ndarray:
    return (
        generator.normal(0, unit_sd, (units, 1))
        + generator.normal(0, run_sd, (1, runs))
        + generator.normal(0, rest_sd, (units, runs))
    )


def p_of(found: CrossedMean) -> float:
    return float(2 * stats.t.sf(abs(found.value) / math.sqrt(found.variance), found.degrees))


@pytest.fixture
def values() -> np.ndarray:
    """All three components are above zero."""
    return 0.1 + draw(np.random.default_rng(3), 25, 4, 0.3, 0.2, 0.25)


def test_components_are_those_of_the_analysis_of_variance(values: np.ndarray) -> None:
    units, runs = values.shape
    frame = pd.DataFrame({"d": values.ravel(), "u": np.repeat(range(units), runs), "r": np.tile(range(runs), units)})
    table = sm.stats.anova_lm(ols("d ~ C(u) + C(r)", frame).fit())
    of_units, of_runs, rest = (table["sum_sq"] / table["df"])[["C(u)", "C(r)", "Residual"]]
    found = crossed_mean([fold(values)])
    assert found.value == pytest.approx(values.mean())
    assert found.clusters == pytest.approx((of_units - rest) / (units * runs))
    assert found.runs == pytest.approx((of_runs - rest) / (units * runs))
    assert found.residual == pytest.approx(rest / (units * runs))
    squares = of_units**2 / (units - 1) + of_runs**2 / (runs - 1) + rest**2 / ((units - 1) * (runs - 1))
    assert found.degrees == pytest.approx((of_units + of_runs - rest) ** 2 / squares)


def test_variance_is_that_of_the_mixed_model(values: np.ndarray) -> None:
    """REML of a balanced table is its analysis of variance."""
    units, runs = values.shape
    frame = pd.DataFrame({"d": values.ravel(), "u": np.repeat(range(units), runs), "r": np.tile(range(runs), units)})
    crossed = {"u": "0 + C(u)", "r": "0 + C(r)"}
    model = mixedlm("d ~ 1", frame, groups=np.ones(len(frame)), vc_formula=crossed).fit()
    found = crossed_mean([fold(values)])
    assert math.sqrt(found.variance) == pytest.approx(model.bse_fe["Intercept"], rel=1e-3)


def test_one_run_of_independent_units_is_the_t_test(values: np.ndarray) -> None:
    found, judge = crossed_mean([fold(values[:, :1])]), stats.ttest_1samp(values[:, 0], 0)
    assert p_of(found) == pytest.approx(judge.pvalue)
    assert (found.degrees, found.runs, found.residual) == (pytest.approx(24), None, None)


def test_one_run_of_clusters_has_the_cluster_robust_error(values: np.ndarray) -> None:
    cluster = np.sort(np.random.default_rng(0).integers(0, 7, len(values)))
    cluster = np.unique(cluster, return_inverse=True)[1]
    model = sm.OLS(values[:, 0], np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    assert math.sqrt(crossed_mean([fold(values[:, :1], cluster)]).variance) == pytest.approx(model.bse[0])


def test_units_of_a_cluster_that_are_alike_are_one(values: np.ndarray) -> None:
    repeated, cluster = np.repeat(values, 3, 0), np.repeat(np.arange(len(values)), 3)
    alone, together = crossed_mean([fold(values)]), crossed_mean([fold(repeated, cluster)])
    assert vars(together) == pytest.approx(vars(alone))
    assert crossed_mean([fold(repeated)]).clusters < alone.clusters / 2  # what clusters are there for


def test_folds_with_runs_of_their_own_are_independent(values: np.ndarray) -> None:
    other = draw(np.random.default_rng(5), 12, 4, 0.3, 0.2, 0.25)
    parts = [crossed_mean([fold(values)]), crossed_mean([fold(other)])]
    found = crossed_mean([fold(values), fold(other, number=1)])
    assert found.value == pytest.approx((values.mean() + other.mean()) / 2)
    assert found.variance == pytest.approx(sum(part.variance for part in parts) / 4)


def test_runs_that_folds_share_are_one_draw(values: np.ndarray) -> None:
    """Runs alone differ: two folds that share them know no more than one."""
    same = np.tile(np.array([0.1, 0.2, 0.4]), (6, 1))
    keys = (("w0",), ("w1",), ("w2",))
    alone = crossed_mean([fold(same)])
    assert alone.variance == pytest.approx(np.var([0.1, 0.2, 0.4], ddof=1) / 3)
    shared = crossed_mean([fold(same, keys=keys), fold(same, number=1, keys=keys)])
    assert (shared.variance, shared.degrees) == (pytest.approx(alone.variance), pytest.approx(2))
    assert crossed_mean([fold(same), fold(same, number=1)]).variance == pytest.approx(alone.variance / 2)
    other_order = fold(same[:, ::-1], number=1, keys=keys[::-1])
    assert crossed_mean([fold(same, keys=keys), other_order]).variance == pytest.approx(alone.variance)


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3])
def test_differences_that_are_equal_up_to_rounding_have_no_spread(value: float) -> None:
    generator = np.random.default_rng(0)
    noisy = value * (1 + 1e-15 * generator.integers(-2, 3, (30, 3)))
    assert crossed_mean([fold(noisy)]).variance == 0


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([fold(np.zeros((4, 2)), np.zeros(4, int))], "Fold 0 has one cluster of 4 units.*clusters='name'"),
        ([fold(np.zeros((4, 2))), fold(np.zeros((4, 1)), number=1)], "Some folds have one run, others up to 2"),
        ([fold(np.zeros((4, 2)), keys=("a", "b")), fold(np.zeros((4, 2)), keys=("b", "c"))], "do not pair over folds"),
    ],
)
def test_what_cannot_be_told_is_refused(folds: list[CrossedFold], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        crossed_mean(folds)


def false_positives(repeats: int, folds: int, units: int, runs: int, size: int, *sds: float) -> float:
    """Return how often differences without any are called real at 5 %."""
    generator, calls = np.random.default_rng(units + runs), 0
    for _ in range(repeats):
        drawn = []
        for number in range(folds):
            sizes = generator.integers(1, 2 * size, units) if size > 1 else np.ones(units, int)
            cluster = np.repeat(np.arange(units), sizes)
            noise = generator.normal(0, 0.1 * (size > 1), (len(cluster), runs))
            drawn.append(fold(draw(generator, units, runs, *sds)[cluster] + noise, cluster, number))
        calls += p_of(crossed_mean(drawn)) < 0.05
    return calls / repeats


CASES = [  # folds, clusters, runs, units a cluster, and deviations of clusters, runs, and the rest
    (1, 40, 1, 1, 0.1, 0.0, 0.1), (1, 40, 3, 1, 0.1, 0.0, 0.1), (1, 40, 3, 1, 0.1, 0.02, 0.1),
    (1, 40, 5, 1, 0.1, 0.02, 0.1), (1, 40, 10, 1, 0.1, 0.05, 0.1), (1, 15, 5, 6, 0.1, 0.02, 0.05),
    (5, 20, 3, 1, 0.1, 0.02, 0.1), (5, 20, 3, 1, 0.1, 0.05, 0.1), (7, 20, 1, 1, 0.1, 0.0, 0.1),
]  # fmt: skip


def test_false_positives_are_as_rare_as_they_say() -> None:
    for case in CASES[1:6:2]:
        assert 0.02 <= false_positives(600, *case) <= 0.085


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_false_positives_of_many_tables(case: Any) -> None:
    assert 0.035 <= false_positives(6000, *case) <= 0.066
