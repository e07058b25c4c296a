"""FLAIR and Chesapeake as the headers of their recipes make folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from hqzoo.data import FolderSegmentationDataModule
from tests.fixtures.aerial_archives import write_chesapeake, write_flair
from tests.fixtures.header_programs import RECIPES, convert

CHESAPEAKE, FLAIR = "hq_unet/chesapeake", "hq_unet/flair"


def module(recipe: str, root: Path, **options: object) -> FolderSegmentationDataModule:
    given = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text())["data"]["init_args"]
    data = FolderSegmentationDataModule(**{**given, "root": str(root), **options})
    data.setup()
    return data


def check_flair(source: Path, root: Path) -> None:
    data = module(FLAIR, convert(FLAIR, source, root))
    assert data.sensor.bands == ("red", "green", "blue", "nir")
    tested = []
    for fold in range(3):
        part = module(FLAIR, root, fold=fold)
        train, test = ({part.scene_of(record) for record in part.records(split)} for split in ("train", "test"))
        assert not train & test  # no domain on both sides
        tested += [record.name for record in part.records("test")]
    assert sorted(tested) == sorted(path.stem.split("__")[0] for path in source.glob("*__aerial.tif"))
    record = data.records("train")[0]
    image, mask = record.read()
    with rasterio.open(source / f"{record.name}__aerial.tif") as file:
        assert np.array_equal(image, file.read([1, 2, 3, 4]))
    with rasterio.open(source / f"{record.name}__mask.tif") as file:
        assert np.array_equal(mask, file.read(1) - 1)  # type: ignore[arg-type]
    deep = module(FLAIR, root, band_indexes=[1, 2, 3, 4, 5], bands=["red", "green", "blue", "nir", "elevation"])
    assert next(iter(deep.train_dataloader()))["image"].shape[1:] == (5, 128, 128)


def check_chesapeake(source: Path, root: Path) -> None:
    data = module(CHESAPEAKE, convert(CHESAPEAKE, source, root))
    assert data.sensor.bands == ("red", "green", "blue", "nir")
    assert all(record.name.startswith("val__") for record in data.records("test"))
    assert all(record.name.startswith("train__") for record in data.records("train"))
    assert len(data.records("train")) + len(data.records("test")) == len(list(source.glob("*.npz")))
    record = data.records("test")[0]
    image, mask = record.read()
    with np.load(source / f"{record.name}.npz") as arrays:
        assert np.array_equal(image, arrays["naip_new"])  # near infrared is no transparency
        assert np.array_equal(mask, arrays["lc"] - 1)  # type: ignore[arg-type]


def test_flair(tmp_path: Path) -> None:
    check_flair(write_flair(tmp_path / "source"), tmp_path / "set")


def test_chesapeake(tmp_path: Path) -> None:
    check_chesapeake(write_chesapeake(tmp_path / "source"), tmp_path / "set")


@pytest.mark.real_data
def test_real_flair(real_data: Path, tmp_path: Path) -> None:
    check_flair(real_data / "flair2", tmp_path / "set")


@pytest.mark.real_data
def test_real_chesapeake(real_data: Path, tmp_path: Path) -> None:
    check_chesapeake(real_data / "chesapeake_naip", tmp_path / "set")
