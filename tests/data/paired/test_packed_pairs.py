"""Pairs out of a pack, and out of a database of rico-hdl, are those of the files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save

from hqzoo.cli import main
from hqzoo.data import BigEarthNetV1DataModule, BigEarthNetV2DataModule, PairCollectionDataModule
from hqzoo.data.pack import Pack
from hqzoo.data.pack_writer import write_pack
from hqzoo.data.paired.sentinel import NATIVE_SIDES
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.bigearthnet import SIDES, pixels, s1_name, s2_name, write_pairs, write_v1, write_v2

FINE = ["B02", "B03", "B04", "B08"]
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("v2") / "set")


@pytest.fixture(scope="module")
def pack(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack") / "pack"
    write_pack(opened(root), folder)
    return folder


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What rico-hdl makes of the same archive."""
    folder = tmp_path_factory.mktemp("rico") / "Encoded-BigEarthNet"
    with lmdb.open(str(folder), map_size=1 << 28) as database, database.begin(write=True) as transaction:
        for number in range(7):
            for name, bands in ((s2_name(number), SIDES), (s1_name(number), ("VV", "VH"))):
                transaction.put(name.encode(), save({band: pixels(number, band) for band in bands}))
    return folder


def opened(root: Path | str, **options: Any) -> BigEarthNetV2DataModule:
    data = BigEarthNetV2DataModule(str(root), **{"batch_size": 2, "labels": "known", **options})
    data.prepare_data()
    return data


def must_be_equal(left: Any, right: Any) -> None:
    """Compare all batches of all splits bit for bit, and what is known of the data."""
    assert {split: left.fingerprint(split) for split in ("train", "val", "test")} == {
        split: right.fingerprint(split) for split in ("train", "val", "test")
    }
    assert left.statistics == right.statistics
    for loader in LOADERS:
        batches = list(zip(getattr(left, loader)(), getattr(right, loader)(), strict=True))
        assert batches
        for one, other in batches:
            assert list(one) == list(other)
            assert one["name"] == other["name"]
            assert all(torch.equal(one[key], other[key]) for key in one if key != "name")


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_files(root: Path, pack: Path, workers: int) -> None:
    must_be_equal(opened(root), opened("nowhere", packed=str(pack), num_workers=workers))


def test_bands_size_and_sensors_are_chosen_as_it_is_read(root: Path, pack: Path) -> None:
    for options in ({"bands": ["B11", "B02"], "size": 64}, {"sensors": ["s1"], "labels": "none"}):
        must_be_equal(opened(root, **options), opened("nowhere", packed=str(pack), **options))


def test_splits_are_drawn_and_pairs_dropped_as_from_the_files(root: Path, pack: Path, tmp_path: Path) -> None:
    partition = tmp_path / "default_partition.json"
    partition.write_text(f'{{"valid": ["{s2_name(0)}"], "test": []}}')
    options = {"val_share": 0.5, "drop_from": str(partition)}
    files, packed = opened(root, **options), opened("nowhere", packed=str(pack), **options)
    for split in ("train", "val"):
        assert [r.name for r in files.records(split)] == [r.name for r in packed.records(split)]
    assert list(files.dropped) == list(packed.dropped) == [s2_name(0)]


def test_bands_keep_their_native_sizes(pack: Path) -> None:
    arrays = Pack(pack).index.arrays
    assert {band: shape for band, (_, shape) in arrays.items()} == {b: (s, s) for b, s in NATIVE_SIDES.items()}
    assert {kind for band, (kind, _) in arrays.items() if band not in ("VV", "VH")} == {"<u2"}
    assert arrays["VV"][0] == arrays["VH"][0] == "<f4"
    assert Pack(pack).index.dtype.itemsize < 1.01 * sum(2 * s * s for s in SIDES.values()) + 2 * 4 * 120 * 120


def test_other_bands_classes_and_labels_than_are_packed(root: Path, tmp_path: Path) -> None:
    write_pack(opened(root, bands=FINE, labels="none"), tmp_path / "four")
    with pytest.raises(DataError, match=r"lacks the band\(s\) B01, B05.*; it has B02, B03, B04, B08, VV, VH"):
        opened("nowhere", packed=str(tmp_path / "four"), labels="none").records("train")
    with pytest.raises(DataError, match="7 of 7 pairs have no labels"):
        opened("nowhere", packed=str(tmp_path / "four"), bands=FINE, labels="required").records("train")


def test_labels_that_lie_beside_the_bands(tmp_path: Path) -> None:
    files = BigEarthNetV1DataModule(str(write_v1(tmp_path / "v1")), num_classes=43, batch_size=1)
    write_pack(files, tmp_path / "pack")
    packed = str(tmp_path / "pack")
    must_be_equal(files, BigEarthNetV1DataModule("nowhere", num_classes=43, batch_size=1, packed=packed))
    with pytest.raises(DataError, match="are of 43 classes, but 19 are asked for"):
        BigEarthNetV1DataModule("nowhere", packed=packed).records("train")
    with pytest.raises(DataError, match="made by BigEarthNetV1DataModule, but it is BigEarthNetV2DataModule"):
        opened("nowhere", packed=packed)
    next((tmp_path / "v1" / "BigEarthNet-v1.0").rglob("*_labels_metadata.json")).unlink()
    with pytest.raises(DataError, match="label file of a patch is missing"):
        write_pack(BigEarthNetV1DataModule(str(tmp_path / "v1")), tmp_path / "raise")
    skipping = BigEarthNetV1DataModule(str(tmp_path / "v1"), on_bad="skip")
    rows = write_pack(skipping, tmp_path / "skip").pack.rows
    assert sum("label file" in row.facts["absent"] for row in rows) == 1


def test_a_bad_pair_is_kept_out_or_stops(root: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(root, tmp_path / "set"))
    bad = next(own.rglob(f"{s2_name(1)}_B05.tif"))
    good = bad.read_bytes()
    bad.write_bytes(good[:200])
    with pytest.raises(DataError, match=bad.name):
        write_pack(opened(own), tmp_path / "raise")
    skipping = opened(own, on_bad="skip")
    pack, _ = write_pack(skipping, tmp_path / "skip")
    assert list(pack.faults) == [s2_name(1)]
    assert pack.damaged() == []
    with pytest.raises(DataError, match=rf"{s2_name(1)} was bad when .*{bad.name}"):
        pack.read(1)
    packed = opened("nowhere", packed=str(pack.folder), on_bad="skip")
    with pytest.warns(UserWarning, match=f"1 of 3 pairs .* are skipped .*{s2_name(1)}"):
        assert [record.name for record in packed.records("train")] == [s2_name(0), s2_name(2)]
    with pytest.raises(DataError, match=f"1 of 3 pairs .* are incomplete: {s2_name(1)}"):
        opened("nowhere", packed=str(pack.folder)).records("train")
    bad.write_bytes(good)
    assert write_pack(opened(own), tmp_path / "raise").before == 1  # mended, it goes on
    must_be_equal(opened(root), opened("nowhere", packed=str(tmp_path / "raise")))


def test_pairs_of_arrays(tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.npz")
    options: dict[str, Any] = {"labels": "known", "val_share": 0.2, "test_share": 0.2, "batch_size": 2}
    data = PairCollectionDataModule([str(file)], **options)
    write_pack(data, tmp_path / "pack")
    must_be_equal(data, PairCollectionDataModule(["nowhere.npz"], packed=str(tmp_path / "pack"), **options))


@pytest.mark.slow
def test_training_from_the_command_line_is_the_same(root: Path, tmp_path: Path) -> None:
    tiny = {
        "image_size": 8, "patch": 1, "width": 16, "heads": 2, "depth": 2, "predictor_width": 8, "predictor_depth": 1,
        "other_depth": 1, "fused_width": 8,
    }  # fmt: skip
    arguments = {"root": str(root), "size": 8, "batch_size": 2, "labels": "none"}
    content = {
        "seed_everything": 0,
        "model": {"class_path": "hqzoo.tasks.HQJEPATask", "init_args": {"architecture_args": tiny}},
        "data": {"class_path": "hqzoo.data.BigEarthNetV2DataModule", "init_args": arguments},
        "trainer": {"accelerator": "cpu", "max_epochs": 1, "logger": False},
    }
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "hqzoo", "data", "pack", "-c", str(recipe), "--out", str(tmp_path / "pack")]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run([*command, "--workers", "1"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "7 records of BigEarthNetV2DataModule, 0.002 GB" in done.stdout
    assert "every bit is kept" in done.stdout
    weights = {}
    for name, more in (("files", []), ("pack", [f"--data.init_args.packed={tmp_path / 'pack'}"])):
        folder = str(tmp_path / name)
        assert main(["fit", "-c", str(recipe), f"--trainer.default_root_dir={folder}", *more]) == 0
        (checkpoint,) = (tmp_path / name).rglob("last.ckpt")
        weights[name] = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert weights["files"].keys() == weights["pack"].keys()
    assert all(torch.equal(value, weights["pack"][key]) for key, value in weights["files"].items())


# rico-hdl


@pytest.mark.parametrize("workers", [0, 2])
def test_a_database_of_rico_hdl_is_the_same(root: Path, encoded: Path, tmp_path: Path, workers: int) -> None:
    for table in root.glob("*.parquet"):
        shutil.copy(table, tmp_path)
    must_be_equal(opened(root), opened(tmp_path, encoded=str(encoded), num_workers=workers))


def test_a_database_can_be_packed(root: Path, encoded: Path, pack: Path, tmp_path: Path) -> None:
    write_pack(opened(root, encoded=str(encoded)), tmp_path / "pack")
    for name in ("records.npy", "rows.jsonl", "checksums.npy", "index.json"):
        assert (tmp_path / "pack" / name).read_bytes() == (pack / name).read_bytes()


def test_a_database_that_lacks_a_patch_or_is_none(root: Path, encoded: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(encoded, own)
    with lmdb.open(str(own), map_size=1 << 28) as database, database.begin(write=True) as transaction:
        transaction.delete(s1_name(2).encode())
        transaction.put(s2_name(0).encode(), b"no safetensors")
    with pytest.raises(DataError, match=rf"1 of 3 pairs .* {s2_name(2)} \(no Sentinel-1 patch\)"):
        opened(root, encoded=str(own)).records("train")
    data = opened(root, encoded=str(own), on_bad="skip")
    with pytest.warns(UserWarning, match=f"{s2_name(0)} .*is damaged"):
        assert [record.name for record in data.records("train")] == [s2_name(1)]
    with pytest.raises(DataError, match="no LMDB database"):
        opened(root, encoded=str(tmp_path / "nowhere")).records("train")


def test_a_database_without_its_package(root: Path, encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ConfigError, match=r"pip install 'hqzoo\[bigearthnet\]'"):
        opened(root, encoded=str(encoded)).records("train")


# Real files


@pytest.mark.real_data
def test_real_pairs(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "bigearthnet_v2" / "archive_layout"
    options = {"val_share": 0.2, "test_share": 0.2}
    write_pack(opened(root, **options), tmp_path / "pack")
    must_be_equal(opened(root, **options), opened("nowhere", packed=str(tmp_path / "pack"), **options))
    halves, _ = write_pack(opened(root, **options), tmp_path / "half", float16=0.016)
    planes = opened(root, **options).undivided_records()[3].native(["VV", "B05"])
    assert np.abs(halves.read(3)["VV"] - planes["VV"]).max() <= 0.016
    assert np.array_equal(halves.read(3)["B05"], planes["B05"])
    assert halves.index.dtype.itemsize < 0.8 * Pack(tmp_path / "pack").index.dtype.itemsize
