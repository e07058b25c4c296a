"""SeasoNet: TorchGeo's index, bands by their names, padding that counts nothing, and what is said of bad input."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import ListedColormap

from hqzoo.cli import main
from hqzoo.data import IGNORE_INDEX, SeasoNetDataModule
from hqzoo.data.checks.inspection import inspect, recognise
from hqzoo.data.sets.seasonet import CLASSES
from hqzoo.data.sets.seasonet_patches import BANDS
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.seasonet import SEASONS, patch_name, pixels, write_patch_file, write_seasonet

RECIPE = Path(__file__).parents[3] / "recipes/hq_unet/seasonet.yaml"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_seasonet(tmp_path_factory.mktemp("seasonet") / "set")


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A copy of the data set, to be changed."""
    return Path(shutil.copytree(root, tmp_path / "set"))


def prepared(root: Path, **options: Any) -> SeasoNetDataModule:
    data = SeasoNetDataModule(str(root), batch_size=2, **options)
    data.prepare_data()
    data.setup()
    return data


def file_of(root: Path, part: str, season: str = "spring", location: int = 0) -> Path:
    name = patch_name(season, 1, location)
    return root / season / "grid1" / name / f"{name}_{part}.tif"


def test_classes_and_colours_are_those_of_torchgeo() -> None:
    from torchgeo.datasets import SeasoNet

    assert tuple(CLASSES) == SeasoNet.classes
    table = SeasoNet.cmap
    colours = np.rint(table.colors * 255) if isinstance(table, ListedColormap) else [table[k] for k in range(33)]
    assert list(CLASSES.values()) == [tuple(map(int, colour[:3])) for colour in colours]
    assert {group: len(bands) for group, bands in BANDS.items()} == SeasoNet.band_nums


def test_first_grid_of_all_seasons_by_default(root: Path) -> None:
    data = prepared(root)
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [10, 5, 5]  # type: ignore[arg-type]
    names = {record.name for record in data.records("test")}
    assert names == {f"{season}_grid1_{patch_name(season, 1, 3)}" for season in SEASONS}
    assert data.sensor.bands == ("B04", "B03", "B02")
    assert {data.scene_of(record) for record in data.records("test")} == {"53_928423_1_503876"}


def test_chosen_seasons_and_grids(root: Path) -> None:
    data = prepared(root, seasons=["winter", "snow"], grids=[1, 2])
    parts = {tuple(record.name.split("_")[:2]) for record in data.records("train")}
    assert parts == {(season, grid) for season in ("winter", "snow") for grid in ("grid1", "grid2")}
    assert len(data.records("train")) == 8


def test_only_the_chosen_seasons_need_to_be_there(tmp_path: Path) -> None:
    root = write_seasonet(tmp_path / "set", seasons=("fall",))
    assert len(prepared(root, seasons=["fall"]).records("train")) == 2
    with pytest.raises(DataError, match=r"Of the seasons spring, fall, spring are missing\..*choose other `seasons`"):
        prepared(root, seasons=["spring", "fall"])


def test_bands_by_their_names_in_the_order_wanted(root: Path) -> None:
    data = prepared(root, seasons=["spring"], bands=["B08", "B03", "B04"])
    image, mask = data.records("train")[0].read()
    red, green, _ = pixels("spring", 1, 0, "10m_RGB")
    assert np.array_equal(image, [pixels("spring", 1, 0, "10m_IR")[0], green, red])
    assert np.array_equal(mask, pixels("spring", 1, 0, "labels")[0] - 1)  # type: ignore[arg-type]


def test_all_bands_are_those_that_torchgeo_reads(root: Path) -> None:
    """Its own reader as the oracle: seasons, order, resampling, labels."""
    from torchgeo.datasets import SeasoNet

    data = prepared(root, bands=list(BANDS), grids=[1, 2])
    theirs = SeasoNet(str(root), "val")
    assert data.sensor.bands == tuple(band for bands in BANDS.values() for band in bands)
    for record, sample in zip(data.records("val"), theirs, strict=True):
        image, mask = record.read()
        expected = sample["image"].numpy().reshape(12, 120, 120)
        assert np.array_equal(image, expected)
        assert np.array_equal(mask, sample["mask"].numpy())  # type: ignore[arg-type]


@pytest.mark.real_data
def test_torchgeos_own_fixtures(real_data: Path) -> None:
    data = prepared(real_data / "torchgeo_fixtures" / "seasonet", bands=["20m", "B09"])
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [5, 5, 5]  # type: ignore[arg-type]
    batch = next(iter(data.test_dataloader()))
    assert batch["image"].shape == (2, 7, 128, 128)


def test_padding_counts_nothing(root: Path) -> None:
    data = prepared(root, seasons=["summer"])
    crop = next(iter(data.train_dataloader()))
    assert crop["image"].shape == (2, 3, 128, 128)
    assert (crop["mask"] != IGNORE_INDEX).sum((1, 2)).tolist() == [120 * 120] * 2  # wherever symmetries put it
    (window,) = data.test_dataloader()
    assert (window["mask"][:, :120, :120] != IGNORE_INDEX).all()
    assert (window["mask"][:, 120:] == IGNORE_INDEX).all()
    assert (window["mask"][:, :, 120:] == IGNORE_INDEX).all()
    assert len(data.train_dataloader().dataset) == len(data.records("train"))  # type: ignore[arg-type]


def test_statistics_are_those_of_the_training_patches(root: Path, tmp_path: Path) -> None:
    data = prepared(root, seasons=["spring", "fall"], bands=["B08"], statistics_folder=str(tmp_path))
    values = np.stack([pixels(season, 1, place, "10m_IR") for season in ("spring", "fall") for place in (0, 1)])
    np.testing.assert_allclose(data.statistics["image"].mean, values.mean(), rtol=1e-12)
    np.testing.assert_allclose(data.statistics["image"].std, values.std(), rtol=1e-12)
    (stored,) = tmp_path.glob("SeasoNet_B08_*.json")
    assert prepared(root, seasons=["spring", "fall"], bands=["B08"]).statistics == data.statistics
    assert stored.stat().st_size


def test_archives_are_unpacked(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "meta.csv", tmp_path)
    for part in ("splits", "snow"):
        with zipfile.ZipFile(tmp_path / f"{part}.zip", "w") as archive:
            for file in (root / part).rglob("*"):
                archive.write(file, file.relative_to(root))
    data = SeasoNetDataModule(str(tmp_path), seasons=["snow"])
    with pytest.raises(DataError, match=r"lacks splits, snow of SeasoNet.*Call `prepare_data\(\)` first"):
        data.setup()
    data.prepare_data()
    assert len(data.records("train")) == 2


# Something is missing or wrong


def test_missing_folder_list_or_table(own: Path) -> None:
    (own / "splits" / "val.csv").unlink()
    with pytest.raises(DataError, match=r"The list of the split 'val' is missing: .*val\.csv"):
        prepared(own)
    (own / "meta.csv").unlink()
    with pytest.raises(DataError, match=r"lacks meta\.csv of SeasoNet\..*`download: true`"):
        prepared(own)


def test_list_that_names_absent_patches(own: Path) -> None:
    shutil.rmtree(file_of(own, "labels", "snow").parent)
    with pytest.raises(DataError, match=r"1 of 10 patches of .*train\.csv are not in .*snow/grid1/32UME"):
        prepared(own)
    (own / "splits" / "train.csv").write_text("0\n999\n")
    with pytest.raises(DataError, match=r"train\.csv names patches beyond the last line of .*meta\.csv"):
        prepared(own)


def test_missing_file_of_a_patch(own: Path) -> None:
    file_of(own, "10m_IR").unlink()
    with pytest.raises(DataError, match=r"_10m_IR\.tif does not exist"):
        prepared(own, bands=["B08"]).records("train")[0].read()


def test_wrong_class_values(own: Path) -> None:
    labels = pixels("spring", 1, 0, "labels")
    labels[0, 0, :2] = 0, 34
    write_patch_file(file_of(own, "labels"), labels)
    with pytest.raises(DataError, match=r"_labels\.tif holds values 0, 34 \(2 pixels\) that are no class"):
        prepared(own).records("train")[0].read()
    _, mask = prepared(own, ignore=[0, 34]).records("train")[0].read()
    assert mask[0, :2].tolist() == [IGNORE_INDEX] * 2  # type: ignore[index]


def test_labels_of_another_place(own: Path) -> None:
    write_patch_file(file_of(own, "labels"), pixels("spring", 1, 0, "labels"), 500_040)
    with pytest.raises(DataError, match=r"_labels\.tif lies on another grid .* 4 pixels apart"):
        prepared(own).records("train")[0].read()


def test_files_of_another_size(own: Path) -> None:
    write_patch_file(file_of(own, "20m"), pixels("spring", 1, 0, "20m")[:, :30, :30])
    with pytest.raises(DataError, match=r"_20m\.tif has 6 x 30 x 30 .*such a file of SeasoNet 6 x 60 x 60"):
        prepared(own, bands=["B11"]).records("train")[0].read()
    write_patch_file(file_of(own, "labels"), pixels("spring", 1, 0, "labels")[:, :60, :60])
    with pytest.raises(DataError, match=r"_labels\.tif has 1 x 60 x 60"):
        prepared(own).records("train")[0].read()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seasons": ["autumn"]}, "Unknown season of SeasoNet 'autumn'"),
        ({"seasons": []}, "`seasons` names one or more"),
        ({"grids": [0]}, "Unknown grid of SeasoNet '0'"),
        ({"bands": ["B10"]}, "Unknown band of SeasoNet 'B10'"),
        ({"bands": ["10m_RGB", "B04"]}, "`bands` names one or more"),
    ],
)
def test_unknown_choices(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SeasoNetDataModule(**options)


def test_layout_is_recognised_and_checked(own: Path) -> None:
    assert recognise(own) is SeasoNetDataModule
    shutil.rmtree(file_of(own, "labels", "snow").parent)
    found = inspect(lambda _: SeasoNetDataModule(str(own)))
    assert (found.images, found.masks) == (19, 19)
    assert any("1 of 10 patches" in sentence for sentence in found.missing)
    assert not any("share 1 scene" in leak for leak in found.leaks)


def test_trained_and_tested_by_the_command_line(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["-c", str(RECIPE), "--data.init_args.root", str(root), "--data.init_args.num_workers", "0"]
    options += ["--data.init_args.batch_size", "2", "--data.init_args.crops_per_epoch", "4"]
    options += ["--model.init_args.architecture_args.width", "4", "--trainer.max_epochs", "1"]
    assert main(["fit", *options]) == 0
    assert main(["test", "-c", "runs/hq_unet/seasonet/config.yaml"]) == 0
    assert (tmp_path / "runs/hq_unet/seasonet/test.json").exists()
