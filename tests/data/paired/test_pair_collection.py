"""Pairs of several sources as one data set: arrays and archives, common bands, names, labels, splits, bad files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hqzoo.data import PairCollectionDataModule
from hqzoo.data.paired.corine_classes import CLASSES_19
from hqzoo.data.paired.sentinel import S2_BANDS
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.bigearthnet import pixels, s2_name, write_v2

FINE = ("B02", "B03", "B04", "B08")


def arrays(count: int = 5, bands: int = 12, side: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "s2": rng.integers(1, 4000, (count, bands, side, side)).astype(np.uint16),
        "s1": rng.normal(-12, 3, (count, 2, side, side)).astype(np.float32),
    }


def saved(file: Path, **content: Any) -> str:
    np.savez(file, **content)
    return str(file)


def opened(*sources: str, **options: Any) -> PairCollectionDataModule:
    return PairCollectionDataModule(list(sources), **{"size": 12, "labels": "none", "batch_size": 2, **options})


def every(data: PairCollectionDataModule) -> dict[str, Any]:
    return {record.name: record for record in data.undivided_records()}


def test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    given = arrays()
    content = {"patch_id": [f"p{n}" for n in range(5)], "split": ["train", "validation", "test", "train", "train"]}
    data = opened(saved(tmp_path / "a.npz", s2=given["s2"], s1_vv_vh=given["s1"], **content))
    assert data.sensors["s2"].bands == S2_BANDS
    assert [record.name for record in data.records("train")] == ["p0", "p3", "p4"]
    found = data.records("val")[0].arrays()
    assert np.array_equal(found["s2"], given["s2"][1])
    assert np.array_equal(found["s1"], given["s1"][1])
    assert data.records("val")[0].in_memory
    mean = given["s1"][[0, 3, 4]].astype(np.float64).mean((0, 2, 3))
    np.testing.assert_allclose(data.statistics["s1"].mean, mean, rtol=1e-12)


def test_common_bands_of_arrays_and_archive(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "archive")
    twelve, four = arrays(side=120), arrays(3, 4, 120, seed=1)
    first, second = (
        saved(tmp_path / "twelve.npz", **twelve),
        saved(tmp_path / "four.npz", **four, patch_id_int=[7, 8, 9]),
    )
    data = opened(str(root), first, second, size=120, val_share=0.2, test_share=0.2)
    assert data.sensors["s2"].bands == FINE
    found = every(data)
    assert len(found) == 7 + 5 + 3
    assert np.array_equal(found[s2_name(3)].arrays()["s2"], [pixels(3, band) for band in FINE])
    places = [S2_BANDS.index(band) for band in FINE]
    assert np.array_equal(found["twelve_000002"].arrays()["s2"], twelve["s2"][2, places])
    assert np.array_equal(found["four_8"].arrays()["s2"], four["s2"][1])
    chosen = opened(str(root), first, size=120, bands=["B08", "B01"], val_share=0.2, test_share=0.2)
    assert np.array_equal(every(chosen)["twelve_000000"].arrays()["s2"][1], twelve["s2"][0, 0])
    with pytest.raises(DataError, match=r"four\.npz lacks the band\(s\) B01"):
        opened(first, second, bands=["B01"]).find_pairs()


def test_splits_are_drawn_by_the_seed(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.npz", **arrays(40, 4))
    drawn = [[r.name for r in opened(file, val_share=0.25, draw_seed=seed).records("val")] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 10
    with pytest.raises(
        DataError, match=r"40 of 40 pairs are in no split, for some of the sources state none \(a\.npz\)"
    ):
        opened(file).records("train")


def test_pair_of_two_sources_counts_once_in_the_first(tmp_path: Path) -> None:
    one, two = arrays(3, 4), arrays(3, 4, seed=1)
    first = saved(tmp_path / "one.npz", **one, patch_id=["a", "b", "c"], split=["train"] * 3)
    second = saved(tmp_path / "two.npz", **two, patch_id=["c", "d", "e"], split=["test"] * 3)
    data = opened(first, second)
    assert [record.name for record in data.records("train")] == ["a", "b", "c"]
    assert [record.name for record in data.records("test")] == ["d", "e"]
    assert np.array_equal(data.records("train")[2].arrays()["s2"], one["s2"][2])
    assert data.found_twice == 1


def test_labels_of_three_kinds(tmp_path: Path) -> None:
    row = np.zeros((2, 19))
    row[0, 3] = row[1, 18] = 1
    first = saved(tmp_path / "rows.npz", **arrays(2, 4), label=row, patch_id=["a", "b"], split=["train"] * 2)
    texts = ["Urban fabric|Transitional woodland, shrub", "Airports|Pastures"]
    second = saved(tmp_path / "texts.npz", **arrays(2, 4), labels=texts, patch_id=["c", "d"], split=["train"] * 2)
    third = saved(tmp_path / "none.npz", **arrays(2, 4), patch_id=["e", "f"])
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"e": {"labels": ["Marine waters"], "split": "validation"}, "f": {"split": "train"}}))
    data = opened(first, second, third, labels="known", label_files=[str(told)])
    found = {name: record.arrays()["label"] for name, record in every(data).items()}
    classes = {name: [list(CLASSES_19)[k] for k in np.flatnonzero(label == 1)] for name, label in found.items()}
    assert classes == {
        "a": ["Permanent crops"], "b": ["Marine waters"], "c": ["Urban fabric", "Transitional woodland, shrub"],
        "d": ["Pastures"], "e": ["Marine waters"], "f": [],
    }  # fmt: skip
    assert [record.name for record in data.records("val")] == ["e"]


def test_label_that_nobody_knows(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.npz", **arrays(3, 4), patch_id=["a", "b", "c"], split=["train"] * 3)
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"a": {"labels": ["Marine waters"]}}))
    data = opened(file, labels="known", label_files=[str(told)])
    labels = {record.name: record.arrays()["label"] for record in data.records("train")}
    assert labels["a"].sum() == 1
    assert np.isnan(labels["b"]).all()
    with pytest.raises(DataError, match="2 of 3 pairs have no labels: b, c"):
        opened(file, labels="required", label_files=[str(told)]).records("train")
    with pytest.raises(DataError, match=r"gone\.json does not exist"):
        opened(file, labels="known", label_files=[str(tmp_path / "gone.json")]).records("train")


def test_offset_is_subtracted(tmp_path: Path) -> None:
    given = arrays(2, 4)
    given["s2"][0, 0, 0, :2] = [1400, 900]
    file = saved(tmp_path / "a.npz", **given, split=["train"] * 2)
    image = opened(file, offset=1000).records("train")[0].arrays()["s2"]
    assert image.dtype == np.uint16
    assert image[0, 0, :2].tolist() == [400, 0]


def test_bad_pairs_are_skipped_and_counted(tmp_path: Path) -> None:
    given = arrays(4, 4)
    given["s2"][1, 2], given["s1"][3, 0, 5, 5] = 0, np.nan
    file = saved(tmp_path / "a.npz", **given, split=["train"] * 4)
    with pytest.raises(DataError, match=r"a_000001 is no image: B04 is 0 everywhere"):
        opened(file).records("train")[1].arrays()
    data = opened(file, on_bad="skip")
    with pytest.warns(UserWarning, match="2 of 4 pairs"):
        assert len(data.records("train")) == 2
    assert set(data.skipped["train"]) == {"a_000001", "a_000003"}


def test_bands_that_are_stated(tmp_path: Path) -> None:
    given = arrays(2, 3)
    file = saved(tmp_path / "a.npz", **given, split=["train"] * 2)
    with pytest.raises(DataError, match=r"s2 has 3 bands, named nowhere\. Name each, in `stored_bands: \{a\.npz"):
        opened(file)
    data = opened(file, stored_bands={"a.npz": ["B08", "B04", "B02"]})
    assert data.sensors["s2"].bands == ("B02", "B04", "B08")
    assert np.array_equal(data.records("train")[1].arrays()["s2"], given["s2"][1, ::-1])
    own = saved(tmp_path / "b.npz", **given, s2_bands=["B11", "B12", "B09"], split=["train"] * 2)
    assert opened(own).sensors["s2"].bands == ("B09", "B11", "B12")
    with pytest.raises(ConfigError, match="no band of Sentinel-2 in common"):
        opened(own, file, stored_bands={"a.npz": ["B08", "B04", "B02"]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"s1": np.full((5, 2, 12, 12), -12)}, "whole numbers"),
        ({"s1": np.zeros((4, 2, 12, 12), np.float32)}, "5 images of one sensor, but 4"),
        ({"s2": np.zeros((5, 12, 12), np.uint16)}, "expected numbers"),
        ({"patch_id": list("aabcd")}, "expected 5 that differ"),
        ({"split": ["train"]}, "'split' has 1 lines"),
        ({"s2": None}, "no images 's2'"),
        ({"patch_id": np.array([{}] * 5, dtype=object)}, "holds objects"),
    ],
)
def test_malformed_files(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    content = {**arrays(), "split": ["train"] * 5, **change}
    file = saved(tmp_path / "a.npz", **{key: value for key, value in content.items() if value is not None})
    with pytest.raises(DataError, match=told):
        opened(file, bands=list(FINE)).records("train")


def test_no_file_of_arrays(tmp_path: Path) -> None:
    for name, content in (("text.npz", b"no archive"), ("half.npz", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="damaged or no file of arrays"):
            opened(str(tmp_path / name), bands=["B02"]).find_pairs()
    with pytest.raises(DataError, match="does not exist"):
        opened(str(tmp_path / "gone.npz"), bands=["B02"]).find_pairs()
    with pytest.raises(ConfigError, match="`sources`"):
        opened()


@pytest.mark.real_data
def test_all_real_pairs_together(real_data: Path) -> None:
    """The 23 pairs of one file are 17 of another and 6 of the archive: 153 places in all, not 176."""
    folder = real_data / "bigearthnet_v2"
    archive = str(folder / "archive_layout")
    files = [str(folder / f"pairs_s1_s2{name}.npz") for name in ("all_labels_17", "all_23", "rgbn_120")]
    told = [str(folder / "labels_12band.json")]
    options = {"size": 120, "labels": "known", "label_files": told}
    data = opened(archive, *files, val_share=0.2, test_share=0.2, **options)
    found = every(data)
    assert (len(found), data.found_twice) == (153, 23)
    assert data.sensors["s2"].bands == FINE
    assert sum(record.labelled for record in found.values()) == 33
    pictures = {record.arrays()["s2"].tobytes() for record in found.values()}
    assert len(pictures) == 153
    blue, green, red, infrared = (np.mean([r.arrays()["s2"][band] for r in found.values()]) for band in range(4))
    assert infrared > 2 * max(blue, green, red)  # four bands are those of 10 m, infrared last
    vv, vh = (np.mean([record.arrays()["s1"][band] for record in found.values()]) for band in range(2))
    assert vv > vh + 4
    twelve = opened(archive, *files[:2], **{**options, "labels": "required"})
    assert len(twelve.sensors["s2"]) == 12
    assert [len(twelve.records(split)) for split in ("train", "val", "test")] == [17, 8, 8]  # type: ignore[arg-type]


@pytest.mark.real_data
def test_archive_reads_what_others_stored_of_the_same_patches(real_data: Path) -> None:
    """Six patches lie both as TIFFs and as arrays that somebody else made, who repeated coarse pixels."""
    folder = real_data / "bigearthnet_v2"
    tiffs, stored = (
        every(opened(str(folder / source), size=120)) for source in ("archive_layout", "pairs_s1_s2all_23.npz")
    )
    both = tiffs.keys() & stored.keys()
    assert len(both) == 6
    for name in both:
        native, theirs = tiffs[name].native(S2_BANDS), stored[name].native(S2_BANDS)
        for band in S2_BANDS:
            times = 120 // len(native[band])
            assert np.array_equal(native[band].repeat(times, 0).repeat(times, 1), theirs[band])
        assert np.array_equal(tiffs[name].arrays()["s1"], stored[name].arrays()["s1"])


def test_folds_test_each_pair_once_and_keep_acquisitions_together(tmp_path: Path) -> None:
    names = [f"S2A_MSIL2A_2017061{n // 2}T101031_N9999_R022_T33UUP_{n:02d}_50" for n in range(12)]
    labels = ["Pastures", "Arable land|Pastures"] * 6
    source = saved(tmp_path / "a.npz", **arrays(12), patch_id=names, labels=labels, split=["train"] * 12)
    tested: list[str] = []
    for fold in range(3):
        data = opened(source, labels="required", fold=fold, num_folds=3)
        parts = {split: {record.name for record in data.records(split)} for split in ("train", "val", "test")}
        assert set.union(*parts.values()) == set(names)
        assert sum(map(len, parts.values())) == 12
        acquisitions = [{name.rsplit("_", 2)[0] for name in part} for part in parts.values()]
        assert sum(map(len, acquisitions)) == 6  # none is divided
        tested += parts["test"]
        assert list(data.fold_numbers()) == [0, 1, 2]
    assert sorted(tested) == names
    assert opened(source).fold_numbers() == ()
    assert len(opened(source, fold="all").records("train")) == 12
    other = opened(source, fold=0, num_folds=3, draw_seed=1)
    first = opened(source, fold=0, num_folds=3)
    assert other.fingerprint("test") != first.fingerprint("test")


def test_splits_are_said_once(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.npz", **arrays())
    with pytest.raises(ConfigError, match="Each of val_share, test_share and fold says which pair is in which split"):
        opened(source, fold=0, val_share=0.2)
