"""Bands keep their identity: names from descriptions and colours, one order for all files, refusals in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.enums import ColorInterp

from hqzoo.data import FolderSegmentationDataModule
from hqzoo.data.files.band_names import BandNames, arrange
from hqzoo.data.files.readers import read_header
from hqzoo.errors import DataError
from hqzoo.scenes.fitting import check_scene
from hqzoo.scenes.scene import open_scene
from tests.fixtures.folder import write_csv
from tests.fixtures.scenes import write_raster

BGR = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)
LEVELS = {"red": 200, "green": 120, "blue": 40, "nir": 250, "B4": 200, "B3": 120, "B2": 40}


def write(path: Path, bands: tuple[str, ...], colours: tuple[ColorInterp, ...] = (), described: bool = True) -> Path:
    """Write an image whose bands hold the level of their names."""
    image = np.stack([np.full((16, 16), LEVELS[band.split(",")[0]], np.uint8) for band in bands])
    write_raster(path, image)
    with rasterio.open(path, "r+") as dataset:
        if described:
            dataset.descriptions = bands
        if colours:
            dataset.colorinterp = colours
    return path


def folder(root: Path) -> Path:
    """Three named images and masks, to be overwritten."""
    for name in ("images", "masks"):
        (root / name).mkdir()
    for number in range(3):
        write(root / "images" / f"{number}.tif", ("red", "green", "blue"))
        mask = np.arange(256, dtype=np.uint8).reshape(16, 16) % 2
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    write_csv(root / "folds.csv", [{"name": str(n), "scene": n, "fold": n} for n in range(3)])
    return root


def means(data: FolderSegmentationDataModule) -> list[list[float]]:
    """Mean of each band of the training, validation and test image."""
    records = [data.records(split)[0] for split in ("train", "val", "test")]  # type: ignore[arg-type]
    return [record.read()[0].mean(axis=(1, 2)).tolist() for record in records]


def test_headers_name_bands_as_maps_do(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    found = [
        read_header(write(path, ("nir", "red", "green")))[2:6],
        read_header(write(path, ("blue", "green", "red"), BGR, described=False))[2:6],
        read_header(write(path, ("nir", "red", "green"), described=False))[2:6],
    ]
    assert found == [
        (("nir", "red", "green"), (1, 2, 3), (), True),
        (("blue", "green", "red"), (1, 2, 3), (), True),
        (("red", "green", "blue"), (1, 2, 3), (), False),  # GDAL's default for three bands says nothing
    ]


def test_maps_take_training_files_in_any_order_of_colours(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for number in range(3):
        write(root / "images" / f"{number}.tif", ("blue", "green", "red"), BGR, described=False)
    data = FolderSegmentationDataModule(str(root))
    data.setup()
    assert data.sensor.bands == ("blue", "green", "red")
    assert means(data) == [[40, 120, 200]] * 3
    with open_scene(root / "images" / "0.tif", data.sensor) as scene:
        check_scene(scene, data.sensor)


@pytest.mark.parametrize("odd", [0, 1, 2])
@pytest.mark.parametrize("described", [True, False])
def test_files_in_another_order_are_brought_into_the_first_ones(tmp_path: Path, odd: int, described: bool) -> None:
    root = folder(tmp_path)
    write(root / "images" / f"{odd}.tif", ("blue", "green", "red"), BGR, described)
    expected = [40, 120, 200] if odd == 0 else [200, 120, 40]
    for fold in range(3):  # the order must not depend on the fold
        data = FolderSegmentationDataModule(str(root), fold=fold)
        data.setup("test")
        data.setup("fit")
        assert means(data) == [expected] * 3
        assert [LEVELS[band] for band in data.sensor.bands] == expected
    for path in (root / "masks").iterdir():
        path.unlink()
    (root / "masks").rmdir()
    data = FolderSegmentationDataModule(str(root))
    data.setup("predict")
    assert [r.read()[0].mean(axis=(1, 2)).tolist() for r in data.predict_records()] == [expected] * 3


def test_other_spellings_are_the_same_band(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for number, bands in enumerate((("B4", "B3", "B2"), ("B4, 665 nm", "B3, 560 nm", "B2"), ("B2", "B3", "B4"))):
        write(root / "images" / f"{number}.tif", bands)
    data = FolderSegmentationDataModule(str(root))
    data.setup()
    assert means(data) == [[200, 120, 40]] * 3


def test_other_bands_are_refused_and_the_user_has_the_last_word(tmp_path: Path) -> None:
    root = folder(tmp_path)
    write(root / "images" / "1.tif", ("nir", "red", "green"))
    with pytest.raises(DataError, match=r"1\.tif has the bands nir, red, green, but .*0\.tif red, .*`bands`"):
        FolderSegmentationDataModule(str(root)).setup()
    for options in ({"bands": ["a", "b", "c"]}, {"band_indexes": [1, 2, 3]}):
        data = FolderSegmentationDataModule(str(root), **options)  # type: ignore[arg-type]
        data.setup()
        assert sorted(means(data)) == [[200, 120, 40], [200, 120, 40], [250, 200, 120]]
    assert data.sensor.bands == ("red", "green", "blue")
    write(root / "images" / "1.tif", ("nir", "red", "green"), described=False)  # says nothing of its bands
    FolderSegmentationDataModule(str(root)).setup()


@pytest.mark.parametrize("described", [True, False])
def test_bands_that_the_user_names_are_found_by_the_files_own_names(tmp_path: Path, described: bool) -> None:
    root = folder(tmp_path)
    write(root / "images" / "1.tif", ("blue", "green", "red"), BGR, described)
    data = FolderSegmentationDataModule(str(root), bands=["green", "blue", "red"])
    data.setup()
    assert means(data) == [[120, 40, 200]] * 3
    with open_scene(root / "images" / "1.tif", data.sensor) as scene:
        check_scene(scene, data.sensor)
        image, _ = scene.read((0, scene.height), (0, scene.width))
    assert image.mean(axis=(1, 2)).tolist() == [120, 40, 200]


def test_png_among_named_files(tmp_path: Path) -> None:
    root = folder(tmp_path)
    write(root / "images" / "0.tif", ("blue", "green", "red"))
    (root / "images" / "1.tif").unlink()
    Image.new("RGB", (16, 16), (200, 120, 40)).save(root / "images" / "1.png")
    data = FolderSegmentationDataModule(str(root))
    data.setup()
    assert means(data) == [[40, 120, 200]] * 3


@given(st.permutations(["red", "green", "blue", "B8A", "VV"]))
def test_arranging_is_a_permutation(names: list[str]) -> None:
    wanted = BandNames(("B8A", "VV", "red", "green", "blue"), own=True)
    indexes = arrange(BandNames(tuple(names), own=True), (2, 3, 5, 7, 8), wanted)
    assert indexes is not None
    of = dict(zip((2, 3, 5, 7, 8), names, strict=True))
    assert tuple(of[index] for index in indexes) == wanted.names
