"""Folders of labelled images: splits, folds, scenes, and what is said of bad input."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from hqzoo.cli import main
from hqzoo.data import FolderClassificationDataModule
from hqzoo.data.checks.inspection import inspect
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.folder import write_labelled, write_tiff
from tests.fixtures.geobench import write_geobench
from tests.processes.launch import run_cli

KINDS = ("corn", "water", "wood")


@pytest.fixture
def together(tmp_path: Path) -> Path:
    """Fifteen images a class, three of each of five places."""
    for kind in KINDS:
        write_labelled(
            tmp_path / "set" / kind, [f"{kind}_{place}_{number}" for place in "abcde" for number in range(3)]
        )
    return tmp_path / "set"


@pytest.fixture
def apart(tmp_path: Path) -> Path:
    """Four images a class to train on, two to validate."""
    for kind in KINDS:
        write_labelled(tmp_path / "set" / "train" / kind, [f"{kind}_{number}" for number in range(4)])
        write_labelled(tmp_path / "set" / "val" / kind, [f"{kind}_{number}" for number in range(4, 6)])
    return tmp_path / "set"


def prepared(root: Path, **options: Any) -> FolderClassificationDataModule:
    data = FolderClassificationDataModule(str(root), batch_size=4, **options)
    data.setup()
    return data


def names_of(data: FolderClassificationDataModule, split: str) -> list[str]:
    return [record.name for record in data.records(split)]  # type: ignore[arg-type]


def test_split_folders_and_their_pixels(apart: Path) -> None:
    data = prepared(apart, splits={"train": "train", "test": "val"}, inner_val=0.25, augment=False)
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [9, 3, 6]
    assert data.targets.classes == KINDS
    assert data.sensors["image"].bands == ("red", "green", "blue")
    for batch in data.test_dataloader():
        for name, image, label in zip(batch["name"], batch["image"], batch["label"], strict=True):
            file = apart / "val" / f"{name}.png"
            np.testing.assert_array_equal(image, np.asarray(Image.open(file)).transpose(2, 0, 1))
            assert KINDS[int(label)] == file.parent.name
    pixels = np.stack([np.asarray(Image.open(apart / "train" / f"{name}.png")) for name in names_of(data, "train")])
    np.testing.assert_allclose(data.statistics["image"].mean, pixels.reshape(-1, 3).mean(0))
    assert data.notes() == []
    assert prepared(apart, splits={"train": "train", "test": "val"}, remark="Random.").notes() == ["Random."]


def test_folds_have_equal_shares_and_test_every_image_once(together: Path) -> None:
    modules = [prepared(together, fold=fold) for fold in range(5)]
    tested = [name for data in modules for name in names_of(data, "test")]
    assert len(tested) == len(set(tested)) == 45
    for data in modules:
        for split, count in (("train", 9), ("val", 3), ("test", 3)):
            assert Counter(name.split("/")[0] for name in names_of(data, split)) == dict.fromkeys(KINDS, count)
    assert "divided at random, one by one" in modules[0].notes()[0]
    assert len(names_of(prepared_all(together), "train")) == 45


def prepared_all(root: Path) -> FolderClassificationDataModule:
    data = FolderClassificationDataModule(str(root), fold="all")
    with pytest.warns(UserWarning, match="45 records are trained on"):
        data.setup("fit")
    return data


def test_scenes_stay_on_one_side(together: Path) -> None:
    for fold in range(5):
        data = prepared(together, fold=fold, scene_pattern=r"^[a-z]+_[a-e]")
        scenes = {split: {name[:-2] for name in names_of(data, split)} for split in ("train", "val", "test")}
        assert not scenes["test"] & (scenes["train"] | scenes["val"])
        assert data.notes() == []


def test_classes_in_an_order_of_their_own(together: Path) -> None:
    with pytest.warns(UserWarning, match="no class are left out: water"):
        data = prepared(together, classes=["wood", "corn"])
    assert data.targets.classes == ("wood", "corn")
    assert {int(record.arrays()["label"]) for record in data.records("test") if "wood" in record.name} == {0}


def test_images_of_several_sizes_need_one(together: Path) -> None:
    write_labelled(together / "wood", ["wood_a_0"], size=(20, 12))
    loaders = [prepared(together, fold=fold).test_dataloader() for fold in range(5)]
    with pytest.raises(DataError, match=r"shape \(3, 20, 12\), but others \(3, 16, 16\).*`size`"):
        sum(len(batch["name"]) for loader in loaders for batch in loader)
    batch = next(iter(prepared(together, size=(8, 8)).train_dataloader()))
    assert batch["image"].shape == (4, 3, 8, 8)


def test_a_check_tells_all_that_is_wrong(apart: Path) -> None:
    (apart / "val" / "corn" / "corn_4.png").write_bytes(b"no picture")
    (apart / "val" / "wood" / "wood_5.png").write_bytes((apart / "train" / "wood" / "wood_0.png").read_bytes())
    splits = {"train": "train", "test": "val"}
    found = inspect(lambda fold: FolderClassificationDataModule(str(apart), splits=splits))
    assert any("corn_4.png" in sentence for sentence in found.missing)
    assert any("wood/wood_0" in sentence for sentence in found.leaks)
    assert found.counted == "image"
    assert found.classes["wood"] == pytest.approx(6 / 17)
    with pytest.raises(DataError, match="corn_4"):
        prepared(apart, splits=splits)


def test_mistakes(apart: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"splits": {"training": "train"}}, "Unknown split 'training'. Did you mean 'train'"),
        ({"splits": {"train": "train", "test": "vall"}}, "'vall'. Did you mean 'val'"),
        ({"classes": ["corn", "woods"]}, "'woods'. Did you mean 'wood'"),
        ({"scene_pattern": "("}, "no regular expression"),
        ({"bands": ["grey"]}, "bands"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            prepared(apart, **{"splits": {"train": "train", "test": "val"}, **options})
    with pytest.raises(DataError, match="two or more classes; found none"):
        prepared(tmp_path / "absent")
    write_tiff(apart / "val" / "corn" / "corn_4.tif", np.zeros((4, 16, 16), np.uint8), ("red", "green", "blue", "nir"))
    (apart / "val" / "corn" / "corn_4.png").unlink()
    with pytest.raises(DataError, match=r"corn_4\.tif has the bands red, green, blue, nir; expected red, green, blue"):
        prepared(apart, splits={"train": "train", "test": "val"})


def write_recipe(path: Path, module: str, arguments: dict[str, Any], steps: int) -> Path:
    content = {
        "seed_everything": 1,
        "trainer": {
            "default_root_dir": str(path.parent / "run"), "accelerator": "cpu", "max_steps": steps,
            "log_every_n_steps": 1, "enable_model_summary": False, "num_sanity_val_steps": 0,
        },
        "model": {
            "class_path": "hqzoo.tasks.ClassificationTask",
            "init_args": {
                "architecture": "tests.toys.labels.toy_labels", "optimizer": {"lr": 0.02},
                "schedule": {"name": "constant"},
            },
        },
        "data": {"class_path": f"hqzoo.data.{module}", "init_args": arguments},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    return path


def trained(recipe: Path) -> dict[str, Any]:
    assert main(["fit", "-c", str(recipe)]) == 0
    assert main(["test", "-c", str(recipe), "--ckpt_path", "last"]) == 0
    return json.loads((recipe.parent / "run" / "test.json").read_text())


@pytest.mark.parametrize("name", ["m-bigearthnet", "m-eurosat"])
def test_geobench_through_the_command_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"root": str(write_geobench(tmp_path, name)), "batch_size": 2, "band_map": True}
    report = trained(write_recipe(tmp_path / "recipe.yaml", "GeoBenchDataModule", arguments, steps=3))
    assert report["data"]["count"] == 2
    assert 0 <= report["scores"]["micro_f1"] <= 1
    faulty = [note for note in report["data"]["notes"] if "published, faulty order" in note]
    assert len(faulty) == (name == "m-eurosat")
    assert ("note: The bands of m-eurosat" in capsys.readouterr().out) == (name == "m-eurosat")


@pytest.mark.real_data
def test_real_eurosat_through_the_command_line(real_data: Path, tmp_path: Path) -> None:
    remark = "The split was drawn image by image, so that scores are too good."
    arguments = {
        "root": str(real_data / "eurosat_rgb"), "splits": {"train": "train", "test": "val"}, "inner_val": 0.1,
        "batch_size": 32, "remark": remark,
    }  # fmt: skip
    recipe = write_recipe(tmp_path / "recipe.yaml", "FolderClassificationDataModule", arguments, steps=60)
    outputs = [
        run_cli(1, tmp_path / "printed", "fit", "-c", str(recipe)),
        run_cli(1, tmp_path / "printed", "test", "-c", str(recipe), "--ckpt_path", "last"),
    ]
    assert [each[0].code for each in outputs] == [0, 0], outputs
    report = json.loads((tmp_path / "run" / "test.json").read_text())
    assert report["data"]["count"] == 1000
    assert report["data"]["notes"] == [remark]
    assert report["scores"]["accuracy"] > 0.2  # one in ten by chance
    assert f"note: {remark}" in outputs[1][0].out
