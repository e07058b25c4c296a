"""A mean with its error: that it is Student's, and that its power is what it says."""

import math

import numpy as np
import pytest
from scipy import stats

from hqzoo.compare.mean import Mean, power_of_difference, without_spread
from hqzoo.errors import ConfigError


def test_it_is_the_t_test_of_its_numbers() -> None:
    values = np.array([0.02, -0.01, 0.03, 0.01])
    mean = Mean(values.mean(), values.std(ddof=1) / 2, 3)
    judge = stats.ttest_1samp(values, 0)
    assert mean.p_of_difference() == pytest.approx(judge.pvalue)
    assert mean.ends(0.9) == pytest.approx(tuple(judge.confidence_interval(0.9)))
    above = stats.ttest_1samp(values, -0.02, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.02, alternative="less").pvalue
    assert mean.p_of_equivalence(0.02) == pytest.approx(max(above, below))
    shift = mean.detectable(0.8, 0.05)
    assert power_of_difference(shift, mean.error, 3) == pytest.approx(0.8)
    assert Mean(0.0, 0.0, 3).detectable(0.8, 0.05) == 0.0


def test_power_in_simulation() -> None:
    draws = np.random.default_rng(2).normal(0.7, 1.0, (20000, 8))
    found = stats.ttest_1samp(draws, 0, axis=1)
    share = np.mean((found.pvalue < 0.05) & (found.statistic > 0))
    assert power_of_difference(0.7, 1 / math.sqrt(8), 7) == pytest.approx(share, abs=0.01)


def test_spread_is_more_than_rounding() -> None:
    assert without_spread([0.3, 0.1 + 0.2, 0.6 - 0.3], 0.6)
    assert not without_spread([0.3, 0.3 + 1e-12], 0.6)
    assert without_spread([0.0, 0.0], 0.0)


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match="margin=0 must be positive"):
        Mean(0.1, 0.1, 3).p_of_equivalence(0)
    with pytest.raises(ConfigError, match="alpha < power"):
        Mean(0.1, 0.1, 3).detectable(0.01, 0.05)
