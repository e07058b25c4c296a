"""BigEarthNet v1: partners, lists, labels of 43 and of 19 classes, and what is said of bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hqzoo.data import BigEarthNetV1DataModule
from hqzoo.data.checks.inspection import inspect, recognise
from hqzoo.data.paired.corine_classes import CLASSES_19, CLASSES_43
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.bigearthnet import pixels, s1_name, v1_name, write_v1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v1(tmp_path_factory.mktemp("v1") / "set")


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A copy of the data set, to be changed."""
    return Path(shutil.copytree(root, tmp_path / "set"))


def opened(root: Path, **options: Any) -> BigEarthNetV1DataModule:
    data = BigEarthNetV1DataModule(str(root), **{"batch_size": 1, **options})
    data.prepare_data()
    return data


def without_lists(root: Path) -> Path:
    for file in root.glob("*.csv"):
        file.unlink()
    return root


def classes(label: np.ndarray, known: Any) -> set[str]:
    return {list(known)[k] for k in np.flatnonzero(label)}


def test_lists_and_pixels(root: Path) -> None:
    data = opened(root)
    assert recognise(root) is BigEarthNetV1DataModule
    for number, split in enumerate(("train", "val", "test")):
        (record,) = data.records(split)  # type: ignore[arg-type]
        assert record.name == v1_name(number)
        found = record.arrays()
        assert np.array_equal(found["s1"], [pixels(number, "VV"), pixels(number, "VH")])
        assert np.array_equal(found["s2"][1], pixels(number, "B02"))


def test_labels_of_43_and_of_19_classes(root: Path) -> None:
    of_43, of_19 = opened(root, num_classes=43), opened(root)
    assert of_43.targets is not None
    assert of_43.targets.classes == tuple(CLASSES_43)
    assert of_43.targets.palette == ()
    wanted = {
        "train": ({"Non-irrigated arable land", "Airports"}, {"Arable land"}),
        "val": ({"Pastures", "Water bodies", "Water courses"}, {"Pastures", "Inland waters"}),
        "test": ({"Burnt areas"}, set()),
    }
    for split, (fine, coarse) in wanted.items():
        assert classes(of_43.records(split)[0].arrays()["label"], CLASSES_43) == fine  # type: ignore[arg-type]
        assert classes(of_19.records(split)[0].arrays()["label"], CLASSES_19) == coarse  # type: ignore[arg-type]


def test_labels_are_torchgeos(root: Path) -> None:
    from torchgeo.datasets import BigEarthNet

    for count in (19, 43):
        theirs = BigEarthNet(str(root), "val", num_classes=count)
        label = opened(root, num_classes=count).records("val")[0].arrays()["label"]
        assert np.array_equal(label, theirs[0]["label"].numpy())


def test_without_lists_partners_come_from_the_radar_patches(own: Path) -> None:
    without_lists(own)
    with pytest.raises(DataError, match=r"in no split, for the published lists bigearthnet-train\.csv.*`val_share`"):
        opened(own).records("train")
    data = opened(own, test_share=0.4)
    found = [record for split in ("train", "test") for record in data.records(split)]  # type: ignore[arg-type]
    assert sorted(record.name for record in found) == [v1_name(0), v1_name(2), v1_name(1)]
    for record in found:
        number = int(record.name.rsplit("_")[-1])
        assert np.array_equal(record.arrays()["s1"][0], pixels(number, "VV"))
    assert inspect(lambda fold: opened(own)).images == 3  # looked at all the same


def test_partnerless_and_flagged_patches_without_lists(own: Path) -> None:
    without_lists(own)
    shutil.rmtree(own / "BigEarthNet-S1-v1.0" / s1_name(1))
    (own / "patches_with_seasonal_snow.csv").write_text(f"{v1_name(2)}\n")
    names = {pair.record.name: pair.record.absent for pair in opened(own).find_pairs()}
    assert names == {v1_name(0): "", v1_name(1): "no Sentinel-1 patch"}
    assert {pair.record.name for pair in opened(own, snow=True).find_pairs()} == {v1_name(n) for n in range(3)}
    assert len(opened(own, sensors=["s1"]).find_pairs()) == 2


def test_missing_or_malformed_labels(own: Path) -> None:
    name = v1_name(0)
    file = own / "BigEarthNet-v1.0" / name / f"{name}_labels_metadata.json"
    file.write_text(json.dumps({"labels": ["Airport"]}))
    with pytest.raises(DataError, match="Airport"):
        opened(own, num_classes=43).records("train")[0].arrays()
    file.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        opened(own).records("train")[0].arrays()
    file.unlink()
    with pytest.raises(DataError, match=f"label file of a patch is missing: .*{name}"):
        opened(own).records("train")[0].arrays()
    assert set(opened(own, labels="none").records("train")[0].arrays()) == {"s2", "s1"}


def test_lists_that_are_not_all_there_or_malformed(own: Path) -> None:
    (own / "bigearthnet-val.csv").unlink()
    with pytest.raises(DataError, match=r"lists of train, test, but lacks bigearthnet-val\.csv"):
        opened(own).records("train")
    (own / "bigearthnet-val.csv").write_text("one name alone\n")
    with pytest.raises(DataError, match=r"bigearthnet-val\.csv, line 1: expected 'S2 name,S1 name'"):
        opened(own).records("train")
    shutil.rmtree(own / "BigEarthNet-S1-v1.0")
    with pytest.raises(DataError, match=r"lacks BigEarthNet-S1-v1\.0"):
        opened(own).records("train")
    with pytest.raises(ConfigError, match="19 or with 43"):
        _ = opened(own, num_classes=20).targets


@pytest.mark.real_data
def test_real_pairs(real_data: Path) -> None:
    data = opened(real_data / "bigearthnet_v1", val_share=0.25, test_share=0.25, num_classes=43)
    found = [data.records(split)[0] for split in ("train", "val", "test")]  # type: ignore[arg-type]
    for record in found:
        arrays = record.arrays()
        assert arrays["s1"].dtype == np.float32
        assert arrays["s1"][0].mean() > arrays["s1"][1].mean()  # VV is brighter than VH
        assert arrays["label"].sum() > 0
        assert arrays["s2"].min() > 0


@pytest.mark.real_data
def test_torchgeos_own_fixtures(real_data: Path) -> None:
    """Files whose names differ from their folder's are found by their ends."""
    data = opened(real_data / "torchgeo_fixtures" / "bigearthnet" / "v1")
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [2, 1, 1]  # type: ignore[arg-type]
    assert next(iter(data.test_dataloader()))["s1"].shape == (1, 2, 120, 120)
