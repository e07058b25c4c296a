"""What a checkpoint is scored on: its own test split, or all of other data, in files of their own."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hqzoo.cli import main
from hqzoo.data import FolderSegmentationDataModule
from hqzoo.data.parts import all_records, contents
from tests.fixtures.folder import write_folder


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def other(folder: Path, tmp_path: Path) -> Path:
    """Six images of the same names and sizes as those of the run, with other pixels."""
    root = write_folder(tmp_path / "other", size=(64, 64))
    for path in (root / "images").iterdir():
        with Image.open(path) as image:
            pixels = np.asarray(image)
        Image.fromarray(255 - pixels).save(path)
    return root


def run(*arguments: str) -> None:
    assert main([*arguments, "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]) == 0


def reports(root: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in root.glob("*.json") if path.stem != "timing"}


def scored(report: dict[str, Any]) -> tuple[str, int, int]:
    return report["run"]["split"], report["data"]["count"], report["data"]["pixels"]


def labelled(root: Path, names: list[str]) -> int:
    """Count the pixels of masks that the folder's classes.json does not ignore, without hqzoo's readers."""
    module = FolderSegmentationDataModule(str(root))
    found = {record.name: record.read_labelled(None)[1] for record in all_records(module)}
    return sum(int((found[name] != 255).sum()) for name in names)


def test_other_data_are_scored_whole_in_a_file_of_their_own(
    own_run: Path, other: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    run("test", "--ckpt_path", str(own_run))
    before = (own_run / "test.json").read_bytes()
    assert scored(reports(own_run)["test"])[:2] == ("test", 2)
    capsys.readouterr()
    run("test", "--ckpt_path", str(own_run), "--data.init_args.root", str(other))
    (name,) = set(reports(own_run)) - {"test"}
    assert name.startswith("test-other-")
    names = sorted(path.stem for path in (other / "images").iterdir())
    total = labelled(other, names)
    assert scored(reports(own_run)[name]) == ("all", 6, total)
    assert f"scored on 6 image(s), {total:,} labelled pixels (all images of the data)" in capsys.readouterr().out
    assert list(np.load(own_run / f"{name}.npz")["name"]) == names
    assert (own_run / "test.json").read_bytes() == before


def test_what_the_run_remembers_is_not_forced_on_other_data(
    own_run: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run's split file names images that other data have not."""
    for path in [*(other / "images").iterdir(), *(other / "masks").iterdir()]:
        path.rename(path.with_stem(f"new_{path.stem}"))
    (other / "folds.csv").unlink(missing_ok=True)
    config = (own_run / "config.yaml").read_text()
    (own_run / "config.yaml").write_text(config.replace("split_file: null", "split_file: mine.csv"))
    run("test", "--ckpt_path", str(own_run / "checkpoints" / "last.ckpt"), "--data.init_args.root", str(other))
    (name,) = reports(own_run)
    assert scored(reports(own_run)[name])[:2] == ("all", 6)
    assert "Not taken over from its run: " in (told := capsys.readouterr().err)
    assert "split_file=mine.csv" in told


def test_a_split_that_is_asked_for(own_run: Path, other: Path) -> None:
    place = ["--ckpt_path", str(own_run), "--data.init_args.root", str(other)]
    run("test", *place, "--data.init_args.fold", "2")
    (by_fold,) = reports(own_run).values()
    run("test", *place, "--split", "val")
    by_name = next(each for each in reports(own_run).values() if each["run"]["split"] == "validation")
    assert scored(by_fold)[:2] == ("test", 2)
    assert scored(by_name)[:2] == ("validation", 2)
    assert len(reports(own_run)) == 2


def test_own_data_are_known_wherever_they_lie(own_run: Path, folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "moved")
    run("test", "--ckpt_path", str(own_run), "--data.init_args.root", str(moved))
    assert {name: scored(each)[:2] for name, each in reports(own_run).items()} == {"test": ("test", 2)}


def test_another_fold_of_own_data_is_told_and_does_not_replace_the_test(
    own_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("test", "-c", str(own_run / "config.yaml"), "--trainer.default_root_dir", str(own_run), "--ckpt_path",
        "last", "--data.init_args.fold", "1")  # fmt: skip
    assert "test" not in reports(own_run)
    assert "may be among those it was trained on" in capsys.readouterr().err


def test_predict_writes_all_of_other_data_beside_the_runs_own(own_run: Path, other: Path) -> None:
    run("predict", "--ckpt_path", str(own_run), "--data.init_args.root", str(other))
    (written,) = own_run.glob("predictions*")
    assert written.name.startswith("predictions-other-")
    assert len(list(written.glob("*.png"))) == 6


def test_contents_see_pixels_and_names_not_folds(folder: Path, other: Path, tmp_path: Path) -> None:
    def of(root: Path, **arguments: Any) -> str:
        return contents(FolderSegmentationDataModule(str(root), **arguments))

    copy = shutil.copytree(folder, tmp_path / "copy")
    assert of(folder) == of(copy) == of(folder, fold=1, val_fold=None)
    assert of(folder) != of(other)
    assert of(tmp_path / "nowhere") == ""


def test_records_of_equal_names_in_two_splits_stay_apart(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_folder(tmp_path / split, size=(64, 64))
    module = FolderSegmentationDataModule(str(tmp_path), classes={1: "a", 2: "b", 3: "c"}, ignore=[0])
    names = [record.name for record in all_records(module)]
    assert len(set(names)) == len(names) == 18
    module.test_on("all")
    assert len(module.records("test")) == 18
