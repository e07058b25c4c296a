"""compare_units as users call it: which runs and units belong together, scores, methods, and what findings hold for."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from hqzoo.compare import UnitRun, compare_units, read_units
from hqzoo.compare.unit_statistics import Linear, statistic_of
from hqzoo.errors import ConfigError
from hqzoo.tasks.label_scores import label_scores
from hqzoo.tasks.metric import BOUNDARY_IOU

K = 3
NAMES = np.array([f"image_{n:02d}" for n in range(24)])
CLASSES = ("water", "soil", "trees")


def labels(seed: int, skill: float = 0.7, names: np.ndarray = NAMES, truth_seed: int = 99, **run: Any) -> UnitRun:
    """A classification run: right with the given chance."""
    truth = np.random.default_rng(truth_seed).integers(0, K, len(names))
    generator = np.random.default_rng((seed, int(1000 * skill)))
    chance = generator.random((len(names), K))
    right = generator.random(len(names)) < skill
    chance[np.arange(len(names)), truth] += right
    chance /= chance.sum(1, keepdims=True)
    columns = {"name": names, "truth": truth, "probability": chance, "prediction": chance.argmax(1)}
    return UnitRun(columns, seed, classes=CLASSES, **run)


def masks(seed: int, skill: float = 0.7, names: np.ndarray = NAMES) -> tuple[UnitRun, np.ndarray, np.ndarray]:
    """A segmentation run of images of 50 pixels, and its pixels' truth and prediction ``(N, 50)``."""
    truth = np.random.default_rng(98).integers(0, K, (len(names), 50))
    truth[:5] = truth[:5] % 2  # the last class is absent in some images
    generator = np.random.default_rng((seed, int(1000 * skill)))
    guess = np.where(generator.random(truth.shape) < skill, truth, generator.integers(0, K, truth.shape))
    t, p = (each[..., None] == np.arange(K) for each in (truth, guess))
    columns = {"name": names, "tp": (t & p).sum(1), "fp": (~t & p).sum(1), "fn": (t & ~p).sum(1)}
    return UnitRun(columns, seed, classes=CLASSES), truth, guess


def rows(number: int, **arguments: Any) -> tuple[list[UnitRun], list[UnitRun]]:
    """Paired runs of a row and of a weaker one."""
    better, worse = ([labels(seed, skill, **arguments) for seed in range(number)] for skill in (0.9, 0.7))
    return better, worse


def grouped(run: UnitRun, size: int) -> UnitRun:
    groups = np.array([f"scene_{n // size}" for n in range(len(run.columns["name"]))])
    return dataclasses.replace(run, columns={**run.columns, "group": groups})


# Scores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "judge"),
    [
        ("miou", lambda t, p: sk.jaccard_score(t, p, average="macro")),
        ("iou/soil", lambda t, p: sk.jaccard_score(t, p, average=None)[1]),
        ("oa", sk.accuracy_score),
        ("macro_f1", lambda t, p: sk.f1_score(t, p, average="macro")),
        ("f1/trees", lambda t, p: sk.f1_score(t, p, average=None)[2]),
        ("micro_f1", lambda t, p: sk.f1_score(t, p, average="micro")),
        ("precision/water", lambda t, p: sk.precision_score(t, p, average=None)[0]),
        ("recall/water", lambda t, p: sk.recall_score(t, p, average=None)[0]),
    ],
)  # fmt: skip
def test_ratios_are_those_of_all_pixels_or_images_at_once(score: str, judge: Any) -> None:
    (a, truth, guess), (b, _, other) = masks(0, 0.8), masks(0)
    expected = judge(truth.ravel(), guess.ravel()) - judge(truth.ravel(), other.ravel())
    assert compare_units([a], [b], score, repeats=100).mean == pytest.approx(expected)
    a, b = labels(0, 0.9), labels(0)
    expected = judge(*(a.columns[k] for k in ("truth", "prediction")))
    expected -= judge(*(b.columns[k] for k in ("truth", "prediction")))
    assert compare_units([a], [b], score, repeats=100).mean == pytest.approx(expected)


@pytest.mark.parametrize("several", [False, True])
def test_scores_of_labels_are_those_of_the_report(several: bool) -> None:
    a, b = labels(0, 0.9), labels(0)
    if several:
        truth = np.random.default_rng(0).integers(0, 2, (len(NAMES), K))
        for run in (a, b):
            run.columns.update({"truth": truth, "prediction": run.columns["probability"] >= 0.3})
    reports = [
        label_scores(run.columns["truth"], run.columns["probability"], CLASSES, 0.3)[0] for run in (a, b)
    ]  # fmt: skip
    for score in ("accuracy", "macro_f1", "micro_f1", "ece"):
        expected = reports[0][score] - reports[1][score]
        assert compare_units([a], [b], score, repeats=100).mean == pytest.approx(expected, abs=1e-6)


def test_iou_of_images_leaves_absent_classes_out() -> None:
    run, truth, guess = masks(0)
    score = statistic_of("image_iou", run)
    assert isinstance(score, Linear)
    for k, value in enumerate(score.of_run(run)):
        present = sorted(set(truth[k]))
        assert value == pytest.approx(sk.jaccard_score(truth[k], guess[k], labels=present, average=None).mean())
    of_class = statistic_of("image_iou/trees", run)
    assert isinstance(of_class, Linear)
    assert np.isnan(of_class.of_run(run)).tolist() == [True] * 5 + [False] * 19
    found = compare_units([run], [masks(0, 0.8)[0]], "image_iou/trees")
    assert (found.units, found.method) == (19, "components")


def test_scores_of_retrieval_and_functions() -> None:
    generator = np.random.default_rng(0)
    a, b = (
        UnitRun({"name": NAMES, "rank": generator.integers(1, 9, 24), "average_precision": generator.random(24)})
        for _ in range(2)
    )
    for score, values in {
        "rank": lambda c: c["rank"], "reciprocal_rank": lambda c: 1 / c["rank"],
        "average_precision": lambda c: c["average_precision"],
    }.items():  # fmt: skip
        judge = stats.ttest_rel(values(a.columns), values(b.columns))
        for found in (compare_units([a], [b], score), compare_units([a], [b], values)):
            ends = judge.confidence_interval()
            assert (found.p, found.low, found.high) == pytest.approx((judge.pvalue, ends.low, ends.high))
    hits = compare_units([a], [b], lambda columns: columns["rank"] <= 3)
    assert hits.mean == pytest.approx(np.mean(a.columns["rank"] <= 3) - np.mean(b.columns["rank"] <= 3))


# Runs and units -------------------------------------------------------------------------------------------------------


def test_units_are_found_by_name_and_their_order_does_not_matter() -> None:
    a, b = rows(3)
    shuffled = np.random.default_rng(0).permutation(len(NAMES))
    other = [dataclasses.replace(r, columns={n: v[shuffled] for n, v in r.columns.items()}) for r in reversed(b)]
    for score in ("accuracy", "macro_f1"):
        assert compare_units(a, other, score) == compare_units(a, b, score)


def test_components_are_those_of_units_and_runs() -> None:
    a, b = rows(4)
    found = compare_units(a, b, "accuracy")
    right = [np.stack([r.columns["truth"] == r.columns["prediction"] for r in each], 1) for each in (a, b)]
    assert found.mean == pytest.approx(right[0].mean() - right[1].mean())
    assert found.scope == "runs of this training (4 runs, 24 units)"
    assert set(found.components) == {"clusters", "runs", "residual"}
    half = stats.t.ppf(0.975, found.degrees) * np.sqrt(sum(found.components.values()))
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))


def test_probes_of_one_pretraining_are_no_new_pretrainings() -> None:
    a, b = rows(3, pretraining="p0")
    found = compare_units(a, b, "accuracy")
    assert (found.runs, found.scope, set(found.components)) == (1, "this checkpoint (24 units)", {"clusters"})
    right = [np.stack([r.columns["truth"] == r.columns["prediction"] for r in each], 1).mean(1) for each in (a, b)]
    assert found.p == pytest.approx(stats.ttest_rel(*right).pvalue)
    of_seeds = compare_units(a, b, "accuracy", runs=("seed",))
    assert (of_seeds.runs, of_seeds.scope) == (3, "runs of this training (3 runs, 24 units)")
    two = [[dataclasses.replace(r, pretraining=f"p{r.seed % 2}") for r in each] for each in (a, b)]
    assert compare_units(*two, "accuracy").runs == 2
    assert compare_units(*two, "macro_f1", repeats=100).runs == 2
    with pytest.raises(ConfigError, match="runs of one pretraining are not"):
        compare_units(*two, "accuracy", runs=("seed",))


def test_clusters_are_what_is_independent() -> None:
    a, b = ([grouped(run, 4) for run in each] for each in rows(2))
    found = compare_units(a, b, "macro_f1")
    assert (found.units, found.clusters, found.scope) == (
        24,
        6,
        "runs of this training (2 runs, 24 units in 6 clusters)",
    )
    assert compare_units(a, b, "macro_f1", clusters="name") == compare_units(*rows(2), "macro_f1")
    assert compare_units(a, b, "accuracy", clusters="truth").clusters == K


def test_folds_count_alike_as_in_a_table() -> None:
    sizes = {0: NAMES[:8], 1: NAMES[8:]}
    a, b = (
        [labels(seed, skill, names, fold, fold=fold) for fold, names in sizes.items() for seed in range(2)]
        for skill in (0.9, 0.7)
    )
    for score in ("accuracy", "macro_f1"):
        parts = [
            compare_units(*([r for r in row if r.fold == fold] for row in (a, b)), score, repeats=100).mean
            for fold in sizes
        ]
        found = compare_units(a, b, score, repeats=100)
        assert found.mean == pytest.approx(np.mean(parts))
        assert found.scope == "runs of this training on these 2 training sets (4 runs, 24 units)"
    one_each = [[run for run in row if run.seed == 0] for row in (a, b)]
    assert compare_units(*one_each, "accuracy").scope == "these checkpoints, one in each of 2 folds (24 units)"


# Methods --------------------------------------------------------------------------------------------------------------


def test_one_pair_that_is_right_or_wrong_is_mcnemars() -> None:
    a, b = rows(1)
    found = compare_units(a, b, "accuracy")
    assert (found.method, found.scope) == ("mcnemar", "these two checkpoints (24 units)")
    assert compare_units(a, b, "accuracy", method="components").method == "components"
    of_groups = compare_units([grouped(a[0], 4)], [grouped(b[0], 4)], "accuracy")
    assert (of_groups.degrees, of_groups.clusters) == (5, 6)


def test_two_ways_to_the_variance_of_a_mean_agree() -> None:
    a, b = rows(6)
    components = compare_units(a, b, "accuracy")
    resampled = compare_units(a, b, "accuracy", method="pigeonhole", repeats=20_000)
    assert resampled.mean == pytest.approx(components.mean)
    extra = 2 * components.components["residual"]  # which the bootstrap counts up to three times
    assert resampled.components["resampled"] >= 0.9 * sum(components.components.values())
    assert resampled.components["resampled"] <= 1.05 * (sum(components.components.values()) + extra)


def test_equivalence_is_told_by_the_margin() -> None:
    a, b = rows(3)
    found = compare_units(a, b, "accuracy")
    assert found.margin == 0.01  # the metric's
    wide = compare_units(a, b, "accuracy", margin=0.9)
    error = np.sqrt(sum(wide.components.values()))
    assert wide.p_equivalence == pytest.approx(stats.t.sf((0.9 - abs(wide.mean)) / error, wide.degrees))
    assert compare_units(a, b, "macro_f1", margin=0.9, repeats=100).p_equivalence == pytest.approx(1 / 101)
    a, b = ([UnitRun({"name": NAMES, "rank": np.arange(24) % k + 1})] for k in (5, 7))
    assert (compare_units(a, b, "rank").p_equivalence, compare_units(a, b, "rank").margin) == (None, None)
    with pytest.raises(ConfigError, match="metric 'rank' has no margin"):
        compare_units(a, b, "rank", need_margin=True)
    assert BOUNDARY_IOU.margin is None


@pytest.mark.parametrize("score", ["accuracy", "macro_f1"])
def test_copies_have_no_p(score: str) -> None:
    a, _ = rows(3)
    found = compare_units(a, a, score)
    assert (found.mean, found.low, found.p, found.p_equivalence) == (0, None, None, None)


# Bad input ------------------------------------------------------------------------------------------------------------


def changed(run: UnitRun, **columns: Any) -> UnitRun:
    return dataclasses.replace(run, columns={**run.columns, **columns})


A, B = (rows[0] for rows in rows(1))


@pytest.mark.parametrize(
    ("a", "b", "arguments", "message"),
    [
        ([A], [changed(B, name=np.char.add(NAMES, "x"))], {}, "other units than.*48 belong to one side.*'image_00'"),
        ([A], [changed(B, truth=(B.columns["truth"] + 1) % K)], {}, "another truth of 24 units.*'image_00'"),
        ([A], [grouped(B, 4)], {}, "another cluster of 24 units"),
        ([A], [dataclasses.replace(B, seed=1)], {}, "do not pair: 2 belong to one row.*which only the first has"),
        ([A], [dataclasses.replace(B, pretraining="p")], {}, "do not pair"),
        ([A, A], [B], {}, "is given twice"),
        ([], [], {}, "no runs to compare"),
        ([A], [B], {"statistic": "acuracy"}, "Did you mean 'accuracy'"),
        ([A], [B], {"statistic": "iou"}, "Unknown score of units 'iou'"),
        ([A], [B], {"statistic": "iou/watr"}, "Unknown class 'watr'.*'water'"),
        ([A], [B], {"statistic": "rank"}, "no column 'rank'.*it has name, truth"),
        ([A], [B], {"statistic": "soft_iou"}, "no column 'soft'"),
        ([A], [B], {"statistic": lambda c: c["probability"]}, "one number per unit"),
        ([A], [B], {"statistic": lambda c: np.where(c["prediction"] == 0, np.nan, 1.0)}, "no finite number in every"),
        ([A], [B], {"method": "components", "statistic": "macro_f1"}, "ratio of counts.*pigeonhole"),
        ([A], [B], {"method": "bootstrap"}, "Unknown method 'bootstrap'"),
        ([A], [B], {"method": "mcnemar", "statistic": lambda c: c["probability"][:, 0]}, "right or wrong, 1 or 0"),
        ([A, labels(1)], [B, labels(1)], {"method": "mcnemar"}, "one pair of checkpoints"),
        ([A], [B], {"clusters": "patient"}, "clusters='patient' is no column"),
        ([A], [B], {"runs": ("row",)}, "told apart by one or both of pretraining, seed"),
        ([A], [B], {"margin": -1.0}, "margin=-1.0 must be positive"),
        ([A], [B], {"confidence": 95}, "confidence=95 must lie between 0 and 1"),
        (
            [A, dataclasses.replace(A, fold=1)],
            [B, dataclasses.replace(B, fold=1)],
            {},
            "'image_00' is in the folds 0 and 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused(a: Any, b: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compare_units(a, b, **{"statistic": "accuracy", **arguments})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"truth": np.zeros(2)}, "has no units.*truth.*'name' is not among them"),
        ({"name": np.array(["a", "a"])}, "several units of one name"),
        ({"name": np.array(["a", "b"]), "truth": np.zeros(3)}, "column 'truth' has 3 rows for 2 units"),
    ],
)
def test_runs_without_units_are_refused(columns: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UnitRun(columns)


def test_units_of_a_test_file(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "test.npz", **A.columns)
    run = read_units(tmp_path / "test.npz", seed=0, classes=CLASSES)
    assert compare_units([run], [B], "f1/water", repeats=100) == compare_units([A], [B], "f1/water", repeats=100)
    assert run.groups.tolist() == NAMES.tolist()  # files from before groups were kept
    (tmp_path / "not.npz").write_text("nothing")
    for name in ("not.npz", "missing.npz"):
        with pytest.raises(ConfigError, match="holds no units"):
            read_units(tmp_path / name)
