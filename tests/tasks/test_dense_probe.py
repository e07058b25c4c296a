"""Probes of segmentation: maps are extracted once, and choices fall on validation images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import hqzoo
from hqzoo.cli import main
from hqzoo.data import ArrayRecord, ClassMap
from hqzoo.errors import ConfigError, DataError
from hqzoo.models.random_convolutions import RandomConvolutions
from hqzoo.tasks import DenseProbeTask, SegmentationTask
from tests.fixtures.tasks import KNOWN, SIZE, SquaresDataModule, squares, tiny_trainer

FLOOR = {"encoder": "random_convolutions", "encoder_args": {"width": 32, "cell": 4}, "head": "conv"}
CONTROLS = ["quantum", "zero", "constant", "linear", "mlp_time", "frozen", "separable", "identity"]


def trainer(root: Path, **arguments):
    return tiny_trainer(root, limit_train_batches=1, **arguments)


def probe(**arguments) -> DenseProbeTask:
    torch.manual_seed(0)
    return DenseProbeTask(**{"architecture_args": FLOOR, "grid": [0.001, 0.03], "epochs": 20, "batch": 2, **arguments})


def fitted(root: Path, data=None, **arguments) -> tuple[DenseProbeTask, object]:
    task, run = probe(**arguments), trainer(root)
    run.fit(task, data or SquaresDataModule())
    return task, run


def test_the_best_rate_in_validation_is_kept(tmp_path: Path) -> None:
    task, run = fitted(tmp_path)
    found = task.description_of_probe()
    assert [each["value"] for each in found["tried"]] == [0.001, 0.03]
    assert found["chosen"] == max(found["tried"], key=lambda each: each["score"])["value"]
    run.validate(task, SquaresDataModule(), verbose=False)
    best = max(each["score"] for each in found["tried"])
    assert task.report("val").scores["miou"] == pytest.approx(best)
    assert best > 0.5
    assert task.report("val").details["probe"] == found
    run.save_checkpoint(tmp_path / "probe.ckpt")
    again = hqzoo.load(tmp_path / "probe.ckpt")
    assert again.description_of_probe() == found
    images = torch.rand(2, 3, 30, 50) * 255
    assert torch.equal(again(images), task.eval()(images))


def test_training_on_extracted_maps_is_training_on_images(tmp_path: Path) -> None:
    """The same steps by hand, through encoder and head, in the order that the seed draws."""
    data = SquaresDataModule()
    task, _ = fitted(tmp_path, data, grid=[0.01], epochs=3, weight_decay=0.0, **KNOWN)
    twin = probe(**KNOWN).train()
    records = sorted(data.records("train"), key=lambda record: record.name)
    batch = {
        "image": torch.stack([torch.from_numpy(record.image) for record in records]),
        "mask": torch.stack([torch.from_numpy(record.mask.astype(np.int64)) for record in records]),
    }
    steps = iter([0.5, *(0.001 + 0.999 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(5))])
    optimizer = torch.optim.AdamW(twin.model.head.parameters(), 0.01, weight_decay=0.0)
    order = torch.Generator().manual_seed(0)
    for _ in range(3):
        for some in torch.randperm(4, generator=order).split(2):
            for group in optimizer.param_groups:
                group["lr"] = 0.01 * next(steps)
            optimizer.zero_grad()
            logits = twin.model(twin.normalise({"image": batch["image"][some]}))
            torch.nn.functional.cross_entropy(logits, batch["mask"][some], ignore_index=255).backward()
            optimizer.step()
    for name, value in twin.model.head.state_dict().items():
        torch.testing.assert_close(task.model.head.state_dict()[name], value, atol=1e-4, rtol=1e-3)


def test_maps_are_extracted_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    maps = RandomConvolutions.maps
    monkeypatch.setattr(RandomConvolutions, "maps", lambda self, x: (seen.append(len(x)), maps(self, x))[1])
    cache, scores = tmp_path / "cache", []
    for _ in range(2):
        seen.clear()
        task, run = fitted(tmp_path, epochs=2, feature_cache=str(cache))
        extracted = sum(seen)
        run.test(task, SquaresDataModule(), verbose=False)
        scores.append(task.report().scores)
    assert extracted == 0
    assert sum(seen) <= 4  # what the costs of the test are measured on
    assert len(list(cache.glob("features_*.npz"))) == 3
    assert scores[0] == pytest.approx(scores[1])
    plain, run = fitted(tmp_path, epochs=2)
    run.test(plain, SquaresDataModule(), verbose=False)
    assert plain.report().scores == pytest.approx(scores[0])  # from images, without a cache
    fitted(tmp_path, SquaresDataModule(crop_size=16), epochs=1, feature_cache=str(cache))
    assert len(list(cache.glob("features_*.npz"))) == 5  # other windows, other maps


@pytest.mark.parametrize("control", CONTROLS)
def test_hybrid_heads_are_trained_with_every_control(control: str, tmp_path: Path) -> None:
    args = {**FLOOR, "head": "hybrid", "control": control, "control_hidden": 4 if control == "mlp_time" else None}
    task, _ = fitted(tmp_path, architecture_args=args, grid=[0.03], epochs=20)
    (tried,) = task.tried
    assert tried["score"] < 0.3 if control in ("zero", "constant") else tried["score"] > 0.35


def test_in_lightnings_loop_a_frozen_encoder_stays_and_a_head_learns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = SegmentationTask("dense_classifier", FLOOR, **KNOWN)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    tiny_trainer(tmp_path, max_epochs=2).fit(task, SquaresDataModule())
    moved = {name for name, value in task.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("head.") for name in moved)


class OutOfRange(SquaresDataModule):
    def load_records(self, split):
        records = super().load_records(split)
        if split != "train":
            return records
        return [ArrayRecord(each.name, each.image, np.where(each.mask == 2, 7, each.mask)) for each in records]


class Unlabelled(SquaresDataModule):
    def load_records(self, split):
        if split != "val":
            return super().load_records(split)
        known = squares(20, "val_0")
        return [ArrayRecord(known.name, known.image, np.full((SIZE, SIZE), 255, np.uint8))]


class TwoClasses(SquaresDataModule):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.class_map = ClassMap(("soil", "water"))


class WithoutValidation(SquaresDataModule):
    def load_records(self, split):
        return [] if split == "val" else super().load_records(split)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (OutOfRange, r"The mask holds \[7\]; expected class indices 0 to 2"),
        (Unlabelled, "none of their pixels has a label"),
        (WithoutValidation, "chooses on validation images"),
    ],
)
def test_data_that_cannot_be_probed(data: type, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        fitted(tmp_path, data(), grid=[0.01], epochs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": []}, "grid="),
        ({"grid": [-1.0]}, "grid="),
        ({"epochs": 0}, "epochs=0"),
        ({"batch": 0}, "batch=0"),
        ({"architecture": "unet", "architecture_args": {"width": 4}}, "needs a model with encoder and head; 'unet'"),
        (
            {"architecture_args": {**FLOOR, "encoder": "timm_encoder",
                                   "encoder_args": {"name": "resnet10t", "frozen": False}}},
            "leaves the encoder as it is.*fine-tune with SegmentationTask",
        ),
        ({"architecture_args": {"encoder": "image_statistics"}}, "gives a vector for each image and no map"),
        ({"architecture": "classifier", "architecture_args": {"head": "linear"}}, "is for classification"),
    ],
)  # fmt: skip
def test_mistakes_are_named(arguments: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(tmp_path, **arguments)


def test_one_logit_for_two_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a logit for each class"):
        fitted(tmp_path, TwoClasses(), head="sigmoid")


def test_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = ["--model", "hqzoo.tasks.DenseProbeTask", "--model.init_args.architecture_args", json.dumps(FLOOR),
             "--model.init_args.epochs", "1", "--model.init_args.grid", "[0.01]"]  # fmt: skip
    data = ["--data", "tests.fixtures.tasks.SquaresDataModule"]
    loop = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--trainer.default_root_dir", "run"]
    assert main(["fit", *model, *data, *loop]) == 0
    assert main(["test", "--ckpt_path", "run/checkpoints/last.ckpt"]) == 0
    assert (tmp_path / "run" / "test.json").is_file()
