"""Published gains beside ours."""

import math

import numpy as np
import pytest
from scipy import stats

from hqzoo.compare.mean import Mean
from hqzoo.compare.published import prediction_interval, published_gain


def test_the_interval_is_welchs_of_two_samples() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.02, 0.03, 7), rng.normal(0.05, 0.06, 5)
    mean = Mean(float(ours.mean()), float(ours.std(ddof=1)) / math.sqrt(7), 6)
    found = published_gain(mean, list(theirs), float(theirs.mean()))
    welch = stats.ttest_ind(theirs, ours, equal_var=False).confidence_interval(0.95)
    shift = theirs.mean() - ours.mean()  # the interval of the difference, moved to where ours is
    assert (found["low"], found["high"]) == pytest.approx(
        (ours.mean() - shift + welch.low, ours.mean() - shift + welch.high)
    )
    assert found["inside"] == (stats.ttest_ind(theirs, ours, equal_var=False).pvalue >= 0.05)


def test_it_holds_a_repetition_as_often_as_it_says() -> None:
    rng, inside, repeats = np.random.default_rng(1), 0, 4000
    for _ in range(repeats):
        ours, theirs = rng.normal(0, 1, 15), rng.normal(0, 2, 5)
        mean = Mean(float(ours.mean()), float(ours.std(ddof=1)) / math.sqrt(15), 14)
        inside += published_gain(mean, list(theirs), float(theirs.mean()))["inside"]
    assert 0.94 < inside / repeats < 0.965


def test_what_cannot_be_told() -> None:
    mean = Mean(0.0, 0.1, 4)
    assert published_gain(mean, [0.1, 0.2], None) is None
    assert published_gain(mean, [0.1], 0.1) == {"gain": 0.1, "low": None, "high": None, "inside": None}
    assert published_gain(None, [0.1, 0.2], 0.15)["inside"] is None
    assert prediction_interval(Mean(0.3, 0.0, 4), 0.0, 4) == (0.3, 0.3)
