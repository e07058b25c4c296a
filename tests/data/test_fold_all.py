"""`fold: all` trains on everything, says so, and has nothing to test on."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

from hqzoo.data import FolderSegmentationDataModule
from hqzoo.data.splits import choose_fold
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.folder import write_csv, write_images

NAMES = [f"i{number}" for number in range(6)]


def layout(root: Path, kind: str) -> Path:
    if kind == "folders":
        for split, part in (("train", NAMES[:3]), ("val", NAMES[3:4]), ("test", NAMES[4:])):
            write_images(root / split, part)
        return root
    write_images(root, NAMES)
    if kind == "split.csv":
        write_csv(root / "split.csv", [{"name": n, "split": "test" if n == "i0" else "train"} for n in NAMES])
    elif kind == "folds.csv":
        write_csv(root / "folds.csv", [{"name": n, "fold": number % 3} for number, n in enumerate(NAMES)])
    return root


@pytest.mark.parametrize("kind", ["drawn", "split.csv", "folds.csv", "folders"])
def test_everything_trains_and_nothing_is_tested(tmp_path: Path, kind: str) -> None:
    data = FolderSegmentationDataModule(str(layout(tmp_path, kind)), fold="all")
    with pytest.warns(UserWarning, match="6 records are trained on, and none is left to test on"):
        data.setup("fit")
    assert sorted(record.name for record in data.records("train")) == NAMES
    assert data.val_dataloader() == []
    for ask in (lambda: data.setup("test"), data.test_dataloader):
        with pytest.raises(DataError, match=r"`fold: all` trains on all records.*another `root`.*`fold: 0`"):
            ask()
    data.setup("predict")
    assert len(data.predict_records()) == 6


def test_a_fold_to_validate_on_may_be_kept(tmp_path: Path) -> None:
    data = FolderSegmentationDataModule(str(layout(tmp_path, "folds.csv")), fold="all", val_fold=1)
    assert sorted(record.name for record in data.records("val")) == ["i1", "i4"]
    assert len(data.records("train")) == 4
    with pytest.raises(ConfigError, match="val_fold=7"):
        FolderSegmentationDataModule(str(tmp_path), fold="all", val_fold=7).setup("fit")
    kept = FolderSegmentationDataModule(str(tmp_path), fold="all", inner_val=0.3)
    kept.setup("fit")
    assert len(kept.records("train")) + len(kept.records("val")) == 6
    assert kept.records("val")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FolderSegmentationDataModule(str(tmp_path)).setup("fit")


def test_equal_names_of_two_splits_are_refused(tmp_path: Path) -> None:
    root = layout(tmp_path, "folders")
    for part in ("images", "masks"):
        shutil.copy(root / "train" / part / "i0.png", root / "test" / part / "i0.png")
    with pytest.raises(DataError, match="called like others: i0"):
        FolderSegmentationDataModule(str(root), fold="all").records("train")


def test_choosing_all() -> None:
    folds = {"a": 1, "b": 2, "c": 3}
    assert choose_fold(folds, "all", "next") == dict.fromkeys("abc", "train")
    assert choose_fold(folds, "all", 2) == {"a": "train", "b": "val", "c": "train"}
