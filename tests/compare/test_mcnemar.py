"""McNemar's tests against statsmodels, and their size by adding up all outcomes."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from hqzoo.compare.mcnemar import clustered, mid_p, unclustered
from hqzoo.errors import ConfigError


def checkpoints(both: int, only_a: int, only_b: int, none: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, only_a, only_b, none]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 0), (3, 8), (8, 3), (20, 41), (7, 7), (0, 1)])
def test_mid_p_is_the_exact_one_less_the_observed_outcome(only_a: int, only_b: int) -> None:
    exact = mcnemar([[10, only_a], [only_b, 4]], exact=True).pvalue
    observed = stats.binom.pmf(only_a, only_a + only_b, 0.5)
    expected = 1.0 if only_a == only_b else exact - observed
    assert mid_p(only_a, only_b) == pytest.approx(expected)


def test_published_example() -> None:
    """Airway hyper-responsiveness before and after transplantation, b = 1, c = 7 (Fagerland et al. 2013): .0391."""
    assert mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)


def test_its_size_stays_near_its_level() -> None:
    """The sum over all outcomes: not above 5 % by more than rounding, and not far below it."""
    for number, discordant in itertools.product((40, 100), (0.2, 0.5)):
        size = 0.0
        for drawn in range(number + 1):
            chance = stats.binom.pmf(drawn, number, discordant)
            calls = [k for k in range(drawn + 1) if mid_p(k, drawn - k) < 0.05]
            size += chance * sum(stats.binom.pmf(k, drawn, 0.5) for k in calls)
        assert 0.03 < size < 0.053


def test_the_interval_by_hand() -> None:
    a, b = checkpoints(50, 12, 5, 13)
    found = unclustered(a, b)
    p12, p21 = 13 / 82, 6 / 82
    assert found.value == pytest.approx(7 / 80)
    assert found.center == pytest.approx(p12 - p21)
    assert found.error == pytest.approx(math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 82))
    assert found.p == mid_p(12, 5)


def test_clusters_of_one_are_mcnemars_own() -> None:
    a, b = checkpoints(50, 12, 25, 13)
    judge = mcnemar([[50, 12], [25, 13]], exact=False, correction=False)
    assert clustered(a, b, np.arange(100)).p == pytest.approx(judge.pvalue)


def test_clusters_by_hand() -> None:
    """Differences 1/2, -1/3 and 1: (7/6)^2 / (1/4 + 1/9 + 1) = 1."""
    a = np.array([True, True, False, True, False, True])
    b = np.array([True, False, False, True, True, False])
    found = clustered(a, b, np.array([0, 0, 1, 1, 1, 2]))
    assert found.value == pytest.approx((1 / 2 - 1 / 3 + 1) / 3)
    assert found.p == pytest.approx(stats.chi2.sf((7 / 6) ** 2 / (1 / 4 + 1 / 9 + 1), 1))
    assert (found.degrees, found.error) == (2, pytest.approx(np.std([1 / 2, -1 / 3, 1], ddof=1) / math.sqrt(3)))


def test_clusters_count_what_plain_tests_do_not() -> None:
    """Without a difference, units that fail together: the plain test calls far too many real."""
    generator, plain, own = np.random.default_rng(0), 0, 0
    cluster = np.repeat(np.arange(30), 10)
    for _ in range(600):
        a, b = ((generator.normal(0, 1.5, 30)[cluster] + generator.normal(0, 1, 300)) > 0 for _ in range(2))
        plain += unclustered(a, b).p < 0.05
        own += clustered(a, b, cluster).p < 0.05
    assert plain / 600 > 0.3
    assert 0.03 <= own / 600 <= 0.08


def test_one_cluster_is_refused() -> None:
    with pytest.raises(ConfigError, match="All 3 units are in one cluster"):
        clustered(np.ones(3, bool), np.zeros(3, bool), np.zeros(3, int))


def test_copies_do_not_differ() -> None:
    a, _ = checkpoints(5, 0, 0, 3)
    assert (unclustered(a, a).p, clustered(a, a, np.arange(8)).p) == (1.0, 1.0)
