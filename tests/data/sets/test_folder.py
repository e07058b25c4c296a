"""Folders of images and masks in every layout users have, and every fault with its one error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hqzoo.data import IGNORE_INDEX, FolderSegmentationDataModule
from hqzoo.errors import ConfigError, DataError, LeakError
from tests.fixtures.folder import NAMES, PALETTE, draw, write_classes, write_csv, write_folder, write_images


def module(root: Path, **options: object) -> FolderSegmentationDataModule:
    return FolderSegmentationDataModule(str(root), crop_size=32, **options)  # type: ignore[arg-type]


def names(data: FolderSegmentationDataModule) -> dict[str, list[str]]:
    return {split: [record.name for record in data.records(split)] for split in ("train", "val", "test")}  # type: ignore[arg-type]


def whole(data: FolderSegmentationDataModule, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    image, mask = data.records(split)[0].read()  # type: ignore[arg-type]
    assert mask is not None
    return image, mask


# Formats


@pytest.mark.parametrize("mask_kind", ["index", "grey", "rgb", "tif"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_formats(tmp_path: Path, suffix: str, mask_kind: str) -> None:
    data = module(write_folder(tmp_path, suffix=suffix, mask_kind=mask_kind), fold=1)
    data.setup()
    assert names(data) == {
        "train": ["scene0_0", "scene0_1"],
        "val": ["scene2_0", "scene2_1"],
        "test": ["scene1_0", "scene1_1"],
    }
    bands = ("red", "green", "blue", "nir") if suffix == ".tif" else ("red", "green", "blue")
    assert data.sensor.bands == bands
    assert data.targets.classes == tuple(NAMES.values())
    assert data.targets.palette == tuple(PALETTE[value] for value in NAMES)
    image, mask = whole(data)
    expected, raw = draw(0, 96, 80, len(bands))
    assert np.abs(image.astype(int) - np.moveaxis(expected, -1, 0)).mean() < (9 if suffix == ".jpg" else 1e-9)
    assert np.array_equal(mask, np.where(raw == 0, IGNORE_INDEX, raw - 1))


def test_batches(tmp_path: Path) -> None:
    data = module(write_folder(tmp_path), batch_size=4, fold=0)
    data.setup()
    train = next(iter(data.train_dataloader()))
    assert train.keys() == {"image", "mask", "name"}
    assert train["image"].shape == (4, 3, 32, 32)
    assert str(train["image"].dtype) == "torch.float32"
    assert str(train["mask"].dtype) == "torch.int64"
    assert set(train["mask"].unique().tolist()) <= {0, 1, 2, IGNORE_INDEX}
    test = next(iter(data.test_dataloader()))
    assert test["scene"] == ["scene0_0"] * 4
    assert test["col"].tolist() == [0, 32, 64, 0]
    assert test["row"].tolist() == [0, 0, 0, 32]
    assert test["height"].tolist() == [96] * 4
    assert test["width"].tolist() == [80] * 4


def test_band_selection(tmp_path: Path) -> None:
    write_folder(tmp_path, suffix=".tif")
    data = module(tmp_path, band_indexes=[4, 1])
    data.setup()
    assert data.sensor.bands == ("nir", "red")
    expected, _ = draw(4, 96, 80, 4)  # training scene 2: fold 0 tests, fold 1 validates
    assert np.array_equal(whole(data)[0], np.moveaxis(expected, -1, 0)[[3, 0]])
    named = module(tmp_path, band_indexes=[4, 1], bands=["B8", "B4"])
    named.setup("fit")
    assert named.sensor.bands == ("B8", "B4")


# Splits


def test_sub_folders_in_both_layouts(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_images(tmp_path / "inner" / split, [f"{split}_0"])
        write_images(tmp_path / "outer", [f"{split}_0"], images=f"images/{split}", masks=f"masks/{split}")
    for layout in ("inner", "outer"):
        write_classes(tmp_path / layout)
        assert names(module(tmp_path / layout)) == {s: [f"{s}_0"] for s in ("train", "val", "test")}


def test_same_name_in_two_splits_is_not_confused(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "test")):
        write_images(tmp_path / split, ["1"], seed=10 * seed)
    write_classes(tmp_path)
    data = module(tmp_path)
    data.setup("fit")
    data.setup("test")
    train, test = next(iter(data.train_dataloader())), next(iter(data.test_dataloader()))
    del train
    assert np.array_equal(test["image"][0].numpy(), np.moveaxis(draw(10, 96, 80)[0], -1, 0)[:, :32, :32])
    assert data.val_dataloader() == []


def test_split_file_lists_and_order_of_precedence(tmp_path: Path) -> None:
    write_folder(tmp_path)
    everything = [f"scene{s}_{p}" for s in range(3) for p in range(2)]
    rows = [{"name": f"{n}.png", "split": "test" if n.endswith("1") else "train"} for n in everything]
    write_csv(tmp_path / "split.csv", rows)  # a split file goes before folds.csv
    assert names(module(tmp_path))["test"] == ["scene0_1", "scene1_1", "scene2_1"]
    assert names(module(tmp_path, folds="folds.csv"))["test"] == ["scene0_0", "scene0_1"]
    (tmp_path / "a.txt").write_text("scene0_0\n")
    (tmp_path / "b.txt").write_text("scene1_0\n")
    data = module(tmp_path, split_file={"train": "a.txt", "val": "b.txt"})
    with pytest.warns(UserWarning, match=r"4 image.* are in no split"):
        data.setup("fit")
    assert [record.name for record in data.records("val")] == ["scene1_0"]
    with pytest.raises(DataError, match=r"split 'test' .* is empty"):
        data.setup("test")


def test_drawn_folds_keep_scenes_together(tmp_path: Path) -> None:
    write_folder(tmp_path, folds=False, scenes=4)
    tested = []
    for fold in range(4):
        data = module(tmp_path, fold=fold, num_folds=4, scene_pattern=r"(scene\d)_")
        found = names(data)
        assert all(len({name[:6] for name in found[split]}) == 1 for split in ("val", "test"))
        assert not {n[:6] for n in found["train"]} & {n[:6] for n in found["test"]}
        tested += found["test"]
        assert names(module(tmp_path, fold=fold, num_folds=4, scene_pattern="scene[0-9]", seed=9)) == found
    assert len(tested) == len(set(tested)) == 8


def test_scenes_without_folds_in_the_file(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_csv(
        tmp_path / "folds.csv",
        [{"name": f"scene{s}_{p}", "scene": f"{s}"} for s in range(3) for p in range(2)],
    )
    found = names(module(tmp_path, num_folds=3))
    assert all(len({name[:6] for name in part}) == 1 for part in found.values())


def test_fold_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`fold=7`.*folds: \[0, 1, 2\]"):
        module(write_folder(tmp_path), fold=7).setup("fit")


# Classes


def test_classes_found_in_masks(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "classes.json").unlink()
    data = module(tmp_path, ignore=[0])
    data.setup("fit")
    assert data.targets.classes == ("class 1", "class 2", "class 3")
    assert data.targets.palette == tuple(PALETTE[value] for value in (1, 2, 3))  # the palette of the PNG


def test_colours_found_in_rgb_masks(tmp_path: Path) -> None:
    (write_folder(tmp_path, mask_kind="rgb") / "classes.json").unlink()
    data = module(tmp_path, palette={0: [0, 0, 0]}, ignore=[0])
    data.setup("fit")
    assert set(data.targets.palette) == {PALETTE[value] for value in (1, 2, 3)}
    raw = draw(4, 96, 80)[1]
    order = sorted((1, 2, 3), key=lambda value: PALETTE[value])
    expected = np.select([raw == value for value in order], [0, 1, 2], IGNORE_INDEX)
    assert np.array_equal(whole(data)[1], expected)


def test_arguments_go_before_the_file_and_keep_their_order(tmp_path: Path) -> None:
    data = module(write_folder(tmp_path), classes={3: "lake", 1: "house", 0: "rest"}, ignore=[2])
    data.setup("fit")
    assert data.targets.classes == ("lake", "house", "rest")
    assert data.targets.palette == (PALETTE[3], PALETTE[1], PALETTE[0])
    raw = draw(4, 96, 80)[1]
    assert np.array_equal(whole(data)[1], np.array([2, 1, IGNORE_INDEX, 0], np.uint8)[raw])


def test_rgb_masks_need_a_palette(tmp_path: Path) -> None:
    (write_folder(tmp_path, mask_kind="rgb") / "classes.json").unlink()
    with pytest.raises(DataError, match=r"are RGB: `palette` must .* none for \[1\]"):
        module(tmp_path, classes={1: "a", 2: "b"}, palette={2: [1, 2, 3]}).setup("fit")


def test_photographs_instead_of_masks(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "classes.json").unlink()
    for path in (tmp_path / "masks").iterdir():
        Image.open(tmp_path / "images" / path.name).convert("L").save(path)
    with pytest.raises(DataError, match="more than 64 different values"):
        module(tmp_path).setup("fit")


@pytest.mark.parametrize(
    "content", ["{", "[1, 2]", '{"classes": {"one": "a"}}', '{"classes": {"1": "a"}, "ignore": 3}']
)
def test_malformed_classes_file(tmp_path: Path, content: str) -> None:
    (write_folder(tmp_path) / "classes.json").write_text(content)
    with pytest.raises(DataError, match=r"classes\.json is no class file.*Expected"):
        module(tmp_path).setup("fit")


def test_short_classes_file(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "classes.json").write_text(json.dumps({"0": "rest", "1": "a", "2": "b", "3": "c"}))
    data = module(tmp_path)
    data.setup("fit")
    assert data.targets.classes == ("rest", "a", "b", "c")


# Faults


def test_missing_root_says_where_and_what(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        module(tmp_path / "nowhere").setup("fit")
    for part in (
        str(tmp_path / "nowhere"),
        "does not exist",
        "images/<name>.jpg",
        "masks/<name>.png",
        "`root`",
    ):
        assert part in str(error.value)


def test_root_without_images(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"Looked in: .*images, .*masks \(does not exist\)"):
        module(tmp_path).setup("fit")


def test_image_without_mask(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "masks" / "scene1_0.png").unlink()
    with pytest.raises(DataError, match=r"1 image\(s\) .* no mask .* expected scene1_0\.\*"):
        module(tmp_path).setup("fit")


def test_mask_suffix(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for path in list((tmp_path / "masks").iterdir()):
        path.rename(path.with_name(f"{path.stem}_label.png"))
    module(tmp_path, mask_suffix="_label").setup("fit")


def test_two_images_of_one_name(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "images" / "scene0_0.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"scene0_0\.jpg and .*scene0_0\.png have the same name"):
        module(tmp_path).setup("fit")


def test_folds_of_images_that_are_missing(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "images" / "scene1_0.png").unlink()
    with pytest.raises(DataError, match=r"1 image\(s\) of the split file are not in .*: scene1_0\."):
        module(tmp_path).setup("fit")


def test_mask_of_another_size_is_found_at_setup(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "masks" / "scene2_1.png"
    Image.fromarray(np.ones((96, 95), np.uint8)).save(path)
    with pytest.raises(DataError, match=r"scene2_1\.png has 96 x 95 pixels.* 96 x 96"):
        module(tmp_path).setup("fit")


def test_unknown_mask_value_is_named(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "masks" / "scene2_0.png"
    mask = draw(4, 96, 80)[1]
    mask[3, 4:6] = 77
    Image.fromarray(mask).save(path)
    data = module(tmp_path)
    data.setup("fit")
    with pytest.raises(DataError, match=r"scene2_0\.png holds values 77 \(2 pixels\)"):
        _ = data.statistics


def test_truncated_image_is_named_by_the_loader(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "images" / "scene2_0.png"
    path.write_bytes(path.read_bytes()[:3000])
    data = module(tmp_path)
    data.setup("fit")
    with pytest.raises(DataError, match=r"scene2_0\.png is damaged, truncated"):
        list(data.train_dataloader())


def test_other_number_of_bands(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "images" / "scene2_1.png"
    Image.open(path).convert("L").save(path)
    with pytest.raises(DataError, match=r"scene2_1\.png has 1 band\(s\), but 3 are expected"):
        module(tmp_path).setup("fit")


def test_contradicting_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not both"):
        module(tmp_path, split_file="a.csv", folds="b.csv")
    with pytest.raises(ConfigError, match="`bands` names 1"):
        module(tmp_path, bands=["a"], band_indexes=[1, 2])


# Prediction


def test_prediction_needs_no_masks(tmp_path: Path) -> None:
    write_images(tmp_path, ["b", "a"])
    for path in (tmp_path / "masks").iterdir():
        path.unlink()
    (tmp_path / "masks").rmdir()
    data = module(tmp_path, batch_size=100)
    data.setup("predict")
    (batch,) = list(data.predict_dataloader())
    assert sorted(set(batch["scene"])) == ["a", "b"]
    assert (batch["mask"] == IGNORE_INDEX).all()
    assert data.sensor.bands == ("red", "green", "blue")
    with pytest.raises(DataError, match="No images with masks"):
        data.setup("fit")


def test_folds_may_start_anywhere_and_are_listed_without_choosing_one(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_csv(tmp_path / "folds.csv", [{"name": f"scene{n}_{i}", "fold": n + 1} for n in range(3) for i in range(2)])
    assert list(module(tmp_path).fold_numbers()) == [1, 2, 3]
    assert names(module(tmp_path, fold=3))["test"] == ["scene2_0", "scene2_1"]
    with pytest.raises(ConfigError, match=r"`fold=0`: there is no such fold; folds: \[1, 2, 3\]"):
        module(tmp_path).records("train")


def test_one_split_has_no_folds(tmp_path: Path) -> None:
    write_folder(tmp_path)
    splits = ["train", "train", "val", "val", "test", "test"]
    rows = [{"name": f"scene{i // 2}_{i % 2}", "split": split} for i, split in enumerate(splits)]
    write_csv(tmp_path / "split.csv", rows)
    assert list(module(tmp_path).fold_numbers()) == []


def test_the_pattern_names_scenes_where_the_folds_file_does_not(tmp_path: Path) -> None:
    write_images(tmp_path, ["a_0", "a_1", "b_0", "b_1", "c_0", "c_1"])
    rows = [{"name": f"{scene}_{i}", "fold": fold} for fold, scene in enumerate("abc") for i in range(2)]
    write_csv(tmp_path / "folds.csv", rows)
    data = module(tmp_path, scene_pattern="([abc])_", val_fold=None)
    assert [data.scene_of(record) for record in data.records("train")] == ["b", "b", "c", "c"]
    rows[1]["fold"] = 1
    write_csv(tmp_path / "folds.csv", rows)
    with pytest.raises(LeakError, match=r"The scene 'a' lies in folds \[0, 1\]"):
        module(tmp_path, scene_pattern="([abc])_").records("train")


def test_prediction_goes_over_the_test_split(tmp_path: Path) -> None:
    data = module(write_folder(tmp_path), fold=2)
    data.setup("predict")
    assert {name for batch in data.predict_dataloader() for name in batch["scene"]} == {
        "scene2_0",
        "scene2_1",
    }


def test_inner_validation_takes_a_scene_of_the_folds_file(tmp_path: Path) -> None:
    root = write_folder(tmp_path, scenes=4)
    data = module(root, fold=1, val_fold=None, inner_val=0.3)
    found = names(data)
    assert found["test"] == ["scene1_0", "scene1_1"]
    assert len(found["val"]) == 2
    assert len({name[:6] for name in found["val"]}) == 1
    assert sorted(found["train"] + found["val"]) == [f"scene{s}_{part}" for s in (0, 2, 3) for part in (0, 1)]
    assert list(data.fold_numbers()) == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="`val_fold: null`"):
        names(module(root, fold=1, inner_val=0.3))
