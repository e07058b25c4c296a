"""Which data set a folder is, what is missing in it, and which splits leak into each other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.data import (
    FolderClassificationDataModule,
    FolderSegmentationDataModule,
    FruitSeg30DataModule,
    GeoBenchDataModule,
    ISBI2012DataModule,
    LandCoverAIDataModule,
    PH2DataModule,
)
from hqzoo.data.checks.inspection import Inspection, inspect, recognise
from hqzoo.errors import DataError
from tests.fixtures.folder import draw, write_classes, write_csv, write_folder, write_images, write_labelled
from tests.fixtures.geobench import write_geobench
from tests.fixtures.landcoverai import write_landcoverai
from tests.fixtures.whole_images import write_fruitseg30, write_isbi2012, write_ph2


def look(root: Path, module: type = FolderSegmentationDataModule, **options: object) -> Inspection:
    return inspect(lambda fold: module(root=str(root), **options, **({} if fold is None else {"fold": fold})))


def test_every_layout_is_recognised(tmp_path: Path) -> None:
    write_ph2(tmp_path / "ph2", count=2)
    write_ph2(tmp_path / "ph2_files", original=False, count=2)
    write_isbi2012(tmp_path / "isbi", count=2)
    write_isbi2012(tmp_path / "isbi_files", stacks=False, size=(8, 8))
    write_fruitseg30(tmp_path / "fruit", (1, 1, 1))
    write_landcoverai(tmp_path / "landcover")
    write_landcoverai(tmp_path / "archive", archive=True)
    write_folder(tmp_path / "folder")
    write_images(tmp_path / "split" / "train", ["a"])
    write_images(tmp_path / "numbers", [f"{number:02}" for number in range(30)], size=(8, 8))  # colour, so no ISBI
    for kind in ("corn", "wood"):
        write_labelled(tmp_path / "labelled" / "train" / kind, [f"{kind}_{number}" for number in range(2)])
        write_labelled(tmp_path / "kinds" / kind, [f"{kind}_{number}" for number in range(2)])
    write_geobench(tmp_path, "m-eurosat")
    found = {path.name: recognise(path) for path in tmp_path.iterdir()}
    assert found == {
        "labelled": FolderClassificationDataModule,
        "kinds": FolderClassificationDataModule,
        "m-eurosat": GeoBenchDataModule,
        "ph2": PH2DataModule,
        "ph2_files": PH2DataModule,
        "isbi": ISBI2012DataModule,
        "isbi_files": ISBI2012DataModule,
        "fruit": FruitSeg30DataModule,
        "landcover": LandCoverAIDataModule,
        "archive": LandCoverAIDataModule,
        "folder": FolderSegmentationDataModule,
        "split": FolderSegmentationDataModule,
        "numbers": FolderSegmentationDataModule,
    }
    with pytest.raises(DataError, match=r"looks like no known data set.*--module"):
        recognise(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        recognise(tmp_path / "absent")


def test_a_clean_folder(tmp_path: Path) -> None:
    found = look(write_folder(tmp_path))
    assert found.clean
    assert found.splits == {fold: {"train": 2, "val": 2, "test": 2} for fold in range(3)}
    assert found.sizes == {(96, 80): 3, (96, 96): 3}
    masks = np.concatenate([draw(number, 96, 80 + 16 * (number % 2))[1].ravel() for number in range(6)])
    counts = np.bincount(masks)
    assert list(found.classes) == ["building", "vegetation", "water"]
    np.testing.assert_allclose(list(found.classes.values()), counts[1:] / counts[1:].sum(), rtol=1e-12)
    assert found.ignored == pytest.approx(counts[0] / counts.sum())


def test_equal_pixels_under_another_name_leak(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    for folder in ("images", "masks"):
        shutil.copy(root / folder / "scene0_0.png", root / folder / "scene2_0.png")
    found = look(root)
    assert not found.missing
    # Scene 0 and scene 2 are in different splits of every fold.
    assert len(found.leaks) == 3
    assert all("1 image(s) with the same pixels" in leak and "scene0_0" in leak for leak in found.leaks)
    assert found.leaks[0] == "fold 0: train and test share 1 image(s) with the same pixels: scene2_0 = scene0_0."


def test_equal_pixels_within_a_split_are_no_leak(tmp_path: Path) -> None:
    root = write_folder(tmp_path, size=(64, 64), scenes=3, images_per_scene=3)
    for folder in ("images", "masks"):
        shutil.copy(root / folder / "scene1_0.png", root / folder / "scene1_2.png")
    assert look(root).clean


def test_scenes_and_names_that_straddle_leak(tmp_path: Path) -> None:
    names = [f"scene{scene}_{part}" for scene in range(3) for part in range(2)]
    write_images(tmp_path, names)
    write_classes(tmp_path)
    splits = ["train", "test", "train", "train", "val", "test"]
    write_csv(tmp_path / "split.csv", [{"name": n, "split": s} for n, s in zip(names, splits, strict=True)])
    assert look(tmp_path).clean  # nobody said what a scene is
    found = look(tmp_path, scene_pattern=r"(scene\d)_")
    assert found.leaks == ["train and test share 1 scene(s): scene0.", "val and test share 1 scene(s): scene2."]
    other = tmp_path / "other"
    for number, split in enumerate(("train", "test")):
        write_images(other / split, ["0", f"1{split}"], seed=10 * number)
    write_classes(other)
    assert look(other).leaks == ["train and test share 1 name(s): 0."]


def test_official_lists_of_landcoverai_divide_orthophotos(tmp_path: Path) -> None:
    write_landcoverai(tmp_path)
    unprepared = look(tmp_path, LandCoverAIDataModule)
    assert "There are no tiles" in unprepared.missing[0]
    LandCoverAIDataModule(str(tmp_path)).prepare_data()
    (leak, *rest) = look(tmp_path, LandCoverAIDataModule).leaks
    assert leak == "train and val and test share 2 scene(s): M-33-20-D-c-4-2, N-34-97-C-b-1-2."
    assert not rest
    assert look(tmp_path, LandCoverAIDataModule, split="orthophoto", num_folds=3).clean


def test_whole_sets_are_counted(tmp_path: Path) -> None:
    write_isbi2012(tmp_path / "isbi")
    assert look(tmp_path / "isbi", ISBI2012DataModule, grouped=True).clean
    (leak,) = look(tmp_path / "isbi", ISBI2012DataModule).leaks
    assert "neighbours" in leak
    found = look(write_ph2(tmp_path / "ph2", size=(8, 10)), PH2DataModule)
    assert found.clean
    assert found.sizes == {(8, 10): 67, (8, 11): 67, (8, 12): 66}  # as in the files, not resized
    assert list(found.splits) == [1, 2, 3, 4, 5]
    few = look(write_ph2(tmp_path / "few", count=7), PH2DataModule, folds="drawn")
    assert few.missing == ["The published data set has 200 images, this one 7."]


def test_damaged_files_are_all_named_once(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    image = root / "images" / "scene1_1.png"
    image.write_bytes(image.read_bytes()[:-200])
    mask = np.asarray(Image.open(root / "masks" / "scene2_0.png")).copy()
    mask[0, 0] = 9
    Image.fromarray(mask).save(root / "masks" / "scene2_0.png")
    found = look(root)
    assert len(found.missing) == 2
    assert "scene1_1.png is damaged" in "".join(found.missing)
    assert "scene2_0.png holds values 9" in "".join(found.missing)
    assert (found.images, found.masks, found.sizes.total()) == (6, 6, 4)
    (root / "masks" / "scene0_1.png").unlink()
    Image.fromarray(np.ones((5, 6), np.uint8)).save(root / "masks" / "scene0_0.png")
    (root / "images" / "scene1_0.png").write_bytes(b"no image")
    found = look(root)
    assert (found.images, found.masks, found.sizes.total()) == (6, 5, 2)
    assert found.splits == {fold: {"train": 2, "val": 2, "test": 2} for fold in range(3)}
    told = "".join(found.missing[:5])
    assert len(found.missing) == 5
    for words in ("expected scene0_1.*", "scene0_0.png has 5 x 6", "scene1_0.png is damaged", "scene1_1", "values 9"):
        assert words in told


def test_faults_of_lists_and_files_are_told_together(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    rows = [{"name": f"scene{n}_{i}", "scene": f"scene{n}", "fold": str(n)} for n in range(3) for i in range(2)]
    rows[1]["fold"] = "1"
    rows += [
        {"name": "absent", "scene": "other", "fold": "2"},
        {"name": "lost", "scene": "third", "fold": "two"},
        rows[4],
    ]
    write_csv(root / "folds.csv", rows)
    (root / "images" / "scene2_1.tif").write_bytes(b"")
    Image.fromarray(np.full((96, 80), 9, np.uint8)).save(root / "masks" / "scene2_0.png")
    found = look(root)
    assert list(found.splits) == [0, 1, 2]
    told = "\n".join(found.missing)
    assert len(found.missing) == 5
    for words in (
        "line 10: the image 'scene2_0' is listed twice",
        "image 'lost': a fold is a whole number, got 'two'",
        "scene2_1.tif have the same name",
        "1 image(s) of the split file are not in",
        "scene2_0.png holds values 9",
    ):
        assert words in told
    assert found.leaks[0].endswith("put them into one fold.")
    assert found.leaks[0].startswith(f"{root / 'folds.csv'}: The scene 'scene0' lies in folds [0, 1].")
    assert found.leaks[1:] == [
        "fold 0: val and test share 1 scene(s): scene0.",
        "fold 1: train and test share 1 scene(s): scene0.",
        "fold 2: train and val share 1 scene(s): scene0.",
    ]


def test_files_are_looked_at_where_no_fold_can_be_made(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "folder")
    (root / "folds.csv").write_text("image,fold\nscene0_0,0\n")
    Image.fromarray(np.full((96, 80), 9, np.uint8)).save(root / "masks" / "scene2_0.png")
    found = look(root)
    assert (found.images, found.masks, found.splits) == (6, 6, {})
    column, values = found.missing
    assert "folds.csv has no column 'name'" in column
    assert "scene2_0.png holds values 9" in values
    ph2 = write_ph2(tmp_path / "ph2", count=199, size=(8, 10)) / "PH2 Dataset images"
    (ph2 / "IMD007" / "IMD007_Dermoscopic_Image" / "IMD007.bmp").unlink()
    (ph2 / "IMD009" / "IMD009_lesion" / "IMD009_lesion.bmp").write_bytes(b"")
    found = look(tmp_path / "ph2", PH2DataModule)
    assert (found.images, found.masks, found.sizes.total()) == (198, 198, 197)
    told = "".join(found.missing)
    for words in ("IMD007.bmp. Unpack", "IMD009_lesion.bmp is damaged", "but 198 were found", "this one 198."):
        assert words in told


def test_the_first_file_may_be_the_bad_one(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    (root / "classes.json").unlink()
    for path in (root / "images" / "scene0_0.png", root / "masks" / "scene0_1.png"):
        path.write_bytes(path.read_bytes()[: 20 if path.stem == "scene0_0" else -90])
    (root / "masks" / "scene2_1.png").unlink()
    found = look(root)
    assert len(found.missing) == 3
    assert (found.images, found.masks, found.sizes.total()) == (6, 5, 4)
    assert list(found.classes) == ["class 0", "class 1", "class 2", "class 3"]


def test_training_refuses_what_the_check_went_on_behind(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    (root / "masks" / "scene0_1.png").unlink()
    assert not look(root).clean
    with pytest.raises(DataError, match="have no mask"):
        FolderSegmentationDataModule(str(root)).setup("fit")


def test_an_image_on_both_sides_of_a_fold_leaks_and_the_other_folds_are_looked_at(tmp_path: Path) -> None:
    root = write_ph2(tmp_path, original=False, size=(8, 10), count=10)
    (root / "folds").mkdir()
    names = sorted(path.stem for path in (root / "images").iterdir())
    for fold in range(1, 6):
        tested = names[2 * fold - 2 : 2 * fold]
        train = [name for name in names if name not in tested]
        (root / "folds" / f"fold_{fold}_train.txt").write_text("\n".join(train + tested[:1] * (fold == 2)))
        (root / "folds" / f"fold_{fold}_val.txt").write_text("\n".join(tested))
    (root / "folds" / "fold_5_val.txt").write_text("\n".join(names[:1] + names[9:]))
    (root / "folds" / "fold_5_train.txt").write_text("\n".join(names[1:9]))
    found = look(root, PH2DataModule)
    assert list(found.splits) == [1, 2, 3, 4, 5]
    assert found.missing == ["The published data set has 200 images, this one 10."]
    straddles, twice = found.leaks
    assert straddles.startswith("fold 2: ")
    assert f"the image '{names[2]}' is in the split" in straddles
    assert twice == f"1 image(s) are tested in more than one fold: {names[0]} in 1, 5."


def test_images_in_no_fold_and_absent_classes_are_missing(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    text = (root / "folds.csv").read_text().splitlines()
    (root / "folds.csv").write_text("\n".join(line for line in text if not line.startswith("scene1_1")))
    for path in (root / "masks").iterdir():
        Image.fromarray(np.minimum(np.asarray(Image.open(path)), 2)).save(path)  # value 3, water, is gone
    absent, unlisted = look(root).missing
    assert "1 image(s)" in unlisted
    assert "are in no split: scene1_1" in unlisted
    assert absent.startswith("No pixel has class water; ")


def test_one_fold(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    found = inspect(lambda fold: FolderSegmentationDataModule(str(root), fold=fold or 0), fold=1)
    assert list(found.splits) == [1]


@pytest.mark.real_data
def test_real_sets_are_clean(real_data: Path) -> None:
    for name, module, options in (("ph2", PH2DataModule, {}), ("isbi2012", ISBI2012DataModule, {"grouped": True})):
        assert recognise(real_data / name) is module
        found = look(real_data / name, module, **options)
        assert found.clean, found
