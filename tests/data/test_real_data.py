"""The folder data module on real imagery: colour and grey, JPEG, PNG and GeoTIFF, folds and lists."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.data import IGNORE_INDEX, FolderSegmentationDataModule

pytestmark = pytest.mark.real_data


def module(root: Path, **options: object) -> FolderSegmentationDataModule:
    data = FolderSegmentationDataModule(str(root), **options)  # type: ignore[arg-type]
    data.setup()
    return data


def test_dubai(real_data: Path) -> None:
    root = real_data / "aerial_dubai"
    classes = {1: "building", 2: "land", 3: "road", 4: "vegetation", 5: "water"}
    data = module(root, classes=classes, ignore=[0], fold=2)
    with (root / "folds.csv").open() as file:
        folds = {row["name"]: int(row["fold"]) for row in csv.DictReader(file)}
    assert {record.name for record in data.records("test")} == {name for name, fold in folds.items() if fold == 2}
    assert {record.name for record in data.records("val")} == {name for name, fold in folds.items() if fold == 3}
    assert len(data.records("train")) == len(folds) - 18
    names = [record.name for record in data.records("train")]
    pictures = (np.asarray(Image.open(root / "images" / f"{name}.jpg")).reshape(-1, 3).T for name in names)
    levels = sum(np.array([np.bincount(band, minlength=256) for band in picture]) for picture in pictures)
    mean = levels @ np.arange(256) / levels.sum(axis=1)
    variance = levels @ np.arange(256) ** 2 / levels.sum(axis=1) - mean**2
    np.testing.assert_allclose(data.statistics["image"].mean, mean, rtol=1e-12)
    np.testing.assert_allclose(data.statistics["image"].std, np.sqrt(variance), rtol=1e-11)
    counts = np.zeros(256, int)
    for batch in data.test_dataloader():
        counts += np.bincount(batch["mask"].numpy().ravel(), minlength=256)
    truth = sum(
        np.bincount(np.asarray(Image.open(root / "masks" / f"{record.name}.png")).ravel(), minlength=6)
        for record in data.records("test")
    )
    assert counts[:5].tolist() == truth[1:].tolist()  # every labelled pixel once, none twice
    assert counts[5:IGNORE_INDEX].sum() == 0


def test_cz_folds(real_data: Path) -> None:
    data = module(real_data / "aerial_cz", ignore=[0], fold=0, val_fold=None)
    assert len(data.targets.classes) == 6
    assert data.val_dataloader() == []
    assert len(data.records("train")) + len(data.records("test")) == 154
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (16, 3, 128, 128)
    assert (batch["mask"] != IGNORE_INDEX).float().mean() > 0.5


def test_isbi_is_grey_with_drawn_folds(real_data: Path) -> None:
    root = real_data / "isbi2012"
    parts = [module(root, classes={0: "membrane", 1: "cell"}, fold=fold) for fold in range(5)]
    assert parts[0].sensor.bands == ("grey",)
    tested = [record.name for data in parts for record in data.records("test")]
    assert sorted(tested) == [f"{number:02}" for number in range(30)]
    assert next(iter(parts[0].train_dataloader()))["image"].shape == (16, 1, 128, 128)


def test_ph2_with_the_authors_lists(real_data: Path) -> None:
    lists = {"train": "folds/fold_2_train.txt", "test": "folds/fold_2_val.txt"}
    data = module(real_data / "ph2", classes={0: "skin", 1: "lesion"}, split_file=lists)
    assert (len(data.records("train")), len(data.records("test"))) == (160, 40)
    batch = next(iter(data.test_dataloader()))
    assert batch["height"].tolist() == [192] * 16
    assert set(batch["mask"].unique().tolist()) == {0, 1, IGNORE_INDEX}  # 192 rows are one and a half windows


def test_georeferenced_tiff_with_alpha(real_data: Path) -> None:
    codes = {10: "a", 30: "b", 50: "c", 70: "d", 100: "e"}
    data = module(real_data / "s2_korea", classes=codes, num_folds=3)
    assert data.sensor.bands == ("red", "green", "blue")  # the constant alpha band is left out
    assert next(iter(data.train_dataloader()))["image"].shape[1:] == (3, 128, 128)
