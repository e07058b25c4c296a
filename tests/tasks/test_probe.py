"""Probes: solutions equal scikit-learn's, features are extracted once, choices fall on validation images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

import hqzoo
from hqzoo._lightning import pl
from hqzoo.cli import main
from hqzoo.data import DataModule, Targets
from hqzoo.errors import ConfigError, DataError
from hqzoo.models.image_statistics import ImageStatistics
from hqzoo.tasks import ClassificationTask, ProbeTask
from hqzoo.tasks.features import Features, stored_features
from hqzoo.tasks.logistic import logistic_path
from hqzoo.tasks.thresholds import CANDIDATES, best_thresholds, f1_at
from tests.toys.labels import LabelData

STATISTICS = {"encoder": "image_statistics", "head": "linear"}
TRAINED = {"encoder": "timm_encoder", "head": "linear", "encoder_args": {"name": "resnet10t", "frozen": False}}


def trainer(root: Path, **arguments) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return pl.Trainer(**quiet, max_epochs=1, limit_train_batches=1, default_root_dir=root, **arguments)


class SeveralLabels(LabelData):
    """The same fields with two labels: green or not, and bright or not."""

    def __init__(self, **common):
        super().__init__(**common)
        self.targets = Targets("multilabel", ("green", "bright"))

    def load_records(self, split):
        records = super().load_records(split)
        for record in records:
            record.arrays = lambda inner=record.arrays: _with_two(inner())
        return records


def _with_two(arrays):
    image = arrays["image"]
    return {"image": image, "label": np.array([arrays["label"] == 1, image.mean() > 80], np.float32)}


def raw(data: DataModule, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return means and deviations of the bands, and labels."""
    arrays = [record.arrays() for record in data.records(split)]
    images = np.stack([each["image"] for each in arrays]).astype(np.float64)
    labels = np.array([each["label"] for each in arrays])
    return np.concatenate([images.mean((2, 3)), images.std((2, 3), ddof=1)], 1), labels


@pytest.mark.parametrize("several", [False, True])
def test_logistic_regression_is_that_of_scikit_learn(several: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 12))
    scores = x @ rng.normal(size=(12, 4)) + rng.gumbel(size=(300, 4))
    y = (scores > 1).astype(np.int64) if several else scores.argmax(1)
    strengths = [0.01, 1.0, 0.1]
    path = logistic_path(torch.from_numpy(x), torch.from_numpy(y), 4, strengths)
    for strength, (weights, bias) in zip(strengths, path, strict=True):
        columns = [y[:, k] for k in range(4)] if several else [y]
        models = [LogisticRegression(C=strength, tol=1e-8, max_iter=2000).fit(x, column) for column in columns]
        expected = np.concatenate([each.coef_ for each in models])
        np.testing.assert_allclose(weights, expected, atol=2e-4)
        found = x @ weights.numpy().T + bias.numpy()
        wanted = np.stack([m.decision_function(x) for m in models], 1) if several else models[0].decision_function(x)
        shift = 0 if several else (found - wanted).mean(1, keepdims=True)  # a softmax does not see it
        np.testing.assert_allclose(found - shift, wanted, atol=2e-3)


@pytest.mark.parametrize("several", [False, True])
def test_features_that_correlate_are_solved_for_every_penalty(several: bool) -> None:
    """Condition 1e8, as features of networks have: scikit-learn's Newton steps are the oracle."""
    rng = np.random.default_rng(0)
    mixed = np.diag(np.logspace(0, -4, 40)) @ np.linalg.qr(rng.normal(size=(40, 40)))[0]
    x = rng.normal(size=(400, 40)) @ mixed
    x = (x - x.mean(0)) / x.std(0)
    scores = x @ rng.normal(size=(40, 3)) / 3 + rng.gumbel(size=(400, 3))
    y = (scores > 1).astype(np.int64) if several else scores.argmax(1)
    strengths = [1e-6, 1.0, 1e4]
    path = logistic_path(torch.from_numpy(x), torch.from_numpy(y), 3, strengths)
    for strength, (weights, bias) in zip(strengths, path, strict=True):
        columns = [y[:, k] for k in range(3)] if several else [y]
        models = [
            LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-10, max_iter=500).fit(x, column)
            for column in columns
        ]
        wanted = np.stack([m.decision_function(x) for m in models], 1) if several else models[0].decision_function(x)
        found = x @ weights.numpy().T + bias.numpy()
        shift = 0 if several else (found - wanted).mean(1, keepdims=True)
        np.testing.assert_allclose(found - shift, wanted, atol=2e-3)


def test_what_is_not_solved_is_told() -> None:
    x, y = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3
    with pytest.warns(UserWarning, match=r"in 2 iterations for C = 1, 100\."):
        logistic_path(x, y, 3, [100.0, 1.0], steps=2)


@pytest.mark.parametrize("several", [False, True])
def test_a_head_on_nothing_knows_how_frequent_labels_are(several: bool, tmp_path: Path) -> None:
    data = SeveralLabels(batch_size=16) if several else LabelData(batch_size=16)
    task = ProbeTask(architecture_args={"encoder": "blank", "head": "linear"}, grid=[1e-3])
    run = trainer(tmp_path)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    labels = np.array([record.arrays()["label"] for record in data.records("train")])
    shares = labels.mean(0) if several else np.bincount(labels) / len(labels)
    np.testing.assert_allclose(task.samples()["probability"], np.tile(shares, (21, 1)), atol=1e-5)


def test_the_edge_of_a_grid_is_told(tmp_path: Path) -> None:
    torch.manual_seed(0)  # weights at which a head has not learnt yet
    task = ProbeTask(architecture_args=STATISTICS, solver="adamw", epochs=10, batch=8, grid=[1e-9, 1e-8, 0.03])
    with pytest.warns(UserWarning, match=r"0\.03 is the largest value of the grid, and the best"):
        trainer(tmp_path).fit(task, LabelData(batch_size=16))


def test_thresholds_are_the_best_of_the_candidates() -> None:
    rng = np.random.default_rng(0)
    truth, chance = rng.integers(0, 2, (80, 5)), rng.random((80, 5))
    truth[:, 4] = 0
    found = best_thresholds(truth, chance)
    for k in range(4):
        scores = [f1_score(truth[:, k], chance[:, k] >= each, zero_division=0) for each in CANDIDATES]
        assert found[k] == CANDIDATES[int(np.argmax(scores))]
    assert found[4] == 0.5
    micro, macro = f1_at(truth[:, :4], chance[:, :4], found[:4])
    predicted = chance[:, :4] >= found[:4]
    assert micro == pytest.approx(f1_score(truth[:, :4], predicted, average="micro"))
    assert macro == pytest.approx(f1_score(truth[:, :4], predicted, average="macro"))


def test_a_linear_probe_is_scikit_learns_on_the_same_features(tmp_path: Path) -> None:
    data = LabelData(batch_size=16)
    task = ProbeTask(architecture_args=STATISTICS, grid=[0.1])
    run = trainer(tmp_path)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    (x, y), (z, wanted) = raw(data, "train"), raw(data, "test")
    mean, deviation = x.mean(0), x.std(0)
    model = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000).fit((x - mean) / deviation, y)
    expected = model.predict_proba((z - mean) / deviation)
    samples = task.samples()
    names = [record.name for record in data.records("test")]
    order = [names.index(name) for name in samples["name"]]
    np.testing.assert_allclose(samples["probability"], expected[order], atol=1e-3)
    assert task.report().scores["accuracy"] == pytest.approx((expected.argmax(1) == wanted).mean())


def test_neighbours_are_scikit_learns(tmp_path: Path) -> None:
    data = LabelData(batch_size=16)
    task = ProbeTask(architecture_args={"encoder": "image_statistics", "head": "neighbours", "temperature": 1e6},
                     solver="neighbours", grid=[3])  # fmt: skip
    run = trainer(tmp_path)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    features = {split: task._features(split) for split in ("train", "test")}
    model = KNeighborsClassifier(3, metric="cosine").fit(features["train"].vectors, features["train"].truth)
    expected = model.predict(features["test"].vectors)
    assert task.report().scores["accuracy"] == pytest.approx((expected == features["test"].truth).mean())


def test_several_labels_have_thresholds_chosen_in_validation(tmp_path: Path) -> None:
    data = SeveralLabels(batch_size=16)
    task = ProbeTask(architecture_args=STATISTICS)
    run = trainer(tmp_path)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    samples = task.samples()
    micro, macro = f1_at(samples["truth"], samples["probability"], task.thresholds.numpy())
    assert task.report().scores["micro_f1_chosen"] == micro
    assert task.report().scores["macro_f1_chosen"] == macro
    assert task.report().scores["micro_f1"] > 0.8


def test_what_is_chosen_is_best_in_validation_and_a_checkpoint_keeps_it(tmp_path: Path) -> None:
    data = LabelData(batch_size=16)
    task = ProbeTask(architecture_args=STATISTICS)
    run = trainer(tmp_path)
    run.fit(task, data)
    probe = task.description_of_probe()
    assert len(probe["tried"]) == 11
    assert probe["chosen"] == max(probe["tried"], key=lambda each: each["score"])["value"]
    run.save_checkpoint(tmp_path / "probe.ckpt")
    again = hqzoo.load(tmp_path / "probe.ckpt")
    assert again.description_of_probe() == probe
    images = torch.rand(3, 3, 8, 8) * 255
    assert torch.equal(again(images), task.eval()(images))


@pytest.mark.parametrize("control", ["quantum", "zero", "constant", "linear", "frozen", "separable", "identity"])
def test_hybrid_heads_are_trained_with_every_control(control: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    args = {"encoder": "image_statistics", "control": control}
    task = ProbeTask(architecture_args=args, solver="adamw", grid=[0.03], epochs=40, batch=16)
    before = {name: value.clone() for name, value in ClassificationTask(
        "classifier", args, sensors=LabelData().sensors, statistics=LabelData().statistics, targets=LabelData().targets
    ).model.head.state_dict().items()}  # fmt: skip
    run = trainer(tmp_path)
    run.fit(task, LabelData(batch_size=16))
    after = task.model.head.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert "expand.weight" not in still or control == "zero"
    (score,) = task.tried
    assert score["score"] <= 0.5 if control in ("zero", "constant") else score["score"] > 0.7


def test_features_are_extracted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    forward = ImageStatistics.forward
    monkeypatch.setattr(ImageStatistics, "forward", lambda self, x: (seen.append(len(x)), forward(self, x))[1])
    cache = tmp_path / "cache"

    def fit(**arguments) -> ProbeTask:
        seen.clear()
        task, data = (
            ProbeTask(architecture_args=STATISTICS, feature_cache=str(cache), **arguments),
            LabelData(batch_size=16),
        )
        run = trainer(tmp_path)
        run.fit(task, data)
        run.test(task, data, verbose=False)
        return task

    first = fit()
    assert sum(seen) >= 48 + 9 + 21
    assert len(list(cache.glob("features_*.npz"))) == 3
    second = fit()
    assert sum(seen) <= 16  # what the costs of the test are measured on
    assert first.report().scores == second.report().scores
    for file in cache.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    third = fit()
    assert sum(seen) >= 48 + 9 + 21
    assert third.report().scores == first.report().scores
    fit(statistics={"image": {"mean": [0.0] * 3, "std": [1.0] * 3}})
    assert len(list(cache.glob("features_*.npz"))) == 6  # other normalisation, other features


class OtherLabels(LabelData):
    """The same names and images, and labels that are moved on by one."""

    def load_records(self, split):
        records = super().load_records(split)
        for record in records:
            record.arrays = lambda inner=record.arrays: self.other(inner())
        return records

    def other(self, arrays):
        return {"image": arrays["image"], "label": np.asarray((arrays["label"] + 1) % 3)}


class OtherImages(OtherLabels):
    """The same names and labels, and darker images."""

    def other(self, arrays):
        return {"image": arrays["image"] // 2, "label": arrays["label"]}


@pytest.mark.parametrize("others", [OtherLabels, OtherImages])
def test_a_cache_notices_other_labels_and_images_of_the_same_names(others: type[LabelData], tmp_path: Path) -> None:
    def logits(data: LabelData, cache: str | None) -> torch.Tensor:
        task = ProbeTask(
            architecture_args=STATISTICS, grid=[1.0], feature_cache=cache,
            statistics={"image": {"mean": [60.0] * 3, "std": [30.0] * 3}},
        )  # fmt: skip
        trainer(tmp_path).fit(task, data)
        return task.eval()(torch.full((1, 3, 8, 8), 90.0))

    kept = str(tmp_path / "cache")
    first, cached = logits(LabelData(batch_size=16), kept), logits(others(batch_size=16), kept)
    assert not torch.allclose(first, cached)
    assert torch.equal(cached, logits(others(batch_size=16), None))


def test_other_images_of_the_same_names_are_looked_at_after_the_fit(tmp_path: Path) -> None:
    task, run = ProbeTask(architecture_args=STATISTICS, grid=[1.0]), trainer(tmp_path)
    run.fit(task, LabelData(batch_size=16))
    (same,) = run.validate(task, LabelData(batch_size=16), verbose=False)
    (other,) = run.validate(task, OtherLabels(batch_size=16), verbose=False)
    assert same["val/accuracy"] > 0.7
    assert other["val/accuracy"] < 0.3


def test_a_cache_changes_no_score_in_half_precision(tmp_path: Path) -> None:
    def scores(cache: str | None) -> dict[str, float | None]:
        encoder = {"encoder": "random_convolutions", "encoder_args": {"width": 16}, "head": "linear"}
        task = ProbeTask(architecture_args=encoder, grid=[1.0], feature_cache=cache)
        run = trainer(tmp_path, precision="bf16-mixed")
        run.fit(task, LabelData(batch_size=16))
        run.test(task, LabelData(batch_size=16), verbose=False)
        return task.report().scores

    assert scores(None) == scores(str(tmp_path / "cache")) == scores(str(tmp_path / "cache"))


def _share_features(rank: int, store: str, folder: Path, queue: Any) -> None:
    """One of two processes; the second has a disk of its own, where nothing is kept yet."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    made = []

    def compute() -> Features:
        made.append(rank)
        torch.distributed.barrier()  # as gathering is: all or none may come here
        return Features(np.array(["a"]), np.ones((1, 2), np.float32), np.array([1]))

    for _ in range(2):
        stored_features(folder / str(rank), lambda: "key", compute)
    queue.put(made)
    torch.distributed.destroy_process_group()


def test_processes_whose_disks_differ_compute_together(tmp_path: Path) -> None:
    context = torch.multiprocessing.get_context("spawn")
    queue, arguments = context.SimpleQueue(), (str(tmp_path / "store"), tmp_path)
    other = context.Process(target=_share_features, args=(1, *arguments, queue))
    other.start()
    _share_features(0, *arguments, queue)
    other.join()
    assert sorted((queue.get(), queue.get())) == [[0, 0], [1, 1]]


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    def fails() -> Features:
        raise DataError("on the way")

    with pytest.raises(DataError, match="on the way"):
        stored_features(tmp_path, lambda: "key", fails)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"solver": "svm"}, "solver='svm' is none of lbfgs"),
        ({"grid": []}, "grid="),
        ({"grid": [-1.0]}, "grid="),
        ({"epochs": 0}, "epochs=0"),
        ({"architecture_args": {"encoder": "image_statistics"}}, "lbfgs.*does not fit a HybridHead; choose adamw"),
        ({"architecture_args": STATISTICS, "solver": "neighbours"}, "choose lbfgs or adamw"),
        ({"architecture_args": STATISTICS, "class_weights": [1.0, 2.0, 1.0]}, "knows neither class_weights nor"),
        ({"architecture_args": STATISTICS, "label_smoothing": 0.1}, "knows neither class_weights nor"),
        ({"architecture_args": {**STATISTICS, "head": "neighbours"}, "solver": "neighbours", "grid": [0.5]}, "whole"),
        ({"architecture_args": TRAINED}, "leaves the encoder as it is"),
        ({"architecture_args": {"encoder": "image_statistic"}}, "image_statistics"),
        ({"architecture_args": {"encoder": "hq_unet"}}, "is for segmentation; features or own is needed here"),
    ],
)  # fmt: skip
def test_mistakes_are_named(arguments: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        trainer(tmp_path).fit(ProbeTask(**arguments), LabelData(batch_size=16))


def test_without_validation_images_nothing_can_be_chosen(tmp_path: Path) -> None:
    class Without(LabelData):
        def load_records(self, split):
            return [] if split == "val" else super().load_records(split)

    with pytest.raises(DataError, match="chooses on validation images"):
        trainer(tmp_path).fit(ProbeTask(architecture_args=STATISTICS), Without(batch_size=16))


@pytest.mark.parametrize(("head", "solver"), [("linear", "lbfgs"), ("neighbours", "neighbours"), ("hybrid", "adamw")])
def test_a_probe_by_the_command_line(head: str, solver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = f'{{"encoder": "image_statistics", "head": "{head}"}}'
    model = ["--model", "hqzoo.tasks.ProbeTask", "--model.init_args.architecture_args", arguments]
    fitting = ["--model.init_args.solver", solver, "--model.init_args.epochs", "2"]
    data = ["--data", "tests.toys.labels.LabelData", "--data.init_args.batch_size", "16"]
    loop = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--trainer.default_root_dir", "run"]
    assert main(["fit", *model, *fitting, *data, *loop]) == 0
    assert main(["test", "--ckpt_path", "run/checkpoints/last.ckpt"]) == 0
    assert (tmp_path / "run" / "test.json").is_file()
