"""``hqzoo data check`` and ``hqzoo data stats``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.cli import main
from hqzoo.data import FolderSegmentationDataModule, PH2DataModule
from hqzoo.errors import DataError
from tests.cli.conftest import recipe, write_recipe
from tests.fixtures.folder import write_csv, write_folder, write_images
from tests.fixtures.whole_images import write_isbi2012, write_ph2

pytestmark = pytest.mark.usefixtures("wide")


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_a_clean_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ph2(tmp_path / "ph2", size=(8, 10))
    assert main(["data", "check", str(root), "--json", str(tmp_path / "found.json")]) == 0
    out = capsys.readouterr().out
    assert "PH2DataModule: 200 images, 200 masks; 67 of 8 x 10" in out
    assert "Nothing is missing" in out
    report = json.loads((tmp_path / "found.json").read_text())
    assert report["clean"]
    assert (report["images"], report["masks"]) == (200, 200)
    assert report["splits"][4] == {"fold": 5, "train": 160, "val": 0, "test": 40}
    assert report["sizes"][0] == {"height": 8, "width": 10, "images": 67}
    assert sum(report["classes"].values()) == pytest.approx(1)
    assert set(report["classes"]) == {"background", "lesion"}


def test_a_set_that_leaks_by_its_construction_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_isbi2012(tmp_path / "isbi")
    assert main(["data", "check", str(root)]) == 1
    assert "leak: Single slices are drawn, so that training and test slices are neighbours" in capsys.readouterr().out


def test_what_is_missing_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ph2(tmp_path, count=4)
    assert main(["data", "check", str(root)]) == 1
    out = capsys.readouterr().out
    assert "PH2DataModule: 4 images, 4 masks; 2 of 24 x 32" in out
    assert "missing: The authors' folds divide all 200 images of PH2, but 4 were found" in out


def test_all_bad_files_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = write_ph2(tmp_path / "ph2", original=False, size=(12, 10)) / "masks"
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(masks / "IMD005.png")
    Image.fromarray(np.full((12, 12), 7, np.uint8)).save(masks / "IMD010.png")
    (masks / "IMD020.png").unlink()
    assert main(["data", "check", str(tmp_path / "ph2"), "--json", str(tmp_path / "found.json")]) == 1
    out = capsys.readouterr().out
    report = json.loads((tmp_path / "found.json").read_text())
    assert "PH2DataModule: 200 images, 199 masks; 67 of 12 x 11, 66 of 12 x 10, 65 of 12 x 12; 2 refused" in out
    assert (report["images"], report["masks"], report["clean"]) == (200, 199, False)
    assert report["splits"][0] == {"fold": 1, "train": 160, "val": 0, "test": 40}
    no_mask, size, values = report["missing"]
    assert "expected IMD020.*" in no_mask
    assert "IMD005.png has 10 x 10 pixels" in size
    assert "IMD010.png holds the values 7" in values
    assert all(f"missing: {sentence}" in out for sentence in report["missing"])


def test_many_bad_files_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ph2(tmp_path / "ph2", original=False, size=(12, 10))
    masks = sorted((root / "masks").iterdir())
    for path in masks[:30]:
        Image.fromarray(np.zeros((5, 5), np.uint8)).save(path)
    for path in masks[30:38]:
        path.unlink()
    assert main(["data", "check", str(root), "--json", str(tmp_path / "found.json")]) == 1
    out = capsys.readouterr().out
    assert "8 image(s)" in out
    assert f"{masks[34].stem}.* and 3 more" in out
    assert out.count("missing: The mask") == 19
    assert "missing: ... and 11 more, which --json FILE lists" in out
    report = json.loads((tmp_path / "found.json").read_text())
    assert len(report["missing"]) == 31


def test_many_sizes_are_cut_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(7):
        write_images(tmp_path, [f"{number}a", f"{number}b"], size=(8 + number, 8), seed=2 * number)
    assert main(["data", "check", str(tmp_path)]) == 0
    assert "and 9 more size(s)" in capsys.readouterr().out


def test_folds_that_start_at_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path)
    rows = [{"name": f"scene{n}_{i}", "scene": f"scene{n}", "fold": n + 1} for n in range(3) for i in range(2)]
    write_csv(root / "folds.csv", rows)
    assert main(["data", "check", str(root)]) == 0
    assert "Nothing is missing" in capsys.readouterr().out


def test_leaks_end_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path)
    Image.open(root / "images" / "scene0_0.png").save(root / "images" / "scene1_0.png")
    assert main(["data", "check", str(root), "--fold", "1"]) == 1
    out = capsys.readouterr().out
    assert "leak: fold 1: train and test share 1 image(s) with the same pixels: scene0_0 = scene1_0." in out
    assert "fold 0" not in out


def test_statistics_of_a_folder_and_of_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path / "set")
    assert main(["data", "stats", str(root), "--fold", "2", "--json", str(tmp_path / "folder.json")]) == 0
    out = capsys.readouterr().out
    report = json.loads((tmp_path / "folder.json").read_text())
    data = FolderSegmentationDataModule(str(root), fold=2)
    names = [record.name for record in data.records("train")]
    pixels = np.concatenate([np.asarray(Image.open(root / "images" / f"{n}.png")).reshape(-1, 3) for n in names])
    np.testing.assert_allclose(report["statistics"]["image"]["mean"], pixels.mean(axis=0))
    np.testing.assert_allclose(report["statistics"]["image"]["std"], pixels.std(axis=0))
    assert (report["images"], report["fold"]) == (2, 2)
    assert report["sensors"]["image"]["bands"] == ["red", "green", "blue"]
    assert f"{pixels.mean(axis=0)[2]:.4f}" in out
    path = write_recipe(recipe(tmp_path / "elsewhere", tmp_path / "run"), tmp_path / "recipe.yaml")
    arguments = ["-c", str(path), "--fold", "2", "--json", str(tmp_path / "recipe.json")]
    assert main(["data", "stats", str(root), *arguments]) == 0  # the recipe's settings on another folder
    assert json.loads((tmp_path / "recipe.json").read_text()) == report
    assert main(["data", "check", str(root), "-c", str(path)]) == 0
    assert main(["data", "check", "-c", str(path), str(root)]) == 0  # in any order


def test_recipe_with_every_setting_of_a_named_set(tmp_path: Path) -> None:
    root = write_ph2(tmp_path / "ph2", size=(8, 10))
    content = recipe(root, tmp_path / "run")
    settings = {"root": str(root), "fold": 5, "size": [12, 16], "crop_size": [4, 8], "inner_val": 0.2}
    content["data"] = {"class_path": "PH2DataModule", "init_args": {**settings, "label_fraction": 0.5}}
    path = write_recipe(content, tmp_path / "recipe.yaml")
    assert main(["data", "stats", "-c", str(path), "--json", str(tmp_path / "found.json")]) == 0
    report = json.loads((tmp_path / "found.json").read_text())
    assert (report["module"], report["fold"], report["images"]) == ("PH2DataModule", 5, 64)  # half of 160 less 32
    records = PH2DataModule(**{**settings, "size": (12, 16), "crop_size": (4, 8)}, label_fraction=0.5).records("train")
    pixels = np.concatenate([record.read()[0].reshape(3, -1) for record in records], 1)
    found = report["statistics"]["image"]
    np.testing.assert_allclose(found["mean"], pixels.mean(1))  # although it is normalised by 255
    np.testing.assert_allclose(found["std"], pixels.std(1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "Say which data set"),
        (["check", "X", "--module", "PH2DataModul"], "Did you mean 'PH2DataModule'"),
        (["check", "X", "--module", "no.such.Module"], "no class no.such.Module"),
        (["check", "X", "--module", "hqzoo.data.ClassMap"], "is no DataModule"),
        (["check", "X", "--module", "LandscapesDataModule"], "has no argument `root`"),
        (["check", "X", "--module", "PH2DataModule", "-c", "hq_unet/landscapes"], "not both"),
        (["stats", "absent"], "absent is no folder"),
        (["stats", "-c", "hq_unet/landscape"], "Did you mean 'hq_unet/landscapes'"),
    ],
)
def test_mistakes(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", *arguments]) == 2
    assert words in capsys.readouterr().err


def write_pairs(
    root: Path, images: list[str], masks: list[str], folders: tuple[str, str] = ("images", "masks")
) -> Path:
    for folder, names in zip(folders, (images, masks), strict=True):
        (root / folder).mkdir(parents=True)
        for number, name in enumerate(names):
            rng = np.random.default_rng(number)
            shape = (32, 32, 3) if folder == folders[0] else (32, 32)
            values = rng.integers(0, 255 if len(shape) == 3 else 2, shape).astype(np.uint8)
            Image.fromarray(values).save(root / folder / name)
    return root


ALL = [f"t{number}.png" for number in range(5)]


@pytest.mark.parametrize(
    ("images", "masks", "words"),
    [
        (ALL, [f"t{n}_mask.png" for n in range(5)], "set `mask_suffix: _mask`"),
        (ALL, [*ALL, "t9.png"], "1 mask(s) in"),
        (ALL, [*ALL[:4], "T4.PNG"], "equal up to case or Unicode form are no pair: t4 and T4"),
        ([*ALL, "\u00e9.png"], [*ALL, "e\u0301.png"], "are no pair: \u00e9 and e\u0301"),
        ([*ALL, "x.bmp"], ALL, "left out, as their kind is not read: x.bmp"),
        ([*ALL, "T0.png"], [*ALL, "T0.png"], "would be one file on other systems: T0, t0"),
    ],
)
def test_what_lies_beside_is_told(
    images: list[str], masks: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_pairs(tmp_path, images, masks)
    assert main(["data", "check", str(root)]) == 1
    out = capsys.readouterr().out
    assert words in out
    assert "images, " in out.partition("\n")[0]  # what can be read was looked at all the same


def test_the_images_are_told_although_no_mask_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pairs(tmp_path, ALL, ALL)
    for name in ALL:
        (root / "masks" / name).write_bytes(b"no picture")
    assert main(["data", "check", str(root)]) == 1
    out = capsys.readouterr().out
    assert "5 images, 5 masks" in out
    assert all(f"masks/{name} is damaged" in out for name in ALL)
    assert "None of the 5 mask(s)" in out


def test_folders_of_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pairs(tmp_path, ALL, [f"t{n}_gt.png" for n in range(5)], ("sat", "gt"))
    named = ["--images", "sat", "--masks", "gt"]
    assert main(["data", "check", str(root), *named, "--mask-suffix", "_gt"]) == 0
    assert "FolderSegmentationDataModule: 5 images, 5 masks" in capsys.readouterr().out
    assert main(["data", "check", str(root), *named]) == 1
    assert "set `mask_suffix: _gt`" in capsys.readouterr().out
    assert main(["data", "stats", str(root), *named, "--mask-suffix", "_gt"]) == 0
    assert main(["data", "check", str(root), *named, "--module", "PH2DataModule"]) == 2
    assert "has no argument `images`" in capsys.readouterr().err


def test_one_class_is_refused_with_what_was_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pairs(tmp_path, ALL, ALL)
    for name in ALL:
        mask = np.zeros((32, 32), np.uint8)
        mask[:8] = 1
        Image.fromarray(mask).save(root / "masks" / name, transparency=0)
    assert main(["data", "check", str(root)]) == 1
    out = capsys.readouterr().out
    assert "leave one class only, 'class 1' (25.0% of the pixels)" in out
    assert "value 0 (75.0%, declared as nodata or transparent by 5 of 5 mask(s))" in out
    (root / "classes.json").write_text('{"classes": {"1": "house"}, "ignore": [0]}')
    with pytest.raises(DataError, match=r"only, 'house' .* value 0 \(75\.0%, declared as nodata"):
        FolderSegmentationDataModule(str(root)).setup("fit")
    (root / "classes.json").write_text('{"0": "ground", "1": "house"}')
    assert main(["data", "check", str(root)]) == 0
