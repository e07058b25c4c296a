"""From cells to numbers, against numbers worked out from the same scores."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
from scipy import stats

from hqzoo.compare.cell_files import cell_path
from hqzoo.compare.cells import read_cells, recipe_digest
from hqzoo.compare.statistics import paired_interval
from hqzoo.compare.summary import summarize
from hqzoo.compare.table import Cell, Row, Table
from hqzoo.compare.table_file import read_table
from hqzoo.errors import ConfigError
from hqzoo.tasks.metric import LOSS, Metric
from tests.compare.conftest import SCORES, put, report, result, table, write_cells

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
MEANS = {row: [fmean(values) for values in folds.values()] for row, folds in SCORES.items()}
FIRST = {row: [values[0] for values in folds.values()] for row, folds in SCORES.items()}


def test_rows_average_seeds_then_folds(out: Path) -> None:
    rows = {row["name"]: row for row in summarize(table(), read_cells(table(), out))["rows"]}
    hybrid = rows["hybrid"]["score"]
    assert (hybrid["n"], hybrid["runs"]) == (5, 10)
    assert hybrid["mean"] == pytest.approx(fmean(MEANS["hybrid"]))
    assert hybrid["sd"] == pytest.approx(stdev(MEANS["hybrid"]))
    assert hybrid["median"] == pytest.approx(0.52)
    assert hybrid["iqr"] == pytest.approx(0.54 - 0.49)
    assert rows["hybrid"]["seed_sd"] == pytest.approx(
        np.sqrt(np.mean([stdev(v) ** 2 for v in SCORES["hybrid"].values()]))
    )
    assert rows["unet"]["seed_sd"] is None
    assert rows["unet"]["published"]["mean"] == pytest.approx(0.414)
    assert rows["mlp"]["published"] is None
    assert rows["mlp"]["beside"]["boundary_iou"] == pytest.approx(fmean(MEANS["mlp"]) / 2)
    assert set(rows["mlp"]["beside"]) == {"oa", "boundary_iou", "ece", "loss"}  # what the reports have
    costs = rows["hybrid"]["costs"]
    assert (costs["parameters"], costs["replaced"]["core"], costs["circuit_evaluations"]) == (85_889, 8, 48)
    assert (costs["training_seconds"], costs["step_ms"], costs["peak_mb"]) == (12.0, 12.5, None)


def test_comparisons_pair_the_same_fold_and_seed(tmp_path: Path) -> None:
    """U-Net has one seed only: the second seed of the hybrid must not enter its comparison."""
    write_cells(tmp_path, seed_rule="shared")
    own = table(seed_rule="shared")
    summary = summarize(own, read_cells(own, tmp_path))
    against_unet, against_mlp = summary["comparisons"]
    assert summary["rule"] == "two_way"
    assert "clustering" in summary["rule_text"]
    gaps = np.array(FIRST["hybrid"]) - FIRST["unet"]
    judge = stats.ttest_rel(FIRST["hybrid"], FIRST["unet"])
    assert (against_unet["row"], against_unet["against"], against_unet["runs"]) == ("hybrid", "unet", 5)
    assert list(against_unet["units"].values()) == pytest.approx(list(gaps))
    assert against_unet["p_plain"] == pytest.approx(judge.pvalue)
    shrunk = judge.statistic / np.sqrt(1 + 5 / 4)  # Nadeau and Bengio's variance, five folds: (1/5 + 1/4) for 1/5
    assert against_unet["p"] == pytest.approx(2 * stats.t.sf(abs(shrunk), 4))
    half = stats.t.ppf(0.975, 4) * np.sqrt(1 / 5 + 1 / 4) * gaps.std(ddof=1)
    assert against_unet["interval"]["low"] == pytest.approx(gaps.mean() - half)
    assert against_unet["verdict"] == "better at one seed"
    assert (against_unet["error_from"], against_unet["components"]) == (None, None)
    assert (against_mlp["row"], against_mlp["against"], against_mlp["runs"]) == ("hybrid", "mlp", 10)
    judge = stats.ttest_rel(MEANS["hybrid"], MEANS["mlp"])
    assert against_mlp["p_plain"] == pytest.approx(judge.pvalue)  # the only control
    runs = np.array([SCORES["hybrid"][fold] for fold in range(5)]) - [SCORES["mlp"][fold] for fold in range(5)]
    assert against_mlp["p"] == pytest.approx(paired_interval(runs, overlap=1 / 4).p)
    assert against_mlp["bootstrap"]["n"] == 5
    assert against_mlp["bootstrap"]["mean"] == pytest.approx(against_mlp["interval"]["mean"])


def test_runs_that_start_anew_have_components(out: Path) -> None:
    """Two rows of 5 x 2 runs: mean squares of their differences, as in an analysis of variance by hand."""
    summary = summarize(table(), read_cells(table(), out))
    against_unet, against_mlp = summary["comparisons"]
    assert (summary["rule"], against_mlp["error_from"], against_unet["error_from"]) == (
        "components",
        "family",
        "family",
    )
    runs = np.array([SCORES["hybrid"][fold] for fold in range(5)]) - [SCORES["mlp"][fold] for fold in range(5)]
    of_folds, of_runs = 2 * runs.mean(1).var(ddof=1), runs.var(axis=1, ddof=1).mean()
    assert of_folds < of_runs  # so that no fold part is left, and all 9 degrees are those of runs
    error = runs.std(ddof=1) / np.sqrt(10)
    assert against_mlp["degrees"] == pytest.approx(9)
    assert against_mlp["interval"]["high"] == pytest.approx(runs.mean() + stats.t.ppf(0.975, 9) * error)
    assert against_mlp["p"] == pytest.approx(stats.ttest_1samp(runs.ravel(), 0).pvalue)
    assert against_mlp["components"]["residual_sd"] == pytest.approx(runs.std(ddof=1) / np.sqrt(2))
    assert against_mlp["p_equivalence"] == pytest.approx(stats.t.sf((0.01 - runs.mean()) / error, 9))
    assert against_unet["components"]["confounded"]  # one seed: folds' luck and runs' luck are one
    shrunk = stats.ttest_rel(FIRST["hybrid"], FIRST["unet"]).statistic / np.sqrt(1 + 5 / 4)
    assert against_unet["p"] == pytest.approx(2 * stats.t.sf(abs(shrunk), 4))
    assert against_unet["verdict"] == "better"  # every run has its own start: it is not that of one seed


def test_spread_is_that_of_single_runs(out: Path) -> None:
    against_unet, against_mlp = summarize(table(), read_cells(table(), out))["comparisons"]
    a, b = (np.array([SCORES[row][fold] for fold in range(5)]) for row in ("hybrid", "mlp"))
    a, b = ((each - each.mean(1, keepdims=True)) for each in (a, b))
    r = stats.pearsonr((a + b).ravel(), (a - b).ravel()).statistic
    assert against_mlp["pitman_morgan"] == pytest.approx(2 * stats.t.sf(abs(r) * np.sqrt(4 / (1 - r * r)), 4))
    assert against_mlp["sd_row"] == pytest.approx(np.sqrt((a**2).sum() / 5))
    assert against_mlp["spread_over"] == "runs of a fold"
    first = np.array(FIRST["hybrid"]), np.array(FIRST["unet"])
    assert against_unet["pitman_morgan"] == pytest.approx(
        stats.pearsonr(first[0] + first[1], first[0] - first[1]).pvalue
    )
    assert (against_unet["spread_over"], against_unet["sd_against"]) == ("folds", pytest.approx(stdev(first[1])))


def test_a_missing_run_does_not_narrow_an_interval(tmp_path: Path) -> None:
    """Seeds that suit all folds are the larger part of the spread; with a run less they still count."""
    of_seeds, of_folds = (0.10, -0.08, 0.01), (0.01, 0.0, -0.01, 0.005, -0.005)
    gaps = {fold: tuple(0.5 + value + part for part in of_seeds) for fold, value in enumerate(of_folds)}
    write_cells(tmp_path, {"hybrid": gaps, "mlp": dict.fromkeys(range(5), (0.5,) * 3)}, seed_rule="shared")
    own = table(seeds=(0, 1, 2), seed_rule="shared")

    def width() -> float:
        interval = summarize(own, read_cells(own, tmp_path))["comparisons"][1]["interval"]
        return float(interval["high"] - interval["low"])

    whole = width()
    cell_path(tmp_path, Cell("hybrid", 3, 1)).unlink()
    assert width() > 0.9 * whole


def test_rounding_is_no_spread(tmp_path: Path) -> None:
    """Differences that are the same but for rounding: no p-value can be made of that."""
    scores = {"hybrid": {k: (0.3 + 0.1 * k,) for k in range(5)}, "mlp": {k: (0.2 + 0.1 * k,) for k in range(5)}}
    for rule in ("shared", "per_run"):
        write_cells(tmp_path / rule, scores, seed_rule=rule)
        own = table(seeds=(0,), seed_rule=rule)
        found = summarize(own, read_cells(own, tmp_path / rule))["comparisons"][1]
        assert len(set(found["units"].values())) > 1
        assert (found["p"], found["p_equivalence"], found["smallest_detectable"]) == (None, None, None)
        assert (found["interval"]["sd"], found["interval"]["low"]) == (0.0, None)
        assert found["verdict"] == "undecided: no spread"


def test_published_tables_keep_their_rule_and_numbers() -> None:
    """As they were printed before runs had starts of their own: 9 digits of every interval and p-value."""
    published = json.loads((Path(__file__).parents[1] / "fixtures" / "published_differences.json").read_text())
    found = []
    for folder in sorted(path.parent for path in RESULTS.glob("*/cells.jsonl")):
        own = read_table(folder / "table.yaml")
        if own.seed_rule == "shared":
            summary = summarize(own, read_cells(own, folder))
            assert summary["rule"] == "two_way"
            found += [[folder.name, *line] for line in lines_of(summary)]
    assert found == published


def lines_of(summary: dict) -> list[list]:
    found = []
    for kind in ("comparisons", "published_comparisons"):
        for each in summary[kind]:
            interval = each["interval"] or dict.fromkeys(("mean", "low", "high", "sd"))
            tests = (each[name] for name in ("p", "p_plain", "p_equivalence", "smallest_detectable"))
            numbers = [*(interval[name] for name in ("mean", "low", "high", "sd")), *tests]
            names = [each[name] for name in ("row", "against", "runs", "verdict")]
            found.append([kind, *names, *(None if value is None else float(f"{value:.9g}") for value in numbers)])
    return found


def test_p_values_are_corrected_within_their_family(out: Path) -> None:
    rows = (Row("hybrid"), Row("mlp", control_of="hybrid"), Row("unet", control_of="hybrid", repeats=1))
    one_family = table(rows=rows)
    found = summarize(one_family, read_cells(one_family, out))
    raw = [
        stats.ttest_rel(MEANS["hybrid"], MEANS["mlp"]).pvalue,
        stats.ttest_rel(FIRST["hybrid"], FIRST["unet"]).pvalue,
    ]
    assert [each["p_plain"] for each in found["comparisons"]] == pytest.approx([raw[0], 2 * raw[1]])
    alone = summarize(table(), read_cells(table(), out))
    smallest = {(each["row"], each["against"]): each["smallest_detectable"] for each in alone["comparisons"]}
    for each in found["comparisons"]:  # two tests leave half the level to each
        assert each["smallest_detectable"] > smallest[each["row"], each["against"]]


def test_comparisons_count_before_they_are_run(tmp_path: Path) -> None:
    """Else a difference would lose its verdict when further rows are run."""
    rows = (Row("hybrid"), Row("mlp", control_of="hybrid"), Row("unet", control_of="hybrid", repeats=1))
    write_cells(tmp_path, {row: SCORES[row] for row in ("hybrid", "mlp")})
    found = summarize(table(rows=rows), read_cells(table(rows=rows), tmp_path))["comparisons"][0]
    assert found["p_plain"] == pytest.approx(2 * stats.ttest_rel(MEANS["hybrid"], MEANS["mlp"]).pvalue)


def test_baselines_are_one_family_however_many(tmp_path: Path) -> None:
    write_cells(tmp_path)
    rows = (Row("unet", repeats=1), Row("mlp"), Row("hybrid", against=("unet", "mlp")))
    one = table(rows=rows)
    found = summarize(one, read_cells(one, tmp_path))["comparisons"]
    raw = [
        stats.ttest_rel(FIRST["hybrid"], FIRST["unet"]).pvalue,
        stats.ttest_rel(MEANS["hybrid"], MEANS["mlp"]).pvalue,
    ]
    assert raw[0] < raw[1]
    assert [each["p_plain"] for each in found] == pytest.approx([2 * raw[0], raw[1]])


def test_what_stands_beside_the_score_averages_folds(tmp_path: Path) -> None:
    """A fold with two seeds counts as much as one with one."""
    write_cells(tmp_path, {"hybrid": {0: (0.2, 0.2), 1: (0.8,)}})
    own = table(folds=(0, 1))
    beside = summarize(own, read_cells(own, tmp_path))["rows"][1]["beside"]
    assert beside["boundary_iou"] == pytest.approx((0.1 + 0.4) / 2)


def test_published_scores_pass_through_the_same_statistics(out: Path) -> None:
    found = summarize(table(), read_cells(table(), out))["published_comparisons"]
    assert [(each["row"], each["against"]) for each in found] == [("hybrid", "unet")]
    published = [list(row.published.values()) for row in table().rows[:2]]
    ours = summarize(table(), read_cells(table(), out))["comparisons"]
    assert ours[0]["published"] == found[0]["published"] == pytest.approx(fmean(published[1]) - fmean(published[0]))
    assert ours[1]["published"] is None
    assert found[0]["p_plain"] == pytest.approx(stats.ttest_rel(published[1], published[0]).pvalue)


@pytest.mark.parametrize("metric", ["loss", "iou/lesion", "boundary_iou"])
def test_lower_losses_are_better(metric: str, out: Path) -> None:
    own = table(metric=metric)
    comparison = summarize(own, read_cells(own, out))["comparisons"][0]
    assert comparison["verdict"] == "better"
    assert (comparison["interval"]["mean"] < 0) == (metric == "loss")


def test_seeds_are_the_pairs_where_there_is_one_split(tmp_path: Path) -> None:
    seeds = {"hybrid": (0.50, 0.54, 0.47), "mlp": (0.49, 0.51, 0.48), "unet": (0.40,)}
    write_cells(tmp_path, {row: {0: values} for row, values in seeds.items()})
    for folds in ((), (0,)):
        own = table(folds=folds, seeds=(0, 1, 2))
        found = summarize(own, read_cells(own, tmp_path))
        assert found["unit"] == "seed"
        score = found["rows"][1]["score"]
        assert (score["n"], score["sd"]) == (3, pytest.approx(stdev(seeds["hybrid"])))
        against_unet, against_mlp = found["comparisons"]
        judge = stats.ttest_rel(seeds["hybrid"], seeds["mlp"])
        assert against_mlp["p"] == pytest.approx(judge.pvalue)
        assert against_mlp["interval"]["high"] == pytest.approx(judge.confidence_interval().high)
        assert against_mlp["units"] == pytest.approx({0: 0.01, 1: 0.03, 2: -0.01})
        sums, gaps = (np.add(seeds["hybrid"], seeds["mlp"]), np.subtract(seeds["hybrid"], seeds["mlp"]))
        assert against_mlp["pitman_morgan"] == pytest.approx(stats.pearsonr(sums, gaps).pvalue)
        assert against_mlp["spread_over"] == "seeds"
        assert against_mlp["p_plain"] is None  # p is plain: there are no other folds to share images with
        assert against_mlp["verdict"] == "undecided"
        assert against_unet["verdict"] == "undecided: one pair"


def test_the_thresholded_iou_stands_beside_the_soft_one(out: Path) -> None:
    own = table(metric="soft_iou/lesion")
    rows = {row["name"]: row for row in summarize(own, read_cells(own, out))["rows"]}
    assert rows["mlp"]["beside"]["iou/lesion"] == pytest.approx(fmean(MEANS["mlp"]) - 0.1)
    assert rows["mlp"]["score"]["mean"] == pytest.approx(fmean(MEANS["mlp"]) - 0.2)


def test_folds_that_were_not_run_are_training_images_too(tmp_path: Path) -> None:
    """Three of five folds: each was trained on four fifths of the images, not on two thirds."""
    for row in ("hybrid", "mlp"):
        for fold in range(3):
            cell = Cell(row, fold, 0)
            put(tmp_path, result(report(cell, SCORES[row][fold][0], data={"folds": 5}), cell))
    own = table(folds=(0, 1, 2))
    found = summarize(own, read_cells(own, tmp_path))["comparisons"][1]
    shrunk = stats.ttest_rel(FIRST["hybrid"][:3], FIRST["mlp"][:3]).statistic / np.sqrt(1 + 3 / 4)
    assert found["p"] == pytest.approx(2 * stats.t.sf(abs(shrunk), 2))


def test_means_of_unequally_many_seeds_have_equal_ones_beside(out: Path) -> None:
    found = summarize(table(), read_cells(table(), out))
    rows = {row["name"]: row for row in found["rows"]}
    assert found["shared_seeds"] == [0]
    assert rows["hybrid"]["score_of_shared_seeds"]["mean"] == pytest.approx(fmean(FIRST["hybrid"]))
    assert rows["unet"]["score_of_shared_seeds"]["mean"] == pytest.approx(rows["unet"]["score"]["mean"])
    equal = table(rows=(Row("hybrid"), Row("mlp", control_of="hybrid")))
    found = summarize(equal, read_cells(equal, out))
    assert (found["shared_seeds"], found["rows"][0]["score_of_shared_seeds"]) == ([], None)


def test_unequal_budgets_are_noticed(out: Path) -> None:
    for fold in range(5):
        cell = Cell("unet", fold, 0)
        put(out, result(report(cell, 0.5, run={"step": 999}), cell))
    found = summarize(table(), read_cells(table(), out))
    assert [each["equal_steps"] for each in found["comparisons"]] == [False, True]
    assert found["rows"][0]["steps"] == [999]


def test_there_is_no_verdict_before_all_runs_are_there(tmp_path: Path) -> None:
    """Who looks again after every fold, and stops when a word appears, finds differences by chance."""
    gaps = {0: 0.10, 1: 0.11, 2: 0.09, 3: 0.10, 4: 0.10}
    for number, fold in enumerate(gaps, 1):
        write_cells(tmp_path, {"hybrid": {fold: (0.5 + gaps[fold],)}, "mlp": {fold: (0.5,)}})
        own = table(seeds=(0,))
        found = summarize(own, read_cells(own, tmp_path))["comparisons"][1]
        assert found["verdict"] == ("better" if number == 5 else f"unfinished: {number} of 5 runs")


def test_verdicts_need_more_than_the_plain_test(tmp_path: Path) -> None:
    gaps = (0.010, 0.022, 0.013, 0.031, 0.004)
    write_cells(tmp_path, {"hybrid": {i: (0.5 + gap,) for i, gap in enumerate(gaps)},
                           "mlp": dict.fromkeys(range(5), (0.5,))})  # fmt: skip
    own = table(seeds=(0,))
    found = summarize(own, read_cells(own, tmp_path))["comparisons"][1]
    assert found["p_plain"] < 0.05 < found["p"]
    assert found["verdict"] == "undecided"


def test_rows_without_a_score_are_not_rows_that_were_not_run(tmp_path: Path) -> None:
    write_cells(tmp_path, {row: SCORES[row] for row in ("hybrid", "mlp")})
    own = table(metric="iou/hair")  # in no fold
    found = summarize(own, read_cells(own, tmp_path))
    assert [(row["cells"], row["score"]) for row in found["rows"]] == [(0, None), (10, None), (10, None)]
    assert [each["verdict"] for each in found["comparisons"]] == ["not run", "no common score"]


def test_one_fold_proves_nothing(tmp_path: Path) -> None:
    write_cells(tmp_path, {row: {0: folds[0][:1]} for row, folds in SCORES.items()})
    own = table(folds=(0,), seeds=(0,))
    for each in summarize(own, read_cells(own, tmp_path))["comparisons"]:
        assert each["verdict"] == "undecided: one pair"
        assert (each["interval"]["n"], each["interval"]["low"], each["bootstrap"]) == (1, None, None)


def test_runs_without_any_spread_prove_nothing(tmp_path: Path) -> None:
    """Networks that learned nothing all score the same."""
    write_cells(tmp_path, {row: dict.fromkeys(range(5), (0.0,)) for row in SCORES})
    found = summarize(table(seeds=(0,)), read_cells(table(seeds=(0,)), tmp_path))["comparisons"]
    assert [each["verdict"] for each in found] == ["undecided: no spread"] * 2


def test_a_difference_that_nobody_would_mind_is_told_so(tmp_path: Path) -> None:
    gaps = {0: 0.0010, 1: 0.0012, 2: 0.0011, 3: 0.0013, 4: 0.0009}
    write_cells(tmp_path, {"hybrid": {k: (0.5 + v,) for k, v in gaps.items()}, "mlp": dict.fromkeys(gaps, (0.5,))})
    found = summarize(table(seeds=(0,)), read_cells(table(seeds=(0,)), tmp_path))["comparisons"][1]
    assert found["verdict"] == "better, but within the margin"


def test_cells_of_other_images_are_refused(out: Path) -> None:
    for cell, images in ((Cell("unet", 0, 0), "a"), (Cell("unet", 1, 0), "b"), (Cell("mlp", 1, 1), "c")):
        put(out, result(report(cell, 0.5, data={"images": images}), cell))
    with pytest.raises(ConfigError, match=r"mlp-fold1-seed1\.json was tested on other images than .* fold 1"):
        read_cells(table(), out)


def test_cells_of_other_targets_are_refused(out: Path) -> None:
    for cell, pixels in ((Cell("unet", 1, 0), 70), (Cell("mlp", 1, 1), 71)):
        classes = ({"name": "lesion", "iou": 0.5, "truth_pixels": pixels},)
        put(out, result(report(cell, 0.5, classes=classes), cell))
    with pytest.raises(ConfigError, match=r"mlp-fold1-seed1\.json was tested on other targets than .* fold 1"):
        read_cells(table(), out)


def test_missing_cells_are_named_and_left_out(tmp_path: Path) -> None:
    write_cells(tmp_path, {"hybrid": SCORES["hybrid"]})
    found = summarize(table(), read_cells(table(), tmp_path))
    assert found["cells"] == 10
    assert found["missing"][0] == "unet-fold0-seed0"
    assert [each["verdict"] for each in found["comparisons"]] == ["not run", "not run"]
    assert found["rows"][0]["score"] is None


def test_the_best_epoch_stands_beside(tmp_path: Path) -> None:
    write_cells(tmp_path, best=report(Cell("any", 0, 0), 0.7))
    hybrid = summarize(table(), read_cells(table(), tmp_path))["rows"][1]
    assert hybrid["best"]["mean"] == pytest.approx(0.7)
    assert hybrid["score"]["mean"] == pytest.approx(fmean(MEANS["hybrid"]))


def test_a_class_that_a_fold_lacks_is_left_out(tmp_path: Path) -> None:
    write_cells(tmp_path)
    cell = Cell("hybrid", 3, 0)
    absent = {"name": "lesion", "iou": None}
    put(tmp_path, result(report(cell, 0.5, classes=(absent,)), cell))
    own = table(metric="iou/lesion")
    found = summarize(own, read_cells(own, tmp_path))
    assert found["rows"][1]["score"]["runs"] == 9
    assert found["comparisons"][0]["interval"]["n"] == 4


def test_cells_of_other_settings_are_refused(tmp_path: Path) -> None:
    write_cells(tmp_path, settings=("--trainer.max_steps=2",))
    with pytest.raises(ConfigError, match=r"other settings than the table has now: --trainer\.max_steps=2"):
        read_cells(table(), tmp_path)
    same = table(settings=("--trainer.max_steps=2",))
    assert read_cells(same, tmp_path)["unet"]


def test_cells_of_another_recipe_are_refused(out: Path) -> None:
    other = replace(table(), recipe="qu_net/landscapes")
    with pytest.raises(ConfigError, match="made with recipe hq_unet/landscapes; the table has qu_net/landscapes"):
        read_cells(other, out)
    assert read_cells(replace(table(), recipe="recipes/hq_unet/landscapes.yaml"), out)["unet"]


def test_cells_of_two_versions_of_a_recipe_are_refused(out: Path) -> None:
    for cell, digest in ((Cell("unet", 0, 0), "old"), (Cell("mlp", 0, 0), "new")):
        put(out, result(report(cell, 0.5), cell, recipe_digest=digest))
    with pytest.raises(ConfigError, match="before recipe hq_unet/landscapes was changed"):
        read_cells(table(), out)


def test_comments_of_a_recipe_do_not_count(tmp_path: Path) -> None:
    texts = ("a: 1\nb: [2, 3]\n", "# a comment\nb:\n- 2\n- 3\na: 1\n", "a: 1\nb: [2, 4]\n")
    digests = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        digests.append(recipe_digest(path))
    assert digests[0] == digests[1] != digests[2]


def text_of(**changes: int) -> str:
    cell = Cell("x", 0, 0)
    content = result(report(cell, 0.5), cell).to_dict()
    return json.dumps({**content, "report": {**content["report"], **changes}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no cell"),
        ("{}", "is no cell"),
        ("[]", "is no cell"),
        (text_of(), "holds the cell x-fold0-seed0. Rename it"),
        (text_of(schema=1), "follows schema 1, but this hqzoo reads schema 2. Test the checkpoint again"),
        (text_of(schema=3), "Update hqzoo"),
    ],
)
def test_damaged_cells_are_refused(text: str, message: str, out: Path) -> None:
    cell_path(out, Cell("mlp", 0, 0)).write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_cells(table(), out)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("mioo", "Unknown metric 'mioo'. Did you mean 'miou'"),
        ("iou/lesions", "Unknown class 'lesions'. Did you mean 'lesion'"),
        ("soft_io/lesion", "Unknown metric 'soft_io/lesion'. Did you mean 'soft_iou/lesion'"),
        ("row", "Unknown metric 'row'"),
        ("name/lesion", "Unknown metric 'name/lesion'"),
    ],
)
def test_unknown_metrics(metric: str, message: str, tmp_path: Path) -> None:
    write_cells(tmp_path)
    with pytest.raises(ConfigError, match=message):
        summarize(table(metric=metric), read_cells(table(metric=metric), tmp_path))


def test_earlier_results_of_the_repository_still_count(tmp_path: Path) -> None:
    """Cells without settings, costs and best epochs."""
    shutil.copy(RESULTS / "aerial_dubai" / "cells.jsonl", tmp_path)
    own = replace(
        Table.of_controls("hq_unet/aerial_dubai", ["quantum", "mlp"], range(7)), name="dubai", seed_rule="shared"
    )
    results = read_cells(own, tmp_path)
    found = summarize(own, results)
    scores = [[results[row][fold, 0].report.scores["miou"] for fold in range(7)] for row in ("quantum", "mlp")]
    judge = stats.ttest_rel(*scores)
    comparison = found["comparisons"][0]
    assert comparison["interval"]["n"] == 7
    assert comparison["p_plain"] == pytest.approx(judge.pvalue)
    assert comparison["interval"]["mean"] == pytest.approx(np.mean(np.subtract(*scores)))
    assert comparison["verdict"] == "undecided"


# Scores of any task ---------------------------------------------------------------------------------------------------

SECONDS = Metric("delay", "min", label="time to alarm", unit="s", margin=2.0)
RECALL_AT_1 = Metric("recall_at_1", label="recall@1", margin=0.01)


def delays() -> dict[str, dict[int, tuple[float, ...]]]:
    """The scores of the table as seconds: what was high is low."""
    return {row: {fold: tuple(100 - 100 * x for x in each) for fold, each in folds.items()}
            for row, folds in SCORES.items()}  # fmt: skip


def test_a_score_without_classes_and_masks_is_compared_like_any(tmp_path: Path, out: Path) -> None:
    write_cells(tmp_path / "r", metric=RECALL_AT_1)
    found, judge = (summarize(table(), read_cells(table(), folder)) for folder in (tmp_path / "r", out))
    assert (found["metric"], found["margin"], found["beside"]) == ("recall_at_1", 0.01, {})
    assert found["comparisons"] == judge["comparisons"]  # the same numbers, whatever they are called
    assert [row["score"] for row in found["rows"]] == [row["score"] for row in judge["rows"]]


def test_direction_and_margin_are_those_of_the_metric(tmp_path: Path, out: Path) -> None:
    write_cells(tmp_path / "s", delays(), metric=SECONDS)
    found, judge = (summarize(table(), read_cells(table(), folder)) for folder in (tmp_path / "s", out))
    assert (found["margin"], found["meaning"]["unit"]) == (2.0, "s")
    for own, other in zip(found["comparisons"], judge["comparisons"], strict=True):
        assert own["interval"]["mean"] == pytest.approx(-100 * other["interval"]["mean"])
        assert own["p"] == pytest.approx(other["p"])
        assert own["verdict"] == other["verdict"]
    wide, narrow = found["comparisons"][1], judge["comparisons"][1]
    assert wide["p_equivalence"] < narrow["p_equivalence"]  # two seconds are two points, not one


def test_without_a_margin_nothing_is_equivalent(tmp_path: Path) -> None:
    small = {
        "hybrid": {k: (0.5 + (-1) ** k * 1e-4 * (k + 1),) for k in range(5)},
        "mlp": dict.fromkeys(range(5), (0.5,)),
    }
    write_cells(tmp_path, small, metric=LOSS)
    words = {}
    for margin in (None, 0.01):
        own = table(seeds=(0,), margin=margin)
        comparison = summarize(own, read_cells(own, tmp_path))["comparisons"][1]
        words[margin] = comparison["verdict"]
        assert (comparison["p_equivalence"] is None) == (margin is None)
    assert words == {None: "undecided: no margin", 0.01: "equivalent"}


def test_a_table_says_what_a_score_of_ones_own_means(tmp_path: Path) -> None:
    write_cells(tmp_path, metric=Metric("val_acc", "min"))  # whoever logged it did not know
    own = table(metric="val_acc", meaning=Metric("val_acc", margin=0.02))
    found = summarize(own, read_cells(own, tmp_path))
    assert (found["margin"], found["comparisons"][0]["verdict"]) == (0.02, "better")
    assert summarize(table(), read_cells(table(), tmp_path))["comparisons"][0]["verdict"] == "worse"


def test_cells_that_contradict_each_other_on_what_is_better(tmp_path: Path) -> None:
    write_cells(tmp_path, {"hybrid": SCORES["hybrid"]}, metric=Metric("x"))
    write_cells(tmp_path, {"mlp": SCORES["mlp"]}, metric=Metric("x", "min"))
    with pytest.raises(ConfigError, match="cell mlp-fold0-seed0 the metric 'x' is better when it is low, in others"):
        summarize(table(), read_cells(table(), tmp_path))


def test_a_table_that_was_not_run_knows_its_metric() -> None:
    nothing = {row: {} for row in table().row_names}
    found = summarize(table(metric="ece"), nothing)
    assert (found["meaning"]["direction"], found["margin"]) == ("min", 0.01)
    assert summarize(table(metric="x", meaning=Metric("x", unit="dB")), nothing)["meaning"]["unit"] == "dB"
    with pytest.raises(ConfigError, match=r"Unknown metric 'mioo'\. Did you mean 'miou'"):
        summarize(table(metric="mioo"), nothing)
    with pytest.raises(ConfigError, match="names no metric, and no cell is there that does"):
        summarize(table(), nothing)
