"""OpenEarthMap: its lists and regions, its official score, and what is said when something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from hqzoo.cli import main
from hqzoo.data import IGNORE_INDEX, OpenEarthMapDataModule
from hqzoo.data.checks.inspection import inspect, recognise
from hqzoo.data.files.readers import read_header
from hqzoo.errors import ConfigError, DataError, LeakError
from hqzoo.tasks.metrics import SegmentationMetrics
from tests.fixtures.folder import write_tiff
from tests.fixtures.landcoverai import write_landcoverai
from tests.fixtures.openearthmap import LISTS, SIZES, scene, write_openearthmap

RECIPE = Path(__file__).parents[3] / "recipes/hq_unet/openearthmap.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_openearthmap(tmp_path / "oem")


def prepared(root: Path, **options: object) -> OpenEarthMapDataModule:
    data = OpenEarthMapDataModule(str(root), **{"crop_size": 32, "batch_size": 2, **options})  # type: ignore[arg-type]
    data.setup()
    return data


def names(data: OpenEarthMapDataModule, split: str) -> list[str]:
    return [record.name for record in data.records(split)]  # type: ignore[arg-type]


def test_val_is_scored_and_nothing_is_chosen_on_it(root: Path) -> None:
    data = prepared(root)
    assert [names(data, split) for split in ("train", "val", "test")] == [LISTS["train"], [], LISTS["val"]]
    assert data.val_dataloader() == []


def test_best_epoch_may_be_chosen_on_whole_regions_of_training(root: Path) -> None:
    data = prepared(root, inner_val=0.3)
    regions = [{data.scene_of(record) for record in data.records(split)} for split in ("train", "val")]
    assert not regions[0] & regions[1]
    assert set.union(*regions) == {"aachen", "al_qurnah", "kujawsko-pomorskie"}
    assert names(data, "test") == LISTS["val"]


def test_official_test_where_its_labels_are_known(tmp_path: Path) -> None:
    data = prepared(write_openearthmap(tmp_path, hidden=False), scored="test")
    assert [names(data, split) for split in ("train", "val", "test")] == list(LISTS.values())


def test_hidden_labels_are_refused_by_name_but_predicted(root: Path) -> None:
    data = OpenEarthMapDataModule(str(root), scored="test", crop_size=32)
    with pytest.raises(DataError, match=r"1 of 1 images .* al_qurnah_9\. .* `scored: val`"):
        data.setup("test")
    data.setup("predict")
    (batch,) = [each for each in data.predict_dataloader() if each["scene"][0] == "al_qurnah_9"][:1]
    assert (batch["mask"] == IGNORE_INDEX).all()


def test_images_of_any_size_and_labels_arrive_as_written(root: Path) -> None:
    data = prepared(root)
    for split in ("train", "test"):
        for record in data.records(split):  # type: ignore[arg-type]
            image, mask = record.read()
            expected, label = scene(record.name)
            assert (record.height, record.width) == SIZES[record.name]
            assert np.array_equal(image, expected)
            assert np.array_equal(mask, np.where(label == 0, IGNORE_INDEX, label - 1))  # type: ignore[arg-type]


def test_miou_is_the_mean_over_the_classes_1_to_8_of_known_pixels(root: Path) -> None:
    """Counted anew from the labels' own values, with 0 for unknown."""
    data = prepared(root)
    rng, metrics = np.random.default_rng(0), SegmentationMetrics(8)
    hits, unions = np.zeros(9), np.zeros(9)
    for record in data.records("test"):
        _, label = scene(record.name)
        predicted = np.where(rng.random(label.shape) < 0.7, np.maximum(label, 1), rng.integers(1, 9, label.shape))
        _, mask = record.read()
        metrics.update(torch.from_numpy(predicted - 1)[None].long(), torch.from_numpy(mask)[None].long())
        for value in range(1, 9):
            ours, truth = (predicted == value) & (label != 0), label == value
            hits[value] += (ours & truth).sum()
            unions[value] += (ours | truth).sum()
    assert metrics.report(data.targets.classes)["miou"] == pytest.approx((hits[1:] / unions[1:]).mean())


def test_bands_that_name_themselves_are_brought_into_order(root: Path) -> None:
    image, _ = scene("aachen_1")
    write_tiff(root / "aachen/images/aachen_1.tif", image[::-1].copy(), ("blue", "green", "red"))
    assert np.array_equal(prepared(root).records("train")[0].read()[0], image)
    write_tiff(root / "aachen/images/aachen_1.tif", image, ("nir", "red", "green"))
    with pytest.raises(DataError, match=r"aachen_1\.tif has the bands nir, red, green"):
        prepared(root)


@pytest.mark.real_data
def test_a_published_tile_is_red_first(real_data: Path) -> None:
    """What the file says, and what it shows: dry ground, ochre, is brightest in red and darkest in blue."""
    path = real_data / "openearthmap_unlabelled" / "adelaide_2.tif"
    with rasterio.open(path) as tile:
        assert [colour.name for colour in tile.colorinterp] == ["red", "green", "blue"]
        red, green, blue = tile.read().astype(float)
    assert read_header(path).bands == ("red", "green", "blue")
    assert red.mean() > green.mean() > blue.mean()
    assert ((red > green) & (green > blue)).mean() > 0.9


# Something is missing or wrong


def test_absent_images_are_named_or_left_out(root: Path) -> None:
    (root / "aachen/images/aachen_12.tif").unlink()
    (root / "aachen/images/aachen_7.tif").unlink()
    with pytest.raises(DataError, match=r"2 of 7 images .*: aachen_12, aachen_7\. .*`xbd: false`"):
        prepared(root)
    with pytest.warns(UserWarning, match=r"2 of 7 listed images are not .*: aachen_12, aachen_7"):
        data = prepared(root, xbd=False)
    assert names(data, "train") == [name for name in LISTS["train"] if name != "aachen_12"]
    assert names(data, "test") == ["al_qurnah_8"]


def test_the_archives_table_says_which_images_come_from_xbd(root: Path) -> None:
    (root / "xbd_files.csv").write_text("guatemala-volcano_00000003_post_disaster.png,aachen_12.tif\n")
    (root / "aachen/images/aachen_12.tif").unlink()
    data = prepared(root, xbd=False)
    assert names(data, "train") == [name for name in LISTS["train"] if name != "aachen_12"]
    (root / "aachen/images/aachen_7.tif").unlink()
    with pytest.raises(DataError, match=r"1 of 6 images of the lists are not in .*: aachen_7"):
        prepared(root, xbd=False)
    (root / "xbd_files.csv").write_text("aachen_12.tif\n")
    with pytest.raises(DataError, match=r"expected <file of xBD>,<file of OpenEarthMap>"):
        prepared(root, xbd=False)


def test_missing_region_is_named(root: Path) -> None:
    shutil.rmtree(root / "al_qurnah")
    with pytest.raises(DataError, match=r"1 region\(s\) have no folder `images` at all: al_qurnah\."):
        prepared(root)


def test_missing_list_is_named(root: Path) -> None:
    (root / "val.txt").unlink()
    with pytest.raises(DataError, match=r"Cannot read .*val\.txt"):
        prepared(root)


def test_name_without_region(root: Path) -> None:
    (root / "train.txt").write_text("aachen.tif\n")
    with pytest.raises(DataError, match=r"without a region: aachen\. Expected <region>_<number>\.tif"):
        prepared(root)


def test_name_in_two_lists(root: Path) -> None:
    (root / "test.txt").write_text("aachen_1.tif\n")
    with pytest.raises(LeakError, match="'aachen_1' is in the split 'train' as well"):
        prepared(root)


def test_training_image_without_label(root: Path) -> None:
    (root / "aachen/labels/aachen_1.tif").unlink()
    with pytest.raises(DataError, match=r"1 of 4 images .* to learn from have no label: aachen_1\."):
        prepared(root)


def test_wrong_class_value_is_named(root: Path) -> None:
    _, label = scene("aachen_1")
    label[0, 0] = 9
    write_tiff(root / "aachen/labels/aachen_1.tif", label[None])
    with pytest.raises(DataError, match=r"aachen_1\.tif holds values 9 \(1 pixels\) that are no class"):
        prepared(root).records("train")[0].read()


def test_label_of_another_place_or_size(root: Path) -> None:
    path = root / "aachen/labels/aachen_1.tif"
    with rasterio.open(path, "r+") as file:
        file.transform = file.transform @ file.transform.translation(3, 0)
    with pytest.raises(DataError, match=r"aachen_1\.tif lies on another grid .* 3 pixels apart"):
        prepared(root)
    write_tiff(path, scene("al_qurnah_3")[1][None])
    with pytest.raises(DataError, match=r"aachen_1\.tif has 96 x 70 pixels, but its image"):
        prepared(root)


def test_number_of_bands(root: Path) -> None:
    write_tiff(root / "aachen/images/aachen_1.tif", scene("aachen_1")[0][:1])
    with pytest.raises(DataError, match=r"aachen_1\.tif has 1 band\(s\); OpenEarthMap has 3"):
        prepared(root)


def test_unknown_list() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'test'"):
        OpenEarthMapDataModule(scored="tests")  # type: ignore[arg-type]


def test_layout_is_recognised_and_all_faults_are_told(root: Path, tmp_path: Path) -> None:
    assert recognise(root) is OpenEarthMapDataModule
    assert recognise(write_landcoverai(tmp_path / "landcoverai")) is not OpenEarthMapDataModule
    (root / "aachen/images/aachen_12.tif").unlink()
    (root / "aachen/labels/aachen_1.tif").unlink()
    found = inspect(lambda _: OpenEarthMapDataModule(str(root)))
    assert found.images == 5
    assert len(found.missing) == 2
    assert "aachen_12" in found.missing[0]
    assert "aachen_1." in found.missing[1]


def test_trained_and_tested_by_the_command_line(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["-c", str(RECIPE), "--data.init_args.root", str(root), "--data.init_args.num_workers", "0"]
    options += ["--data.init_args.batch_size", "2", "--data.init_args.crops_per_epoch", "4"]
    options += ["--model.init_args.architecture_args.width", "4", "--trainer.max_epochs", "1"]
    assert main(["fit", *options]) == 0
    assert main(["test", "-c", "runs/hq_unet/openearthmap/config.yaml"]) == 0
    run = tmp_path / "runs/hq_unet/openearthmap"
    assert (run / "test.json").exists()
    assert main(["predict", "-c", str(run / "config.yaml"), "--data.init_args.scored", "test"]) == 0
    assert [path.name for path in (run / "predictions").glob("*.tif")] == ["al_qurnah_9.tif"]
