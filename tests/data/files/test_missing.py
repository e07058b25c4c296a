"""Pixels that files declare as missing: ignored, filled, and left out of statistics and classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from hqzoo.data import (
    IGNORE_INDEX,
    ArrayRecord,
    ClassMap,
    FolderSegmentationDataModule,
    ImageRecord,
    Resized,
    Sensor,
    Window,
)
from hqzoo.data.cache import RecordCache
from hqzoo.data.checks.inspection import inspect
from hqzoo.data.files.readers import FileRecord, read_header
from hqzoo.data.statistics import compute_statistics
from hqzoo.errors import DataError
from hqzoo.scenes.scene import open_scene
from tests.fixtures.folder import write_csv, write_tiff
from tests.fixtures.scenes import POLAND, picture, write_raster

RGB = Sensor(("red", "green", "blue"))
DECIBEL = Sensor(("VV", "VH"), "dB", 30.0)
SIZE = (40, 30)
HOLE = np.zeros(SIZE, bool)
HOLE[:20, 4:17] = True
PIXEL = np.zeros(SIZE, bool)
PIXEL[2, 3] = True


def record(image: Path, sensor: Sensor = RGB, mask: Path | None = None) -> FileRecord:
    header = read_header(image)
    return FileRecord("x", image, mask, header, header.indexes, sensor, ClassMap(("a", "b")))


def write_mask(path: Path, values: np.ndarray | None = None) -> Path:
    Image.fromarray(np.ones(SIZE, np.uint8) if values is None else values).save(path)
    return path


def decibel(seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).uniform(-20, -5, (2, *SIZE)).astype(np.float32)
    image[:, HOLE] = -9999
    return image


def declare(path: Path, image: np.ndarray, how: str) -> Path:
    """Write an RGB image whose pixels ``HOLE`` are missing in one of the ways that files have."""
    if how == "alpha png":
        layered = np.concatenate([image, np.where(HOLE, 0, 200).astype(np.uint8)[None]])
        Image.fromarray(np.moveaxis(layered, 0, -1).copy()).save(path.with_suffix(".png"))
        return path.with_suffix(".png")
    if how == "colour key png":
        keyed = np.where(HOLE, np.array([7, 8, 9], np.uint8)[:, None, None], image)
        Image.fromarray(np.moveaxis(keyed, 0, -1).copy()).save(path.with_suffix(".png"), transparency=(7, 8, 9))
        return path.with_suffix(".png")
    if how == "alpha tif":
        layered = np.concatenate([image, np.where(HOLE, 0, 255).astype(np.uint8)[None]])
        return write_raster(path, layered, alpha=4)
    if how == "nodata":
        return write_raster(path, np.where(HOLE, 0, image).astype(np.uint8), nodata=0)
    write_raster(path, image)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.where(HOLE, 0, 255).astype(np.uint8))
    return path


@pytest.mark.parametrize("how", ["alpha png", "colour key png", "alpha tif", "nodata", "internal mask"])
def test_missing_pixels_are_ignored_filled_and_left_out_of_statistics(tmp_path: Path, how: str) -> None:
    image = picture(*SIZE)
    read = record(declare(tmp_path / "x.tif", image, how), mask=write_mask(tmp_path / "m.png"))
    assert np.array_equal(read.missing(), HOLE)
    pixels, mask = read.read()
    assert mask is not None
    assert np.array_equal(mask, np.where(HOLE, IGNORE_INDEX, 1))
    assert np.array_equal(pixels[:, ~HOLE], image[:, ~HOLE])
    valid = image[:, ~HOLE].astype(float)
    assert np.array_equal(pixels[:, HOLE], np.repeat(np.rint(valid.mean(axis=1))[:, None], HOLE.sum(), axis=1))
    assert pixels.dtype == np.uint8
    found = compute_statistics([read], RecordCache(0), RGB)
    np.testing.assert_allclose(found.mean, valid.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.std, valid.std(axis=1), rtol=1e-12)


@pytest.mark.parametrize("how", ["alpha png", "nodata", "internal mask"])
def test_windows_are_parts_of_the_whole(tmp_path: Path, how: str) -> None:
    path, mask = declare(tmp_path / "x.tif", picture(*SIZE), how), write_mask(tmp_path / "m.png")
    image, labels = record(path, mask=mask).read()
    for window in (Window(15, 2, 12, 20), Window(0, 5, 8, 8), Window(30, 0, 10, 30)):
        part, truth = record(path, mask=mask).read(window)  # a new record: what fills it must not depend on windows
        assert np.array_equal(part, window.of(image))
        assert labels is not None
        assert np.array_equal(truth, window.of(labels))


def test_training_and_maps_miss_the_same_pixels(tmp_path: Path) -> None:
    image = picture(*SIZE)
    image[1, PIXEL] = 0  # one band alone may well be black
    path = write_raster(tmp_path / "x.tif", np.where(HOLE, 0, image).astype(np.uint8), nodata=0)
    with open_scene(path, RGB) as scene:
        _, valid = scene.read((0, SIZE[0]), (0, SIZE[1]))
    assert np.array_equal(record(path).missing(), ~valid)
    assert np.array_equal(~valid, HOLE)


@pytest.mark.parametrize("nodata", [-9999.0, np.nan])
def test_nodata_outside_the_range(tmp_path: Path, nodata: float) -> None:
    image = decibel()
    image[image == -9999] = nodata
    image[1, PIXEL] = nodata  # one band suffices
    read = record(write_raster(tmp_path / "x.tif", image, nodata=nodata), DECIBEL)
    assert np.array_equal(read.missing(), HOLE | PIXEL)
    pixels, _ = read.read()
    assert -20 <= pixels.min() <= pixels.max() <= -5
    assert pixels.dtype == np.float32
    found = compute_statistics([read], RecordCache(0), DECIBEL)
    valid = image[:, ~(HOLE | PIXEL)].astype(float)
    np.testing.assert_allclose(found.mean, valid.mean(axis=1), rtol=1e-12)


def test_undeclared_nan_is_an_error_still(tmp_path: Path) -> None:
    image = decibel()
    image[1, 30, 5] = np.nan
    with pytest.raises(DataError, match=r"x\.tif holds NaN or infinite values in the band\(s\) VH.*-a_nodata nan"):
        record(write_raster(tmp_path / "x.tif", image, nodata=-9999), DECIBEL).read()


def test_overviews_made_before_nodata_was_declared_do_not_fill(tmp_path: Path) -> None:
    image = np.full((1, 2048, 2048), -10, np.float32)
    image[:, 1::2] = -9999
    path = write_raster(tmp_path / "x.tif", image, tiled=True)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], rasterio.enums.Resampling.average)
    with rasterio.open(path, "r+") as dataset:
        dataset.nodata = -9999
    part, _ = record(path, Sensor(("VV",), "dB", 30.0)).read(Window(0, 0, 64, 64))
    assert (part == -10).all()


def test_an_image_without_any_valid_pixel(tmp_path: Path) -> None:
    image = np.full((2, *SIZE), -9999, np.float32)
    read = record(write_raster(tmp_path / "x.tif", image, nodata=-9999), DECIBEL, write_mask(tmp_path / "m.png"))
    pixels, mask = read.read()
    assert (pixels == 0).all()
    assert mask is not None
    assert (mask == IGNORE_INDEX).all()
    with pytest.raises(DataError, match="at least one pixel that is not missing"):
        compute_statistics([read], RecordCache(0), DECIBEL)
    whole = record(write_raster(tmp_path / "y.tif", decibel(), nodata=-9999), DECIBEL)
    both = compute_statistics([read, whole], RecordCache(0), DECIBEL)
    assert both == compute_statistics([whole], RecordCache(0), DECIBEL)


def test_files_without_holes_are_not_asked(tmp_path: Path) -> None:
    Image.fromarray(np.moveaxis(picture(*SIZE), 0, -1).copy()).save(tmp_path / "x.png")
    write_raster(tmp_path / "x.tif", picture(*SIZE))
    for name in ("x.png", "x.tif"):
        read = record(tmp_path / name)
        (tmp_path / name).unlink()
        assert read.missing() is None
    assert ArrayRecord("a", picture(4, 4)).missing() is None


def test_user_may_take_alpha_for_a_band(tmp_path: Path) -> None:
    path = declare(tmp_path / "x.tif", picture(*SIZE), "alpha tif")
    header = read_header(path)
    assert header.alpha == (4,)
    four = FileRecord("x", path, None, header, (1, 2, 3, 4), Sensor(("r", "g", "b", "n")), None)
    assert not four.missing().any()  # type: ignore[union-attr]
    assert len(four.read()[0]) == 4


def test_resized_records_miss_what_their_masks_ignore(tmp_path: Path) -> None:
    path = declare(tmp_path / "x.tif", picture(*SIZE), "alpha png")
    resized = Resized(record(path, mask=write_mask(tmp_path / "m.png")), (57, 13))
    missing, (image, mask) = resized.missing(), resized.read()
    assert missing is not None
    assert mask is not None
    assert missing.shape == image.shape[1:] == (57, 13)
    assert np.array_equal(missing, mask == IGNORE_INDEX)
    window = Window(3, 2, 30, 7)
    assert np.array_equal(resized.missing(window), window.of(missing))
    assert Resized(ArrayRecord("a", picture(4, 4)), (5, 5)).missing() is None


class _Labelled(ImageRecord):
    """Half of the pixels have no label, and none is missing."""

    def read(self, window: Window | None = None) -> tuple[np.ndarray, np.ndarray]:
        image = picture(self.height, self.width)
        mask = np.where(np.arange(self.width) < 5, IGNORE_INDEX, 0).astype(np.uint8)[None].repeat(self.height, 0)
        return (image, mask) if window is None else (window.of(image), window.of(mask))


def test_ignored_pixels_count_in_statistics() -> None:
    found = compute_statistics([_Labelled("a", 8, 10)], RecordCache(0), RGB)
    np.testing.assert_allclose(found.mean, picture(8, 10).reshape(3, -1).mean(axis=1), rtol=1e-12)


# Masks


def folder(root: Path, mask: dict[str, Any], **options: Any) -> FolderSegmentationDataModule:
    """Five images in dB, half of each missing, with masks of 1 and 2, and 255 where there is no label."""
    (root / "images").mkdir()
    (root / "masks").mkdir()
    for number in range(5):
        place = {"transform": POLAND @ Affine.translation(1000 * number, 0)}
        write_raster(root / "images" / f"{number}.tif", decibel(number), nodata=-9999, **place)
        values = np.where(np.arange(SIZE[1]) < 15, 1, 2).astype(np.uint8)[None].repeat(SIZE[0], 0)
        values[30:] = 255
        write_raster(root / "masks" / f"{number}.tif", values[None], **place, **mask)
    write_csv(root / "folds.csv", [{"name": str(n), "scene": n, "fold": n} for n in range(5)])
    return FolderSegmentationDataModule(str(root), unit="dB", scale=30.0, crop_size=8, **options)


def test_declared_nodata_of_masks_is_no_class(tmp_path: Path) -> None:
    data = folder(tmp_path, {"nodata": 255})
    data.setup("fit")
    assert data.targets.classes == ("class 1", "class 2")
    _, mask = data.records("train")[0].read()
    expected = np.where(np.arange(SIZE[1]) < 15, 0, 1)[None].repeat(SIZE[0], 0)
    assert mask is not None
    assert np.array_equal(mask, np.where(HOLE | (np.arange(SIZE[0]) >= 30)[:, None], IGNORE_INDEX, expected))
    assert all(-20 < mean < -5 for mean in data.statistics["image"].mean)
    assert max(data.statistics["image"].std) < 5
    found = inspect(lambda fold: FolderSegmentationDataModule(str(tmp_path), unit="dB", scale=30.0, fold=fold or 0))
    assert found.clean
    assert list(found.classes) == ["class 1", "class 2"]
    assert found.ignored == pytest.approx((mask == IGNORE_INDEX).mean())


def test_nodata_that_one_mask_declares_is_ignored_in_all(tmp_path: Path) -> None:
    data = folder(tmp_path, {"nodata": 255})
    with rasterio.open(tmp_path / "masks" / "2.tif", "r+") as mask:
        mask.nodata = None
    data.setup("fit")
    assert data.targets.classes == ("class 1", "class 2")
    assert data.class_map.ignore == (255,)


def test_classes_that_somebody_names_go_before_nodata(tmp_path: Path) -> None:
    named = folder(tmp_path, {"nodata": 255}, classes={1: "a", 2: "b", 255: "c"})
    named.setup("fit")
    _, mask = named.records("train")[0].read()
    assert mask is not None
    assert (mask[30:] == 2).all()
    others = FolderSegmentationDataModule(str(tmp_path), unit="dB", scale=30.0, classes={1: "a", 2: "b"})
    others.setup("fit")
    _, mask = others.records("train")[0].read()
    assert mask is not None
    assert (mask[30:] == IGNORE_INDEX).all()


def test_values_that_are_not_declared_are_refused_as_ever(tmp_path: Path) -> None:
    data = folder(tmp_path, {}, classes={1: "a", 2: "b"})
    data.setup("fit")
    with pytest.raises(DataError, match="holds values 255"):
        data.records("train")[0].read()


@pytest.mark.parametrize("kind", ["grey with alpha", "colours with alpha", "tif with alpha", "masked tif"])
def test_hidden_pixels_of_masks_are_ignored_whatever_they_hold(tmp_path: Path, kind: str) -> None:
    image, path = tmp_path / "x.png", tmp_path / "m.png"
    Image.fromarray(np.moveaxis(picture(*SIZE), 0, -1).copy()).save(image)
    opacity = np.where(HOLE, 0, 255).astype(np.uint8)
    values = np.where(HOLE, 77, 1).astype(np.uint8)  # 77 is no class
    class_map = ClassMap(("a", "b"))
    if kind == "grey with alpha":
        Image.fromarray(np.stack([values, opacity], axis=-1)).save(path)
    elif kind == "colours with alpha":
        Image.fromarray(np.stack([values, values, values, opacity], axis=-1)).save(path)
        class_map = ClassMap(("a", "b"), colours={0: (0, 0, 0), 1: (1, 1, 1)})
    elif kind == "tif with alpha":
        path = write_raster(tmp_path / "m.tif", np.stack([values, opacity]), alpha=2)
    else:
        path = write_raster(tmp_path / "m.tif", values[None])
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
            dataset.write_mask(opacity)
    header = read_header(image)
    read = FileRecord("x", image, path, header, header.indexes, RGB, class_map)
    _, mask = read.read()
    assert np.array_equal(mask, np.where(HOLE, IGNORE_INDEX, 1))
    assert read.missing() is None  # the image is all there
    _, part = read.read(Window(15, 2, 12, 20))
    assert np.array_equal(part, Window(15, 2, 12, 20).of(np.where(HOLE, IGNORE_INDEX, 1)))


def assert_classes_and_hole(root: Path, classes: tuple[str, ...]) -> None:
    """Assert that a folder has these classes, and that its masks ignore the hole alone."""
    data = FolderSegmentationDataModule(str(root), num_folds=3)
    data.setup("fit")
    assert data.targets.classes == classes
    _, mask = data.records("train")[0].read()
    assert mask is not None
    assert np.array_equal(mask == IGNORE_INDEX, HOLE)


def test_transparent_index_of_a_palette_is_no_class(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(3):
        Image.fromarray(np.moveaxis(picture(*SIZE), 0, -1).copy()).save(tmp_path / "images" / f"{number}.png")
        index = Image.fromarray(np.where(HOLE, 3, np.arange(SIZE[1]) % 2).astype(np.uint8))
        index.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9])
        index.save(tmp_path / "masks" / f"{number}.png", transparency=b"\xff\xff\xff\x00")
    assert_classes_and_hole(tmp_path, ("class 0", "class 1"))


def test_hidden_colours_are_no_class(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    colours = np.array([[255, 0, 0], [0, 255, 0], [1, 2, 3]], np.uint8)[np.where(HOLE, 2, np.arange(SIZE[1]) % 2)]
    for number in range(3):
        write_tiff(tmp_path / "images" / f"{number}.tif", picture(*SIZE))
        layered = np.dstack([colours, np.where(HOLE, 0, 255).astype(np.uint8)])
        Image.fromarray(layered).save(tmp_path / "masks" / f"{number}.png")
    assert_classes_and_hole(tmp_path, ("colour #00ff00", "colour #ff0000"))
