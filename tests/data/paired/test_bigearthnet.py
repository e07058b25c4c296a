"""BigEarthNet v2: what its files hold in the order and unit that is said, its table, and what is said of bad input."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hqzoo.cli import main
from hqzoo.data import BigEarthNetV2DataModule
from hqzoo.data.checks.inspection import inspect, recognise
from hqzoo.data.contents import FileDigests, content_of
from hqzoo.data.paired.corine_classes import CLASSES_19, CLASSES_43
from hqzoo.data.paired.sentinel import NATIVE_SIDES, S2_BANDS
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.bigearthnet import (
    LABELS,
    SIDES,
    pixels,
    s1_name,
    s2_name,
    v1_name,
    write_plane,
    write_table,
    write_v2,
)

FINE = ["B02", "B03", "B04", "B08"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("v2") / "set")


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A copy of the data set, to be changed."""
    return Path(shutil.copytree(root, tmp_path / "set"))


def opened(root: Path, **options: Any) -> BigEarthNetV2DataModule:
    data = BigEarthNetV2DataModule(str(root), **{"batch_size": 2, **options})
    data.prepare_data()
    return data


def band_file(root: Path, number: int, band: str) -> Path:
    name = s1_name(number) if band in ("VV", "VH") else s2_name(number)
    (file,) = root.rglob(f"{name}_{band}.tif")
    return file


def names(data: BigEarthNetV2DataModule, split: str) -> list[str]:
    return [record.name for record in data.records(split)]  # type: ignore[arg-type]


# What is read


def test_classes_colours_and_the_way_from_43_to_19_are_those_of_torchgeo() -> None:
    from torchgeo.datasets import BigEarthNet, BigEarthNetV2

    assert list(CLASSES_19) == BigEarthNet.class_sets[19] == BigEarthNetV2.class_set
    assert list(CLASSES_43) == BigEarthNet.class_sets[43]
    assert {n: to for n, to in enumerate(CLASSES_43.values()) if to is not None} == BigEarthNet.label_converter
    assert {name: "#{:02x}{:02x}{:02x}".format(*rgb) for name, rgb in CLASSES_19.items()} == BigEarthNetV2.clc_colors


def test_splits_are_those_of_the_table(root: Path) -> None:
    data = opened(root)
    assert names(data, "train") == [s2_name(n) for n in (0, 1, 2)]
    assert names(data, "val") == [s2_name(n) for n in (3, 4)]
    assert names(data, "test") == [s2_name(n) for n in (5, 6)]


def test_radar_keeps_its_decimals_and_has_vv_first(root: Path) -> None:
    """TorchGeo's reader is the counter-example: whole decibels, VH first."""
    from torchgeo.datasets import BigEarthNetV2

    data = opened(root)
    assert data.sensors["s1"].bands == ("VV", "VH")
    assert data.sensors["s1"].unit == "dB"
    for number, record in zip((0, 1, 2), data.records("train"), strict=True):
        image = record.arrays()["s1"]
        assert image.dtype == np.float32
        assert np.array_equal(image, [pixels(number, "VV"), pixels(number, "VH")])
    theirs = BigEarthNetV2.__new__(BigEarthNetV2)
    theirs.root, theirs.metadata_df = str(root), _table(root)
    wrong = theirs._load_image(0, "s1").numpy()
    assert np.array_equal(wrong[0], np.rint(pixels(0, "VH")))


def test_optical_bands_in_their_order_within_one_of_torchgeos(root: Path) -> None:
    from torchgeo.datasets import BigEarthNetV2

    theirs = BigEarthNetV2.__new__(BigEarthNetV2)
    theirs.root, theirs.metadata_df = str(root), _table(root)
    image = opened(root).records("train")[1].arrays()["s2"]
    expected = theirs._load_image(1, "s2").numpy()
    assert image.shape == expected.shape == (12, 120, 120)
    assert np.abs(image - expected).max() <= 1
    for band in FINE:
        assert np.array_equal(image[S2_BANDS.index(band)], pixels(1, band))


def _table(root: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(root / "metadata.parquet")


def test_coarse_bands_are_interpolated_about_pixel_centres(root: Path) -> None:
    """Independent implementation: torch's bilinear interpolation with half-pixel centres."""
    image = opened(root).records("train")[0].arrays()["s2"]
    for band in ("B01", "B05"):
        native = torch.from_numpy(pixels(0, band).astype(np.float64))[None, None]
        wanted = torch.nn.functional.interpolate(native, (120, 120), mode="bilinear", align_corners=False)[0, 0].numpy()
        assert np.abs(image[S2_BANDS.index(band)] - wanted).max() <= 0.5 + 1e-3


def test_native_planes_and_shapes_without_reading(root: Path) -> None:
    data = opened(root)
    record = data.records("train")[0]
    planes = record.native(record.layout.bands)
    assert {band: plane.shape for band, plane in planes.items()} == {b: (s, s) for b, s in NATIVE_SIDES.items()}
    assert all(plane.dtype == (np.float32 if band in ("VV", "VH") else np.uint16) for band, plane in planes.items())
    assert record.layout.shapes == data.sample_shapes() == {"s2": (12, 120, 120), "s1": (2, 120, 120)}
    assert {band: SIDES[band] for band in S2_BANDS} == {band: NATIVE_SIDES[band] for band in S2_BANDS}


def test_bands_by_name_in_the_order_wanted_and_one_sensor_alone(root: Path) -> None:
    data = opened(root, sensors=["s2"], bands=["B08", "B02"])
    assert set(data.sensors) == {"s2"}
    image = data.records("test")[0].arrays()["s2"]
    assert np.array_equal(image, [pixels(5, "B08"), pixels(5, "B02")])
    radar = opened(root, sensors=["s1"])
    assert set(radar.records("test")[0].arrays()) == {"s1", "label"}


def test_batches(root: Path) -> None:
    data = opened(root, bands=FINE, augment=False)
    batch = next(iter(data.train_dataloader()))
    assert {key: tuple(value.shape) for key, value in batch.items() if key != "name"} == {
        "s2": (2, 4, 120, 120), "s1": (2, 2, 120, 120), "label": (2, 19),
    }  # fmt: skip
    for name, label in zip(batch["name"], batch["label"], strict=True):
        wanted = LABELS[int(name[-2:])]
        assert [list(CLASSES_19)[k] for k in label.nonzero()[:, 0]] == sorted(wanted, key=list(CLASSES_19).index)
        assert label.dtype == torch.float32
    assert "label" not in next(iter(opened(root, labels="none").train_dataloader()))
    assert opened(root, labels="none").targets is None


def test_both_sensors_are_turned_alike(root: Path) -> None:
    data = opened(root, bands=["B02"], batch_size=1)
    turned = 0
    for batch in data.train_dataloader():
        number = int(batch["name"][0][-2:])
        optical, radar = pixels(number, "B02").astype(np.float32), pixels(number, "VV")
        for element in range(8):
            moved = _dihedral(optical, element)
            if np.array_equal(moved, batch["s2"][0, 0].numpy()):
                assert np.array_equal(_dihedral(radar, element), batch["s1"][0, 0].numpy())
                turned += 1
    assert turned == 3


def _dihedral(image: np.ndarray, element: int) -> np.ndarray:
    return np.rot90(image.T if element & 4 else image, element & 3)


def test_statistics_are_those_of_the_training_pairs(root: Path, tmp_path: Path) -> None:
    data = opened(root, bands=FINE, statistics_folder=str(tmp_path))
    for sensor, bands in (("s2", FINE), ("s1", ["VV", "VH"])):
        values = np.stack([[pixels(number, band) for band in bands] for number in (0, 1, 2)]).astype(np.float64)
        np.testing.assert_allclose(data.statistics[sensor].mean, values.mean((0, 2, 3)), rtol=1e-10)
        np.testing.assert_allclose(data.statistics[sensor].std, values.std((0, 2, 3)), rtol=1e-10)
    other = opened(root, bands=FINE[::-1], statistics_folder=str(tmp_path))
    np.testing.assert_allclose(other.statistics["s2"].mean, data.statistics["s2"].mean[::-1])
    assert len(list(tmp_path.glob("BigEarthNetV2DataModule_*.json"))) == 2


def test_table_as_csv_is_the_same(root: Path, tmp_path: Path) -> None:
    other = write_v2(tmp_path / "csv", table="csv")
    for split in ("train", "val", "test"):
        for one, two in zip(opened(root).records(split), opened(other).records(split), strict=True):
            assert (one.name, one.labels, one.aliases) == (two.name, two.labels, two.aliases)
    data = opened(root)
    assert data.fingerprint("test") == opened(other).fingerprint("test")
    assert data.contents == opened(other).contents
    assert content_of(data, FileDigests()) == content_of(opened(other), FileDigests())


@pytest.mark.parametrize(
    ("options", "trained"),
    [
        ({}, [0, 2]),
        ({"snow": True}, [0, 2, 1]),
        ({"cloud_or_shadow": True}, [0, 2]),
    ],
)
def test_flagged_patches(tmp_path: Path, options: dict[str, bool], trained: list[int]) -> None:
    root = write_v2(tmp_path / "set", flags={1: "seasonal_snow", 5: "cloud_or_shadow"})
    data = opened(root, **options)
    assert names(data, "train") == [s2_name(number) for number in trained]
    assert (s2_name(5) in names(data, "test")) == options.get("cloud_or_shadow", False)


def test_flags_in_the_main_table_count_as_well(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set", flags={1: "seasonal_snow"})
    flagged = root / "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
    rows = _table(root).to_dict("records") + _read(flagged)
    flagged.unlink()
    write_table(root / "metadata.parquet", rows)
    assert s2_name(1) not in names(opened(root), "train")
    assert s2_name(1) in names(opened(root, snow=True), "train")


def _read(file: Path) -> list[dict]:
    from pyarrow.parquet import read_table

    return read_table(file).to_pylist()


def test_wanted_flags_that_no_table_has(root: Path) -> None:
    with pytest.raises(DataError, match="metadata_for_patches_with_snow_cloud_or_shadow"):
        opened(root, snow=True).records("train")


# Splits of one's own


def test_split_file_and_drawn_splits(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.csv"
    file.write_text(f"name,split\n{s2_name(6)},train\n{s2_name(0)},test\n")
    data = opened(root, split_file=str(file))
    assert (names(data, "train"), names(data, "val"), names(data, "test")) == ([s2_name(6)], [], [s2_name(0)])
    file.write_text("name,split\nnobody,train\n")
    with pytest.raises(DataError, match="nobody"):
        opened(root, split_file=str(file)).records("train")


def test_draws_keep_acquisitions_together(root: Path) -> None:
    data = opened(root, test_share=0.4, draw_seed=1)
    days = {split: {name[:40] for name in names(data, split)} for split in ("train", "test")}
    assert not days["train"] & days["test"]
    assert len(names(data, "train")) + len(names(data, "test")) == 7
    with pytest.raises(ConfigError, match="val_share"):
        opened(root, test_share=0.6, val_share=0.5)


# Bad input


def test_missing_partner(own: Path) -> None:
    shutil.rmtree(band_file(own, 1, "VV").parent)
    with pytest.raises(DataError, match=rf"1 of 3 pairs .*{s2_name(1)} \(no Sentinel-1 patch\).*on_bad: skip"):
        opened(own).records("train")
    data = opened(own, on_bad="skip")
    with pytest.warns(UserWarning, match="1 of 3 pairs of the split 'train' are skipped"):
        assert names(data, "train") == [s2_name(0), s2_name(2)]
    assert data.skipped["train"] == {s2_name(1): "no Sentinel-1 patch"}
    assert len(opened(own, sensors=["s2"]).records("train")) == 3


def _spoil(root: Path, number: int, band: str, how: str) -> str:
    file = band_file(root, number, band)
    values = pixels(number, band)
    if how == "nan":
        values[3, 7] = np.nan
    elif how == "zero":
        values[:] = 0
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:200])
    elif how == "gone":
        file.unlink()
    else:
        write_plane(file, values)
    return {"nan": "no finite", "zero": "0 everywhere", "truncated": "damaged", "gone": f"lacks {band}"}[how]


@pytest.mark.parametrize(("band", "how"), [("VH", "nan"), ("B11", "zero"), ("B03", "truncated"), ("B8A", "gone")])
def test_pair_that_is_no_image(own: Path, tmp_path: Path, band: str, how: str) -> None:
    told = _spoil(own, 2, band, how)
    with pytest.raises(DataError, match=told):
        opened(own).records("train")[2].arrays()
    kept = tmp_path / "kept"
    for _ in range(2):  # found, then kept
        data = opened(own, on_bad="skip", statistics_folder=str(kept))
        with pytest.warns(UserWarning, match=rf"1 of 3 .*{told}"):
            assert names(data, "train") == [s2_name(0), s2_name(1)]
    assert s2_name(2) in json.loads(next(kept.glob("faults_*.json")).read_text())["faults"]


def test_nothing_is_skipped_or_said_where_all_is_well(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = opened(root, on_bad="skip")
        assert len(data.records("train")) == 3
    assert data.skipped == {"train": {}}


def test_missing_table_folder_or_column(own: Path) -> None:
    table = own / "metadata.parquet"
    rows = _read(table)
    table.write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match="no Parquet file"):
        opened(own).records("train")
    write_table(table, [{k: v for k, v in row.items() if k != "s1_name"} for row in rows])
    with pytest.raises(DataError, match=r"lacks the column\(s\) s1_name"):
        opened(own).records("train")
    write_table(table, [{k: v for k, v in row.items() if k != "labels"} for row in rows])
    with pytest.raises(DataError, match=r"7 of 7 pairs have no labels.*labels: none"):
        opened(own).records("train")
    assert np.isnan(opened(own, labels="known").records("train")[0].arrays()["label"]).all()
    assert len(opened(own, labels="none").records("train")) == 3
    write_table(table, [{**row, "labels": ["Arabel land"]} for row in rows])
    with pytest.raises(DataError, match=r"Arabel land.*Arable land"):
        opened(own).records("train")
    write_table(table, [*rows, rows[0]])
    with pytest.raises(DataError, match=f"stand there twice: {s2_name(0)}"):
        opened(own).records("train")
    table.unlink()
    with pytest.raises(DataError, match=r"lacks metadata\.parquet"):
        opened(own).records("train")
    shutil.rmtree(own / "BigEarthNet-S1")
    with pytest.raises(DataError, match=r"lacks BigEarthNet-S1, metadata\.parquet"):
        opened(own).records("train")


def test_parquet_without_its_package(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"hqzoo\[bigearthnet\].*metadata\.csv"):
        opened(root).records("train")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sensors": ["s3"]}, "s3"),
        ({"bands": ["B10"]}, "B10"),
        ({"bands": ["B02", "B02"]}, "each once"),
        ({"sensors": ["s1"], "bands": ["B02"]}, "does not have s2"),
        ({"labels": "all"}, "`labels` is one of"),
        ({"on_bad": "ignore"}, "`on_bad` is one of"),
    ],
)
def test_arguments_that_make_no_sense(root: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        opened(root, **options)


# Data check


def test_folder_is_recognised_and_clean_but_for_classes(root: Path) -> None:
    assert recognise(root) is BigEarthNetV2DataModule
    found = inspect(lambda fold: opened(root))
    assert (found.images, found.splits[None]) == (7, {"train": 3, "val": 2, "test": 2})
    assert not found.leaks
    assert [sentence for sentence in found.missing if "has class" not in sentence] == []


def test_ground_that_two_splits_share_is_told(own: Path) -> None:
    write_plane(band_file(own, 6, "B02"), pixels(6, "B02"), 500_000)  # where patch 0 lies
    (leak,) = inspect(lambda fold: opened(own)).leaks
    assert "share ground" in leak
    assert s2_name(0) in leak


def test_cli_check_tells_what_another_data_set_holds_out(root: Path, tmp_path: Path, capsys: Any) -> None:
    held = {"train": [v1_name(1)], "valid": [v1_name(0)], "test": [v1_name(5), v1_name(3)]}
    (tmp_path / "default_partition.json").write_text(json.dumps(held))
    report = tmp_path / "report.json"
    code = main(["data", "check", str(root), "--against", str(tmp_path), "--json", str(report)])
    assert code == 1
    (leak,) = json.loads(report.read_text())["leaks"]
    assert "2 of 5 images to train on are held out" in leak
    assert f"{s2_name(0)} (validation)" in leak
    assert f"{s2_name(3)} (test)" in leak
    capsys.readouterr()


# Real files


@pytest.mark.real_data
def test_real_pairs_in_the_layout_of_the_archive(real_data: Path) -> None:
    data = opened(real_data / "bigearthnet_v2" / "archive_layout", batch_size=4)
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [8, 4, 4]  # type: ignore[arg-type]
    statistics = data.statistics
    vv, vh = statistics["s1"].mean
    assert -14 < vv < -8
    assert -22 < vh < -14
    of = dict(zip(S2_BANDS, statistics["s2"].mean, strict=True))
    assert of["B01"] < of["B04"] < of["B8A"] > of["B12"]  # vegetation
    assert statistics["s2"].mean[0] < 1000  # no offset of processing baseline 04.00
    batch = next(iter(data.train_dataloader()))
    assert batch["s2"].shape == (4, 12, 120, 120)
    assert (batch["s1"] != batch["s1"].round()).any()
    assert recognise(real_data / "bigearthnet_v2" / "archive_layout") is BigEarthNetV2DataModule


@pytest.mark.real_data
def test_torchgeos_own_fixtures(real_data: Path) -> None:
    data = opened(real_data / "torchgeo_fixtures" / "bigearthnet" / "v2")
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [2, 1, 1]  # type: ignore[arg-type]
    assert next(iter(data.test_dataloader()))["s2"].shape == (1, 12, 120, 120)
