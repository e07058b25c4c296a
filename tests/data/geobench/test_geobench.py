"""GEO-Bench v1: the benchmark's layout, bands by name and by what they hold, and what is said of bad input."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import sys
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from hqzoo.cli import main
from hqzoo.data import IGNORE_INDEX, GeoBenchDataModule
from hqzoo.data.checks.inspection import inspect, recognise
from hqzoo.data.geobench.bands import Measured, claimed, find_order, map_bands
from hqzoo.data.geobench.sets import SETS
from hqzoo.errors import ConfigError, DataError, LeakError
from tests.data.geobench.test_plain_pickle import Runs
from tests.fixtures.geobench import (
    MEANS,
    RADAR,
    STANDARD,
    THIRTEEN,
    held,
    label_of,
    plane,
    write_geobench,
    write_sample,
    write_statistics,
)

COUNTS = (6, 2, 2)
# Means of the published files, as torchgeo-bench measured them.
PUBLISHED = {
    "m-eurosat": (1360, 1126, 1055, 957, 1220, 2052, 2434, 2360, 751.2, 12.29, 1848.9, 1131.3, 2665.4),
    "m-brick-kiln": (572, 669, 880, 808, 1128, 1961, 2076, 2039, 1625.5, 1135.6, 82.5, 89.9, 68.5),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("geobench")
    for name in SETS:
        write_geobench(base, name, COUNTS, label_stats=name == "m-bigearthnet")
    return base


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A copy of m-eurosat, to be changed."""
    return Path(shutil.copytree(root / "m-eurosat", tmp_path / "m-eurosat"))


def prepared(folder: Path, **options: Any) -> GeoBenchDataModule:
    data = GeoBenchDataModule(str(folder), batch_size=2, **{"augment": False, **options})
    data.setup()
    return data


def every_test_sample(data: GeoBenchDataModule) -> list[dict[str, Any]]:
    samples = data.test_dataloader().dataset
    return [samples[index] for index in range(len(samples))]


@pytest.mark.parametrize("name", SETS)
def test_samples_are_what_the_arrays_hold(name: str, root: Path) -> None:
    data = prepared(root / name)
    assert [len(data.records(split)) for split in ("train", "val", "test")] == list(COUNTS)
    assert recognise(root / name) is GeoBenchDataModule
    bands, kind = data.sensors["image"].bands, SETS[name].kind
    assert bands == tuple(band for band in STANDARD if band in held(name).values())
    factor = 1e4 if name == "m-so2sat" else 1
    for sample in every_test_sample(data):
        number = int(sample["name"][3:])
        expected = np.stack([plane(name, number, band, 16) for band in bands]).astype(np.float32) * np.float32(factor)
        np.testing.assert_array_equal(sample["image"], expected)
        truth, target = label_of(name, number, 16), sample["mask" if kind == "mask" else "label"]
        np.testing.assert_array_equal(target, truth)
        assert target.dtype == (torch.float32 if kind == "multilabel" else torch.int64)
    assert data.targets.kind == kind
    assert len(data.targets.classes) == {"m-bigearthnet": 43, **{key: len(SETS[key].classes) for key in SETS}}[name]
    assert next(iter(data.train_dataloader()))["image"].shape == (2, len(bands), 16, 16)


@pytest.mark.parametrize("name", SETS)
def test_statistics_are_those_of_the_file_or_measured(name: str, root: Path) -> None:
    data, factor = prepared(root / name), 1e4 if name == "m-so2sat" else 1
    stated = json.loads((root / name / "band_stats.json").read_text())
    key_of = {band: key for key, band in held(name).items()}
    for value, found in zip(
        ("mean", "std"), (data.statistics["image"].mean, data.statistics["image"].std), strict=True
    ):
        expected = [stated[key_of[band]][value] * factor for band in data.sensors["image"].bands]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    measured = prepared(root / name, band_stats=False).statistics["image"]
    pixels = [
        np.stack([plane(name, number, band, 16) for number in range(6)]).astype(np.float32) * np.float32(factor)
        for band in data.sensors["image"].bands
    ]
    np.testing.assert_allclose(measured.mean, [each.mean(dtype=float) for each in pixels], rtol=1e-6)


def test_partitions_of_every_size(root: Path) -> None:
    tested = {record.name for record in prepared(root / "m-eurosat").records("test")}
    for partition, count in {"0.01x_train": 1, "0.50x_train": 3, "1.00x_train": 6}.items():
        data = prepared(root / "m-eurosat", partition=partition)
        assert len(data.records("train")) == count
        assert {record.name for record in data.records("test")} == tested
    with pytest.raises(ConfigError, match=r"Unknown partition in .*'0.5x_train'. Did you mean '0.50x_train'"):
        prepared(root / "m-eurosat", partition="0.5x_train")


@pytest.mark.parametrize("name", ["m-eurosat", "m-brick-kiln"])
def test_names_that_are_not_true(name: str, root: Path) -> None:
    by_name = prepared(root / name, band_map="by_name")
    assert by_name.sensors["image"].bands == STANDARD
    (sample, *_) = every_test_sample(by_name)
    number = int(sample["name"][3:])
    np.testing.assert_array_equal(sample["image"], [plane(name, number, held(name)[key], 16) for key in THIRTEEN])
    assert any("published, faulty order" in note and "called what the files say" in note for note in by_name.notes())
    true = prepared(root / name, band_map=True)  # as YAML reads `band_map: true`
    assert any("published, faulty order" in note and "called what they hold" in note for note in true.notes())
    assert true.fingerprint("test") == by_name.fingerprint("test")  # the same images, to be compared in pairs


@pytest.mark.parametrize("name", ["m-eurosat", "m-brick-kiln"])
@pytest.mark.parametrize("band_map", ["true", "by_name"])
def test_mended_files_are_told_from_published_ones(name: str, band_map: str, tmp_path: Path) -> None:
    data = prepared(write_geobench(tmp_path, name, COUNTS, order="mended"), band_map=band_map)
    assert data.sensors["image"].bands == STANDARD
    (sample, *_) = every_test_sample(data)
    expected = [plane(name, int(sample["name"][3:]), band, 16) for band in STANDARD]
    np.testing.assert_array_equal(sample["image"], expected)
    assert any("are mended" in note for note in data.notes())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_means_tell_their_order(name: str) -> None:
    means = dict(zip(STANDARD, PUBLISHED[name], strict=True))
    assert find_order(means, SETS[name].faulty, SETS[name].darker) == "published"
    truth = {SETS[name].faulty.get(band, band): mean for band, mean in means.items()}
    mended = {band: mean for band, mean in truth.items() if not band.startswith("TCI")}
    assert find_order(mended, SETS[name].faulty, SETS[name].darker) == "mended"


@pytest.mark.parametrize(("name", "first", "published", "mended"), [("m-eurosat", 8, 1, 1), ("m-brick-kiln", 5, 6, 0)])
def test_no_other_order_is_taken_for_one(name: str, first: int, published: int, mended: int) -> None:
    means, known = PUBLISHED[name], SETS[name]
    found = Counter(
        find_order(dict(zip(STANDARD, (*means[:first], *last), strict=True)), known.faulty, known.darker)
        for last in permutations(means[first:])
    )
    assert (found["published"], found["mended"]) == (published, mended)  # six: B07, B08 and B8A are as bright
    assert found.total() == math.factorial(13 - first)


def test_an_order_that_is_neither_is_refused(own: Path) -> None:
    stated = json.loads((own / "band_stats.json").read_text())
    stated["02 - Blue"], stated["12 - SWIR"] = stated["12 - SWIR"], stated["02 - Blue"]
    (own / "band_stats.json").write_text(json.dumps(stated))
    for band_map in ("by_name", "true"):
        with pytest.raises(DataError, match="neither in the published nor in the mended order"):
            prepared(own, band_map=band_map)


def test_statistics_of_another_order_than_the_samples(tmp_path: Path) -> None:
    for name in ("m-eurosat", "m-brick-kiln"):
        published = write_geobench(tmp_path / "a", name)
        mended = write_geobench(tmp_path / "b", name, order="mended")
        texts = [(folder / "band_stats.json").read_text() for folder in (published, mended)]
        stated = [json.loads(text) for text in texts]
        for bands in stated:  # as wide as a large data set's: ranges alone tell nothing then
            for band in bands.values():
                band.update(min=0.0, max=28_000.0)
        texts += map(json.dumps, stated)
        for folder, text in zip((mended, published) * 2, texts, strict=True):
            (folder / "band_stats.json").write_text(text)
            with pytest.raises(DataError, match=r"not those of its samples, or of another order of bands"):
                prepared(folder)
    crops = write_geobench(tmp_path / "c", "m-SA-crop-type")
    stated = json.loads((crops / "band_stats.json").read_text())
    stated["02 - Blue"], stated["12 - SWIR"], stated["08 - NIR"] = (
        stated["08 - NIR"], stated["02 - Blue"], stated["12 - SWIR"],
    )  # fmt: skip
    (crops / "band_stats.json").write_text(json.dumps(stated))
    with pytest.raises(DataError, match="have the means"):
        prepared(crops)


def test_imputation_happens_only_when_asked_for(root: Path) -> None:
    folder = root / "m-brick-kiln"
    twelve = [band for band in STANDARD if band != "B10"]
    with pytest.raises(ConfigError, match=r"Unknown band 'B06'.*impute: \{B06: \.\.\.\}"):
        prepared(folder, bands=twelve)
    data = prepared(folder, bands=twelve, impute={"B06": "B07", "B09": "B8A"})
    assert data.sensors["image"].bands == tuple(twelve)
    (sample, *_) = every_test_sample(data)
    number = int(sample["name"][3:])
    stands_in = {"B06": "B07", "B09": "B8A"}
    expected = [plane("m-brick-kiln", number, stands_in.get(band, band), 16) for band in twelve]
    np.testing.assert_array_equal(sample["image"], expected)
    assert data.notes()[1:] == ["B07 stands in for B06, which is absent.", "B8A stands in for B09, which is absent."]
    with pytest.raises(ConfigError, match="but B05 is there"):
        prepared(folder, impute={"B05": "B04"})
    with pytest.raises(ConfigError, match=r"`impute: \{B06: B10\}`: Unknown band 'B10'"):
        prepared(folder, impute={"B06": "B10"})


def test_bands_by_name_in_any_order(root: Path) -> None:
    data = prepared(root / "m-eurosat", bands=["B8A", "B04", "B11"])
    (sample, *_) = every_test_sample(data)
    number = int(sample["name"][3:])
    np.testing.assert_array_equal(
        sample["image"], [plane("m-eurosat", number, band, 16) for band in ("B8A", "B04", "B11")]
    )
    for bands in (["B04", "B04"], []):
        with pytest.raises(ConfigError, match="each once"):
            prepared(root / "m-eurosat", bands=bands)


def test_both_satellites_of_so2sat(root: Path) -> None:
    data = prepared(root / "m-so2sat", bands=["B04", "VV.Real", "B03", "VH.LEE Filtered"])
    assert {name: sensor.bands for name, sensor in data.sensors.items()} == {
        "s2": ("B04", "B03"), "s1": ("VV.Real", "VH.LEE Filtered"),
    }  # fmt: skip
    (sample, *_) = every_test_sample(data)
    number = int(sample["name"][3:])
    np.testing.assert_array_equal(sample["s1"], [plane("m-so2sat", number, RADAR[place], 16) for place in (2, 4)])
    assert set(data.statistics) == {"s1", "s2"}
    raw = prepared(root / "m-so2sat", rescale=False)
    assert (raw.sensors["image"].unit, raw.sensors["image"].scale) == ("reflectance", 1.0)
    scaled = prepared(root / "m-so2sat")
    assert scaled.sensors["image"].unit == "reflectance x 1e4"
    np.testing.assert_allclose(scaled.statistics["image"].mean, np.multiply(raw.statistics["image"].mean, 1e4))
    np.testing.assert_allclose(
        scaled.statistics["image"].mean, [MEANS[b] for b in raw.sensors["image"].bands], rtol=0.1
    )


def test_images_are_resized_and_masks_cut(root: Path) -> None:
    assert prepared(root / "m-eurosat", size=(32, 24)).sample_shapes() == {"image": (13, 32, 24)}
    assert next(iter(prepared(root / "m-eurosat", size=(32, 24)).train_dataloader()))["image"].shape[2:] == (32, 24)
    crops = prepared(root / "m-SA-crop-type", crop_size=8, ignore=[0])
    assert crops.targets.classes == SETS["m-SA-crop-type"].classes[1:]
    assert len(every_test_sample(crops)) == 2 * 4
    counts = sum(np.bincount(each["mask"].ravel(), minlength=256) for each in every_test_sample(crops))
    truth = sum(np.bincount(label_of("m-SA-crop-type", number, 16).ravel(), minlength=10) for number in (8, 9))
    assert counts[:9].tolist() == truth[1:].tolist()
    assert counts[IGNORE_INDEX] == truth[0]
    assert prepared(root / "m-cashew-plant", size=(8, 8)).records("test")[0].read()[1].shape == (8, 8)


def test_labels_of_tables_and_of_samples_agree(root: Path, tmp_path: Path) -> None:
    without = Path(shutil.copytree(root / "m-bigearthnet", tmp_path / "m-bigearthnet"))
    (without / "label_stats.json").unlink()
    pairs = zip(every_test_sample(prepared(without)), every_test_sample(prepared(root / "m-bigearthnet")), strict=True)
    assert all(torch.equal(first["label"], second["label"]) for first, second in pairs)
    one_hot = {f"id_{number:04}": np.eye(10)[number % 10].tolist() for number in range(10)}
    labelled = Path(shutil.copytree(root / "m-eurosat", tmp_path / "m-eurosat"))
    (labelled / "label_stats.json").write_text(json.dumps(one_hot))
    assert [int(sample["label"]) for sample in every_test_sample(prepared(labelled))] == [8, 9]


def test_classes_are_those_of_torchgeo() -> None:
    from torchgeo.datasets import BigEarthNet

    assert SETS["m-bigearthnet"].classes == tuple(BigEarthNet.class_sets[43])
    assert all(claimed(key) == band for key, band in zip(THIRTEEN, STANDARD, strict=True))
    assert [claimed(key) for key in ("label", "Cloud Probability_2019-11-05", "02 - Blue_2019-11-05")] == [
        None, None, "B02",
    ]  # fmt: skip


def test_nothing_of_a_hostile_sample_is_run(own: Path, tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", own / "id_0009.hdf5"
    with h5py.File(path, "r+") as file:
        file.attrs["pickle"] = str(pickle.dumps({"label": Runs(os.system, f"touch {canary}")}))
    (own / "task_specs.pkl").write_bytes(pickle.dumps(Runs(os.system, f"touch {canary}")))
    with pytest.raises(DataError, match=r"id_0009\.hdf5 is refused, and nothing of it was run: it names '\w+\.system'"):
        every_test_sample(prepared(own))
    assert main(["data", "check", str(own)]) == 1
    assert not canary.exists()


@pytest.mark.parametrize("label", [10, -1, 1.5, "Forest", [0, 1], np.nan])
def test_labels_out_of_range(label: object, own: Path) -> None:
    write_sample(own / "id_0009.hdf5", "m-eurosat", 9, 16, label=label)
    with pytest.raises(DataError, match=r"The label of .*id_0009\.hdf5 is .*; expected a class number from 0 to 9"):
        every_test_sample(prepared(own))


def test_labels_of_several_classes_out_of_range(root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(root / "m-bigearthnet", tmp_path / "m-bigearthnet"))
    (folder / "label_stats.json").unlink()
    for label in (np.full(43, 2), np.ones(42), 3):
        write_sample(folder / "id_0009.hdf5", "m-bigearthnet", 9, 16, label=label)
        with pytest.raises(DataError, match="expected 0 or 1 for each of 43 classes"):
            every_test_sample(prepared(folder))
    crops = Path(shutil.copytree(root / "m-SA-crop-type", tmp_path / "m-SA-crop-type"))
    write_sample(crops / "id_0009.hdf5", "m-SA-crop-type", 9, 16, label=np.full((16, 16), 10, np.int16))
    with pytest.raises(DataError, match=r"id_0009\.hdf5 holds values 10"):
        every_test_sample(prepared(crops))


def test_partitions_that_do_not_fit_the_files(own: Path) -> None:
    partition = own / "default_partition.json"
    stored = json.loads(partition.read_text())
    stored["test"] += ["id_0077", "../elsewhere"]
    partition.write_text(json.dumps(stored))
    with pytest.raises(DataError, match=r"2 of 12 samples of .*default_partition.json are not in .*id_0077"):
        prepared(own)
    found = inspect(lambda fold: GeoBenchDataModule(str(own)))
    assert any("id_0077" in sentence for sentence in found.missing)
    assert found.images == 10
    stored["test"] = ["id_0009", "id_0000"]
    partition.write_text(json.dumps(stored))
    with pytest.raises(LeakError, match=r"names 1 sample.* more than once: id_0000"):
        prepared(own)
    for damaged in ("{", '{"train": []}', '{"train": [1], "valid": [], "test": []}'):
        partition.write_text(damaged)
        with pytest.raises(DataError, match="default_partition"):
            prepared(own)


def test_samples_that_lack_a_band_or_differ(own: Path) -> None:
    write_sample(own / "id_0009.hdf5", "m-eurosat", 9, 16, leave_out="04 - Red")
    with pytest.raises(DataError, match=r"id_0009\.hdf5 has no array for B04"):
        every_test_sample(prepared(own))
    write_sample(own / "id_0009.hdf5", "m-eurosat", 9, 20)
    with pytest.raises(DataError, match=r"13 x 20 x 20 .* but the first one 13 x 16 x 16"):
        every_test_sample(prepared(own))
    (own / "id_0009.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"Cannot read the sample .*id_0009\.hdf5"):
        every_test_sample(prepared(own))
    with pytest.raises(ConfigError, match=r"Unknown band 'B4'. Did you mean 'B04'"):
        prepared(own, bands=["B4"])


def test_a_band_at_two_dates_is_refused(root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(root / "m-cashew-plant", tmp_path / "m-cashew-plant"))
    with h5py.File(folder / "id_0009.hdf5", "r+") as file:
        file["04 - Red_2020-01-01"] = np.zeros((16, 16), np.int16)
    with pytest.raises(DataError, match=r"has B04 twice: .*2019-11-05.*2020-01-01"):
        every_test_sample(prepared(folder))


@pytest.mark.parametrize("text", ["{", "[]", '{"02 - Blue": {"mean": 1}}', '{"label": {}}', '{"02 - Blue": 3}'])
def test_damaged_statistics(text: str, own: Path) -> None:
    (own / "band_stats.json").write_text(text)
    with pytest.raises(DataError, match=r"band_stats\.json"):
        prepared(own)


def test_arguments_that_make_no_sense(own: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown data set of GEO-Bench v1 'm-eurosatt'. Did you mean 'm-eurosat'"):
        GeoBenchDataModule(str(own), dataset="m-eurosatt")
    with pytest.raises(ConfigError, match=r"`dataset` must say which data set"):
        GeoBenchDataModule(str(tmp_path))
    with pytest.raises(ConfigError, match="Unknown band map 'names'"):
        GeoBenchDataModule(str(own), band_map="names")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="holds no data set of GEO-Bench"):
        prepared(tmp_path, dataset="m-eurosat")


def test_without_the_extra_the_error_says_how_to_get_it(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match=r'pip install "hqzoo\[geobench\]"'):
        prepared(own)


def test_a_constant_band_and_its_statistics(tmp_path: Path) -> None:
    folder = write_geobench(tmp_path, "m-SA-crop-type")
    samples = []
    for number in range(10):
        with h5py.File(folder / f"id_{number:04}.hdf5", "r+") as file:
            file["03 - Green"][:] = 7
            samples.append({key: file[key][()] for key in file if claimed(key)})
    write_statistics(folder, samples)
    found = prepared(folder).statistics["image"]
    assert (found.mean[2], found.std[2]) == (7.0, 1.0)


def test_bands_are_mapped_in_the_order_of_the_sensor() -> None:
    there = ["B12", "B01", "VH.Real", "B8A"]
    assert list(map_bands(there, {}, None, {})) == ["B01", "B8A", "B12"]
    assert Measured(1, 2, 0, 3).std == 2


@pytest.mark.real_data
def test_real_eurosat(real_data: Path) -> None:
    folder = real_data / "geobench_v1/eurosat"
    data = prepared(folder)
    assert "published, faulty order" in data.notes()[0]
    assert data.sensors["image"].bands == STANDARD
    means = dict(zip(STANDARD, data.statistics["image"].mean, strict=True))
    assert means["B10"] == pytest.approx(14.44)
    assert means["B8A"] == pytest.approx(3382.4822)
    path = folder / "id_0004.hdf5"
    (sample,) = every_test_sample(data)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(sample["image"][STANDARD.index("B8A")], file["12 - SWIR"][()])
    assert int(sample["label"]) == 0
    # What is called B8A sees what B08 sees, where the array that claims to be it does not.
    by_name = every_test_sample(prepared(folder, band_map="by_name"))[0]["image"]
    nir, true, claim = (each.ravel().numpy() for each in (sample["image"][7], sample["image"][8], by_name[8]))
    assert np.corrcoef(nir, true)[0, 1] > 0.95 > np.corrcoef(nir, claim)[0, 1]


@pytest.mark.real_data
def test_real_crop_types(real_data: Path) -> None:
    data = prepared(real_data / "geobench_v1/southAfricaCropType", crop_size=128)
    assert data.targets.kind == "mask"
    assert data.sample_shapes() == {"image": (12, 128, 128)}
    path = real_data / "geobench_v1/southAfricaCropType/ref_south_africa_crops_competition_v1_train_labels_0001_4.hdf5"
    with h5py.File(path) as file:
        truth = np.bincount(file["label"][()].ravel(), minlength=10)
    counts = sum(np.bincount(each["mask"].ravel(), minlength=10) for each in every_test_sample(data))
    assert counts.tolist() == truth.tolist()
    masks = [record.arrays()["mask"] for split in ("train", "val", "test") for record in data.records(split)]
    assert len(masks) == 5
    assert all(np.array_equal(masks[0], mask) for mask in masks)  # one place
    scenes = {data.scene_of(record) for split in ("train", "val", "test") for record in data.records(split)}
    assert scenes == {"ref_south_africa_crops_competition_v1_train_labels_0001"}
