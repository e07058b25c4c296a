"""Every statistic against scipy, brute force, numbers worked out by hand, or simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from hqzoo.compare.statistics import (
    Interval,
    _resampled_means,
    fold_means,
    hierarchical_bootstrap,
    holm,
    mean_of,
    median_iqr,
    paired_interval,
    pitman_morgan,
    smallest_detectable,
    tost,
    verdict,
)
from hqzoo.errors import ConfigError

PUBLISHED = {  # soft IoU of the Qu-Net authors' five PH2 folds, from their result files
    "unet": (0.6452, 0.4249, 0.6220, 0.5307, 0.6686),
    "4_1": (0.5134, 0.6076, 0.4153, 0.7157, 0.6035),
    "4_2": (0.6404, 0.6942, 0.6603, 0.4584, 0.4841),
    "4_1_2": (0.7427, 0.6113, 0.6495, 0.6623, 0.5813),
    "4_1_3": (0.6172, 0.4964, 0.7015, 0.6342, 0.7322),
    "4_2_2": (0.5927, 0.6846, 0.6223, 0.6265, 0.6883),
    "6_1_2": (0.7279, 0.5962, 0.6940, 0.6616, 0.7079),
    "6_2": (0.5865, 0.6635, 0.6652, 0.6652, 0.6797),
    "12_1": (0.6348, 0.7056, 0.7112, 0.7016, 0.6336),
    "12_2": (0.6837, 0.5788, 0.6851, 0.6298, 0.7008),
}

numbers = st.floats(-1, 1).map(lambda value: round(value, 3))
samples = st.lists(numbers, min_size=3, max_size=8).filter(lambda values: np.std(values) > 1e-6)
probabilities = st.floats(0, 1)


# Intervals ------------------------------------------------------------------------------------------------------------


@given(samples, st.floats(0.5, 0.999))
def test_interval_is_that_of_the_t_test(values: list[float], confidence: float) -> None:
    found = paired_interval(values, confidence)
    judge = stats.ttest_1samp(values, 0)
    ends = judge.confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-9)
    assert found.p == pytest.approx(judge.pvalue, abs=1e-9)
    assert (found.mean, found.sd, found.n) == (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)),
                                               len(values))  # fmt: skip


def test_interval_by_hand() -> None:
    """1, 2, 3: mean 2, sd 1, t at 97.5 % with two degrees 4.3027."""
    found = paired_interval([1, 2, 3])
    assert (found.low, found.high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(0.3, 1.0, (4000, 5))
    intervals = [paired_interval(draw) for draw in draws]
    assert np.mean([each.low < 0.3 < each.high for each in intervals]) == pytest.approx(0.95, abs=0.012)


@given(samples, st.sampled_from([0.0, 0.25, 1.0]))
def test_overlap_widens_the_standard_error(values: list[float], overlap: float) -> None:
    """Nadeau and Bengio 2003: (1/n + n_test/n_train) s^2 for s^2 / n."""
    n, judge = len(values), stats.ttest_1samp(values, 0)
    factor = math.sqrt(1 + n * overlap)
    found, plain = paired_interval(values, overlap=overlap), paired_interval(values)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(judge.statistic) / factor, n - 1), abs=1e-9)
    assert found.high - found.mean == pytest.approx(factor * (plain.high - plain.mean))
    assert (found.mean, found.sd, found.n) == (plain.mean, plain.sd, plain.n)
    assert smallest_detectable(values, overlap=overlap) == pytest.approx(factor * smallest_detectable(values))
    widened = np.mean(values) + factor * (np.array(values) - np.mean(values))  # as much wider, and independent
    assert tost(values, 0.1, overlap) == pytest.approx(tost(widened, 0.1), abs=1e-9)


def test_overlap_is_not_negative() -> None:
    with pytest.raises(ConfigError, match="overlap=-1"):
        paired_interval([0.1, 0.2], overlap=-1)


def test_shared_seeds_by_hand() -> None:
    """Folds' means 1, 3 (variance 2), seeds' means 0, 2, 4 (variance 4): V = 2 (1/2 + 1) + 4/3."""
    differences = np.array([[-1.0, 1.0, 3.0], [1.0, 3.0, 5.0]])
    parts = (2 * (1 / 2 + 1), 1), (4 / 3, 2)
    variance = 3 + 4 / 3
    degrees = variance**2 / sum(part**2 / own for part, own in parts)
    found = paired_interval(differences, overlap=1.0)
    assert (found.mean, found.sd, found.n) == (pytest.approx(2), pytest.approx(math.sqrt(2)), 2)
    assert found.high == pytest.approx(2 + stats.t.ppf(0.975, degrees) * math.sqrt(variance))
    assert found.p == pytest.approx(2 * stats.t.sf(2 / math.sqrt(variance), degrees))
    above = stats.t.sf((2 + 5) / math.sqrt(variance), degrees)
    below = stats.t.sf((5 - 2) / math.sqrt(variance), degrees)
    assert tost(differences, 5, overlap=1.0) == pytest.approx(max(above, below))
    shift = smallest_detectable(differences, overlap=1.0) / math.sqrt(variance)
    assert stats.nct.sf(stats.t.ppf(0.975, degrees), degrees, shift) == pytest.approx(0.8)


@given(samples)
def test_one_seed_has_no_spread_over_seeds(values: list[float]) -> None:
    assert paired_interval([[each] for each in values], overlap=0.2) == paired_interval(values, overlap=0.2)


@pytest.mark.parametrize(("seed_sd", "least", "most"), [(0.0, 0.0, 0.05), (0.05, 0.0, 0.06), (0.2, 0.02, 0.09)])
def test_a_start_that_suits_all_folds_is_no_finding(seed_sd: float, least: float, most: float) -> None:
    """Runs of five folds and three seeds without a difference: folds alone would find one in up to 80 %."""
    generator = np.random.default_rng(8)
    draws = [
        generator.normal(0, 0.02, (5, 1)) + generator.normal(0, seed_sd, (1, 3)) + generator.normal(0, 0.05, (5, 3))
        for _ in range(3000)
    ]
    assert least <= np.mean([paired_interval(draw).p < 0.05 for draw in draws]) <= most
    if seed_sd:
        assert np.mean([paired_interval(draw.mean(axis=1)).p < 0.05 for draw in draws]) > 0.25


def test_one_difference_has_no_interval() -> None:
    assert paired_interval([0.02]) == Interval(0.02, None, None, None, 1, None)


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.01, 0.0), (-0.01, 0.0)])
def test_differences_without_spread(value: float, p: float) -> None:
    found = paired_interval([value] * 4)
    assert (found.mean, found.low, found.high, found.p) == (pytest.approx(value), pytest.approx(value),
                                                            pytest.approx(value), p)  # fmt: skip


def test_rounding_is_no_spread() -> None:
    """The same difference five times, each rounded in its own way."""
    differences = [0.1 + 0.2, 0.3, 0.3 + 1e-17, 0.6 - 0.3, 0.1 * 3]
    assert np.ptp(differences) > 0
    found = paired_interval(differences)
    assert (found.sd, found.p, found.low) == (0.0, 0.0, pytest.approx(0.3))
    assert mean_of(differences).error == 0.0


def test_a_missing_run_keeps_the_seeds_in() -> None:
    """One run of fifteen less must not halve an interval that rests on three seeds."""
    generator = np.random.default_rng(1)
    for _ in range(50):
        whole = 0.01 * generator.normal(size=(5, 1)) + 0.2 * generator.normal(size=(1, 3)) + np.zeros((5, 3))
        gap = whole.copy()
        gap[2, 1] = np.nan
        full, less = mean_of(whole, 0.25), mean_of(gap, 0.25)
        # seeds 0 and 2 count a little more: sum of squared weights
        weights = np.array([(4 / 3 + 1 / 2) / 5, (4 / 3) / 5, (4 / 3 + 1 / 2) / 5])
        of_seeds = whole.mean(axis=0).var(ddof=1) * np.sum(weights**2)
        units = np.nanmean(gap, axis=1)
        assert less.error == pytest.approx(math.sqrt(of_seeds + units.var(ddof=1) * (1 / 5 + 0.25)))
        assert less.error > 0.9 * full.error
        assert less.degrees < 4.5


def test_seeds_that_folds_do_not_share_have_no_part_of_their_own() -> None:
    values = np.full((3, 3), np.nan)
    np.fill_diagonal(values, [0.1, 0.3, 0.2])
    assert mean_of(values, 0.5) == mean_of([0.1, 0.3, 0.2], 0.5)


def test_seeds_are_averaged_within_their_fold() -> None:
    scores = {(1, 0): 0.5, (0, 0): 0.2, (0, 1): 0.4, (0, 2): 0.3}
    assert fold_means(scores) == {0: pytest.approx(0.3), 1: 0.5}
    assert list(fold_means(scores)) == [0, 1]


# Bootstrap ------------------------------------------------------------------------------------------------------------


def test_bootstrap_has_the_quantiles_of_all_resamples() -> None:
    """Five scenes with one seed have 5^5 equally likely resamples."""
    values = [0.01, -0.02, 0.05, 0.03, 0.002]
    every = [np.mean(each) for each in itertools.product(values, repeat=5)]
    found = hierarchical_bootstrap(np.array(values)[:, None], np.zeros((5, 1)), repeats=40_000)
    assert (found.low, found.high) == pytest.approx(np.quantile(every, [0.025, 0.975]), abs=0.0008)
    share = np.mean(np.array(every) <= 0)
    assert found.p == pytest.approx(2 * share, abs=0.01)
    assert (found.mean, found.n) == (pytest.approx(np.mean(values)), 5)


def test_bootstrap_draws_both_levels() -> None:
    """Variance of a resampled mean: (variance between scenes + mean variance within / seeds) / scenes."""
    differences = [np.array(values) for values in ([0.0, 3.0], [1.0, 1.0], [5.0, 2.0], [-1.0, 4.0], [0.5, 0.5])]
    of_scenes = np.array([values.mean() for values in differences])
    expected = (of_scenes.var() + np.mean([values.var() for values in differences]) / 2) / 5
    means = _resampled_means(differences, 40_000, np.random.default_rng(1))
    assert means.mean() == pytest.approx(of_scenes.mean(), abs=0.02)
    assert means.var() == pytest.approx(expected, rel=0.03)


def test_bootstrap_with_unequal_numbers_of_seeds() -> None:
    differences = [np.array([1.0]), np.array([0.0, 2.0, 4.0])]
    means = _resampled_means(differences, 40_000, np.random.default_rng(2))
    within = np.var([0.0, 2.0, 4.0]) / 3
    assert means.mean() == pytest.approx(1.5, abs=0.01)
    assert means.var() == pytest.approx((0.25 + within / 2) / 2, rel=0.03)


def test_bootstrap_is_paired() -> None:
    """What scenes and seeds have in common cancels: a constant difference is certain."""
    noise = np.random.default_rng(3).normal(0.5, 0.2, (6, 3))
    found = hierarchical_bootstrap(noise + 0.01, noise, repeats=500)
    assert (found.low, found.high) == pytest.approx((0.01, 0.01))
    assert found.p == pytest.approx(2 / 501)


def test_bootstrap_of_dictionaries_finds_the_scenes_by_name() -> None:
    a = {"x": [0.1, 0.2], "y": [0.3], "z": [0.2, 0.2], "u": [0.4], "v": [0.1, 0.5]}
    b = {scene: [value - 0.05 for value in a[scene]] for scene in reversed(a)}
    assert hierarchical_bootstrap(a, b, repeats=100).mean == pytest.approx(0.05)


def test_bootstrap_covers_the_truth_as_often_as_its_docstring_says() -> None:
    generator, shares = np.random.default_rng(4), []
    for scenes in (40, 10, 5):
        draws = [generator.normal(0.3, 1.0, (scenes, 1)) + generator.normal(0, 0.5, (scenes, 3)) for _ in range(1000)]
        found = [hierarchical_bootstrap(each, np.zeros_like(each), 600, seed) for seed, each in enumerate(draws)]
        shares.append(np.mean([each.low < 0.3 < each.high for each in found]))
    assert shares == pytest.approx([0.94, 0.91, 0.85], abs=0.025)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((4, 3)), np.zeros((4, 3)), "4 scenes says little.*at least 5"),
        (np.zeros((5, 3)), np.zeros((5, 2)), "same scenes and seeds"),
        ({name: [0.0] for name in "abcde"}, {name: [0.0] for name in "abcdx"}, "same scenes and seeds"),
        (np.zeros(5), np.zeros(5), "scenes x seeds"),
        (np.full((5, 1), np.nan), np.zeros((5, 1)), "finite"),
    ],
)
def test_bootstrap_refuses(a: object, b: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hierarchical_bootstrap(a, b)


# Corrections and tests ------------------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(probabilities, min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(p_values: list[float]) -> None:
    """Marcus, Peritz and Gabriel 1976: a hypothesis falls when every set of hypotheses that holds it falls."""
    indexes = range(len(p_values))
    sets = [each for size in range(1, len(p_values) + 1) for each in itertools.combinations(indexes, size)]
    closed = [max(min(1.0, len(each) * min(p_values[j] for j in each)) for each in sets if i in each) for i in indexes]
    assert holm(p_values) == pytest.approx(closed)


@given(samples, st.floats(0.001, 0.5))
def test_tost_is_two_one_sided_tests(values: list[float], margin: float) -> None:
    above = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(values, margin, alternative="less").pvalue
    assert tost(values, margin) == pytest.approx(max(above, below), abs=1e-9)


@given(samples, st.floats(0.01, 0.5))
def test_tost_agrees_with_the_90_percent_interval(values: list[float], margin: float) -> None:
    interval = paired_interval(values, 0.90)
    inside = min(interval.low + margin, margin - interval.high)
    if abs(inside) > 1e-6:
        assert (tost(values, margin) < 0.05) == (inside > 0)


def test_tost_without_spread() -> None:
    assert tost([0.005, 0.005, 0.005], 0.01) == 0.0
    assert tost([0.02, 0.02], 0.01) == 1.0


@pytest.mark.parametrize(("n", "power", "alpha"), [(2, 0.8, 0.05), (5, 0.8, 0.05), (5, 0.9, 0.05 / 9), (7, 0.5, 0.01)])
def test_smallest_detectable_has_its_power(n: int, power: float, alpha: float) -> None:
    """Power by integrating over the distribution of the sample's spread, without the non-central t distribution."""
    values = np.random.default_rng(n).normal(0, 0.03, n)
    delta = smallest_detectable(values, power, alpha)
    critical = stats.t.ppf(1 - alpha / 2, n - 1)
    shift = delta * math.sqrt(n) / np.std(values, ddof=1)

    def found(root: float) -> float:  # root: sample spread over true spread
        return float(stats.norm.sf(critical * root - shift) * stats.chi.pdf(root * math.sqrt(n - 1), n - 1))

    integral = integrate.quad(found, 0, 10, limit=500)[0]
    assert math.sqrt(n - 1) * integral == pytest.approx(power, abs=1e-6)


def test_smallest_detectable_in_simulation() -> None:
    values = np.array([0.01, -0.03, 0.02, 0.04, -0.01])
    delta, sd = smallest_detectable(values), np.std(values, ddof=1)
    draws = np.random.default_rng(5).normal(delta, sd, (4000, 5))
    assert np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)


def test_smallest_detectable_depends_on_spread_alone() -> None:
    values = np.array([0.01, -0.03, 0.02, 0.04])
    assert smallest_detectable(values + 7) == pytest.approx(smallest_detectable(values))
    assert smallest_detectable(3 * values) == pytest.approx(3 * smallest_detectable(values))
    assert smallest_detectable([0.1, 0.1]) == 0.0


@given(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=12))
def test_pitman_morgan_is_the_correlation_of_sums_and_differences(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    if min(np.std(a + b), np.std(a - b)) > 1e-3:
        assert pitman_morgan(a, b) == pytest.approx(stats.pearsonr(a + b, a - b).pvalue, abs=1e-6)
        assert pitman_morgan(b, a) == pytest.approx(pitman_morgan(a, b), abs=1e-9)


def test_pitman_morgan_within_folds_by_hand() -> None:
    """Deviations from the folds' means correlate; of 9 runs in 3 folds 5 degrees of freedom are left."""
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(2, 3, 3)) + generator.normal(0, 50, (1, 3, 1))
    own = [(each - each.mean(1, keepdims=True)).ravel() for each in (a + b, a - b)]
    r = stats.pearsonr(*own).statistic
    p = 2 * stats.t.sf(abs(r) * math.sqrt(5 / (1 - r**2)), 5)
    folds = [fold for fold in range(3) for _ in range(3)]
    assert pitman_morgan(a.ravel(), b.ravel(), folds) == pytest.approx(p)


@pytest.mark.parametrize("grouped", [False, True])
def test_pitman_morgan_keeps_its_level_and_finds_what_is_there(grouped: bool) -> None:
    """Paired scores that share their folds; spreads are equal, then one is three times the other."""
    generator = np.random.default_rng(9)
    folds = [fold for fold in range(5) for _ in range(3)]

    def share(factor: float) -> float:
        shared = generator.normal(0, 2, (3000, 5 if grouped else 15))
        common = np.repeat(shared, 3, axis=1) if grouped else shared
        a, b = common + generator.normal(size=(3000, 15)), common + factor * generator.normal(size=(3000, 15))
        return float(
            np.mean([pitman_morgan(*pair, folds if grouped else None) < 0.05 for pair in zip(a, b, strict=True)])
        )

    assert share(1.0) == pytest.approx(0.05, abs=0.012)
    assert share(3.0) > (0.8 if grouped else 0.3)


def test_pitman_morgan_without_any_spread() -> None:
    assert pitman_morgan([1, 1, 1], [2, 2, 2]) == 1.0
    assert pitman_morgan([0.1, 0.2, 0.4], [0.2, 0.3, 0.5]) == 1.0  # but for rounding, the same differences
    assert pitman_morgan([0.1, 0.2, 0.4], [0.4, 0.3, 0.1]) == 1.0


def test_median_and_quartiles() -> None:
    assert median_iqr([4, 1, 3, 2]) == pytest.approx((2.5, 1.5))  # quartiles 1.75 and 3.25
    assert median_iqr([0.3]) == (0.3, 0.0)
    values = np.random.default_rng(6).normal(size=31)
    assert median_iqr(values) == pytest.approx((np.median(values), stats.iqr(values)))


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "p", "p_equivalence", "higher", "word"),
    [
        (0.02, 0.01, 0.9, True, "better"),
        (-0.02, 0.01, 0.9, True, "worse"),
        (-0.02, 0.01, 0.9, False, "better"),
        (0.002, 0.01, 0.001, True, "better"),  # told from 0, however small
        (0.002, 0.3, 0.01, True, "equivalent"),
        (0.02, 0.06, 0.7, True, "undecided"),
        (0.02, 0.05, 0.05, True, "undecided"),
        (0.02, None, None, True, "undecided"),
    ],
)
def test_verdict(mean: float, p: float | None, p_equivalence: float | None, higher: bool, word: str) -> None:
    interval = Interval(mean, None, None, None, 1, None)
    assert verdict(interval, p, p_equivalence, higher_is_better=higher) == word


def test_a_verdict_is_rarely_wrong() -> None:
    """Without any difference "better" or "worse" comes in 5 %; at the margin "equivalent" comes in 5 %."""
    generator = np.random.default_rng(7)

    def words(mean: float) -> list[str]:
        draws = generator.normal(mean, 0.005, (2000, 5))
        return [
            verdict(interval, interval.p, tost(draw, 0.01)) for draw in draws for interval in [paired_interval(draw)]
        ]

    assert np.mean([word in ("better", "worse") for word in words(0.0)]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([word == "equivalent" for word in words(0.01)]) < 0.065


def test_what_the_published_qu_net_scores_support() -> None:
    """Once their number is counted, none of the nine complete rows differs from U-Net, and one varies less."""
    unet = np.array(PUBLISHED["unet"])
    rows = {name: np.array(scores) for name, scores in PUBLISHED.items() if name != "unet"}
    raw = [paired_interval(scores - unet).p for scores in rows.values()]
    assert min(raw) == pytest.approx(0.013, abs=0.0006)
    assert min(holm(raw)) == pytest.approx(0.12, abs=0.006)
    spread = dict(zip(rows, holm([pitman_morgan(scores, unet) for scores in rows.values()]), strict=True))
    assert [name for name, p in spread.items() if p < 0.05] == ["12_2"]
    assert rows["12_2"].std() < 0.6 * unet.std()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_interval([]), "at least 1 finite"),
        (lambda: paired_interval(np.zeros((5, 0))), "folds x seeds"),
        (lambda: paired_interval(np.zeros((2, 2, 2))), "folds x seeds"),
        (lambda: paired_interval([0.1, math.nan]), "finite"),
        (lambda: paired_interval([[0.1, 0.2], [math.nan, math.nan]]), "finite"),
        (lambda: paired_interval([0.1, 0.2], 95), "confidence=95 must lie between 0 and 1"),
        (lambda: tost([0.1]), "at least 2"),
        (lambda: tost([0.1, 0.2], 0), "margin=0 must be positive"),
        (lambda: smallest_detectable([0.1]), "at least 2"),
        (lambda: smallest_detectable([0.1, 0.2], power=0.01), "alpha < power"),
        (lambda: pitman_morgan([1, 2], [1, 2]), "at least 3"),
        (lambda: pitman_morgan([1, 2, 4], [1, 2, 3, 5]), "3 and 4 scores"),
        (lambda: pitman_morgan([1, 2, 4], [1, 2, 3], [0, 0, 1]), "too few"),
        (lambda: holm([0.5, 1.5]), "from 0 to 1"),
        (lambda: median_iqr([]), "at least 1"),
        (lambda: hierarchical_bootstrap(np.zeros((5, 1)), np.zeros((5, 1)), repeats=0), "repeats=0"),
    ],
)
def test_mistakes_are_named(call, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()
