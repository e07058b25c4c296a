"""The pigeonhole bootstrap against all resamples of a small case, and by simulation."""

import itertools

import numpy as np
import pytest

from hqzoo.compare.crossed import CrossedFold, crossed_mean
from hqzoo.compare.pigeonhole import CountedFold, pigeonhole
from hqzoo.errors import ConfigError


def ratio(counts: np.ndarray) -> np.ndarray:
    return counts[..., 0] / counts[..., 1]


def counted(generator: np.random.Generator, clusters: int, runs: int, number: int = 0) -> CountedFold:
    sides = []
    for _ in range(2):
        whole = generator.integers(20, 60, clusters)
        sides.append([[np.stack([generator.binomial(whole, 0.6), whole], 1).astype(float)] for _ in range(runs)])
    return CountedFold(*sides, tuple((number, run) for run in range(runs)))


def of_differences(values: np.ndarray) -> CountedFold:
    """The mean of differences as a ratio."""
    a = [[np.stack([column, np.ones(len(column))], 1)] for column in values.T]
    b = [[np.stack([np.zeros(len(column)), np.ones(len(column))], 1)] for column in values.T]
    return CountedFold(a, b, tuple(range(values.shape[1])))


def test_it_has_the_distribution_of_all_resamples() -> None:
    """Two of three clusters and two of three runs: 81 equally likely resamples."""
    fold = counted(np.random.default_rng(0), 3, 3)
    every = []
    for places in itertools.product(range(3), repeat=2):
        gaps = [
            sum(a[0][p, 0] for p in places) / sum(a[0][p, 1] for p in places)
            - sum(b[0][p, 0] for p in places) / sum(b[0][p, 1] for p in places)
            for a, b in zip(fold.a, fold.b, strict=True)
        ]
        every += [np.mean([gaps[run] for run in runs]) for runs in itertools.product(range(3), repeat=2)]
    found = pigeonhole([fold], ratio, 40_000)
    assert found.values.mean() == pytest.approx(np.mean(every), abs=0.001)
    assert found.values.std() == pytest.approx(np.std(every), rel=0.02)
    assert set(found.values.round(9)) == set(np.round(every, 9))
    share = np.mean(np.array(every) <= 0.01)
    assert found.below(0.01) == pytest.approx(share, abs=0.01)
    assert found.above(0.01) == pytest.approx(1 - share, abs=0.01)


def test_the_difference_is_that_of_scores_of_all_counts() -> None:
    folds = [counted(np.random.default_rng(seed), 5, 2, seed) for seed in range(3)]
    gaps = []
    for fold in folds:
        for a, b in zip(fold.a, fold.b, strict=True):
            gaps.append(a[0][:, 0].sum() / a[0][:, 1].sum() - b[0][:, 0].sum() / b[0][:, 1].sum())
    assert pigeonhole(folds, ratio, 100).value == pytest.approx(np.mean(gaps))


def test_probes_of_a_run_are_averaged_and_not_drawn() -> None:
    fold = counted(np.random.default_rng(1), 4, 2)
    together = CountedFold([[fold.a[0][0], fold.a[1][0]]], [[fold.b[0][0], fold.b[1][0]]], ("one",))
    found = pigeonhole([together], ratio, 500)
    assert found.value == pytest.approx(pigeonhole([fold], ratio, 500).value)
    assert len(set(found.values.round(12))) <= 4**3  # draws of clusters alone


@pytest.mark.parametrize("runs", [2, 4])
def test_the_variance_of_a_mean_is_that_of_its_components(runs: int) -> None:
    """Of clusters and runs, without bias; what both have in common counts up to three times."""
    values = np.random.default_rng(2).normal(0, 0.2, (50, 1)) + np.linspace(0, 0.1, runs)
    found = pigeonhole([of_differences(values)], ratio, 20_000)
    mean = crossed_mean([CrossedFold(0, values, np.arange(50), tuple(range(runs)))])
    assert found.values.var() == pytest.approx(mean.variance, rel=0.04)


def test_folds_that_share_runs_draw_them_together() -> None:
    runs_alone = np.tile(np.array([0.0, 0.1, 0.3]), (8, 1))
    shared = pigeonhole([of_differences(runs_alone), of_differences(runs_alone)], ratio, 20_000)
    assert shared.values.var() == pytest.approx(np.var([0.0, 0.1, 0.3], ddof=1) / 3, rel=0.04)
    turned = of_differences(runs_alone[:, ::-1])
    turned = CountedFold(turned.a, turned.b, turned.keys[::-1])
    assert pigeonhole([of_differences(runs_alone), turned], ratio, 500).values.var() > 0.9 * shared.values.var()
    apart = CountedFold(*(getattr(of_differences(runs_alone), side) for side in "ab"), ("x", "y", "z"))
    found = pigeonhole([of_differences(runs_alone), apart], ratio, 20_000)
    assert found.values.var() == pytest.approx(np.var([0.0, 0.1, 0.3], ddof=1) / 6, rel=0.04)


def test_it_is_seeded_and_does_not_depend_on_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = counted(np.random.default_rng(3), 6, 3)
    first, other = pigeonhole([fold], ratio, 300, 1), pigeonhole([fold], ratio, 300, 2)
    monkeypatch.setattr("hqzoo.compare.pigeonhole.AT_ONCE", 60)
    again = pigeonhole([fold], ratio, 300, 1)
    np.testing.assert_array_equal(first.values, again.values)
    assert (first.values != other.values).any()


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ConfigError, match="A fold has one cluster"):
        pigeonhole([counted(np.random.default_rng(0), 1, 2)], ratio)
    with pytest.raises(ConfigError, match="repeats=5"):
        pigeonhole([counted(np.random.default_rng(0), 3, 2)], ratio, 5)
    with pytest.raises(ConfigError, match="score does not exist"):
        pigeonhole([counted(np.random.default_rng(0), 3, 2)], lambda counts: np.full(counts.shape[0], np.nan))


def false_positives(tables: int, clusters: int, runs: int, run_sd: float) -> float:
    generator, calls = np.random.default_rng(clusters), 0
    for seed in range(tables):
        values = (
            generator.normal(0, 0.1, (clusters, 1))
            + generator.normal(0, run_sd, (1, runs))
            + generator.normal(0, 0.1, (clusters, runs))
        )
        low, high = pigeonhole([of_differences(values)], ratio, 400, seed).interval(0.95)
        calls += not low < 0 < high
    return calls / tables


@pytest.mark.parametrize(("runs", "run_sd"), [(1, 0.0), (5, 0.01)])
def test_false_positives(runs: int, run_sd: float) -> None:
    assert 0.01 <= false_positives(250, 40, runs, run_sd) <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runs", "run_sd", "rate"),
    [(1, 0.0, 0.062), (3, 0.0, 0.026), (3, 0.05, 0.094), (5, 0.02, 0.036), (10, 0.02, 0.039)],
)
def test_false_positives_are_as_its_docstring_says(runs: int, run_sd: float, rate: float) -> None:
    assert false_positives(3000, 40, runs, run_sd) == pytest.approx(rate, abs=0.015)
