from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from hqzoo.data.sensor import Sensor
from hqzoo.errors import SceneError
from hqzoo.scenes.scene import open_scene
from tests.fixtures.scenes import RGB, picture, write_raster

WHOLE = ((0, 8), (0, 10))
REFLECTANCE = Sensor(("red", "green", "blue"), "reflectance x 1e4", 10000)


def valid_pixels(path: Path, sensor: Sensor = RGB) -> np.ndarray:
    with open_scene(path, sensor) as scene:
        image, valid = scene.read(*WHOLE)
    assert image.shape == (3, 8, 10)
    return valid


def test_reads_a_part_in_the_files_own_type(tmp_path: Path) -> None:
    image = picture(20, 30).astype(np.uint16) * 30
    with open_scene(write_raster(tmp_path / "s.tif", image), REFLECTANCE) as scene:
        part, valid = scene.read((3, 9), (5, 25))
        assert scene.dtype == np.uint16
    np.testing.assert_array_equal(part, image[:, 3:9, 5:25])
    assert valid.all()


@pytest.mark.parametrize("position", [1, 4])
def test_alpha_is_mask_wherever_it_stands(tmp_path: Path, position: int) -> None:
    image = picture(8, 10, bands=4)
    image[position - 1] = 255
    image[position - 1, 2, 3] = 0
    image[position - 1, 4, 5] = 1  # nearly transparent still is imagery
    path = write_raster(tmp_path / "s.tif", image, alpha=position)
    with open_scene(path, RGB) as scene:
        read, valid = scene.read(*WHOLE)
        assert scene.alpha == (position,)
    np.testing.assert_array_equal(read, np.delete(image, position - 1, axis=0))
    assert np.argwhere(~valid).tolist() == [[2, 3]]


def test_alpha_of_another_type_than_the_imagery(tmp_path: Path) -> None:
    image = np.full((4, 8, 10), 0.5, dtype=np.float32)
    image[3] = 255
    image[3, 1, 1] = 0
    tif = write_raster(tmp_path / "s.tif", image, alpha=4)
    with rasterio.open(tif) as source:
        copy(source, tmp_path / "s.vrt", driver="VRT")
    text = (tmp_path / "s.vrt").read_text()
    last = text.rindex('dataType="Float32"')
    (tmp_path / "s.vrt").write_text(text[:last] + 'dataType="Byte"' + text[last + len('dataType="Float32"') :])
    valid = valid_pixels(tmp_path / "s.vrt", Sensor(RGB.bands, "reflectance", 1.0))
    assert np.argwhere(~valid).tolist() == [[1, 1]]


def test_nodata_inside_the_range_needs_all_bands(tmp_path: Path) -> None:
    image = picture(8, 10)
    image[:, 1, 2] = 0  # missing
    image[2, 5, 5] = 0  # a pixel without blue
    assert np.argwhere(~valid_pixels(write_raster(tmp_path / "s.tif", image, nodata=0))).tolist() == [[1, 2]]


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -9999), ("uint16", 65535), ("float32", np.nan)])
def test_nodata_outside_the_range_needs_one_band(tmp_path: Path, dtype: str, nodata: float) -> None:
    image = picture(8, 10).astype(dtype)
    image[1, 5, 5] = nodata
    path = write_raster(tmp_path / "s.tif", image, nodata=nodata)
    assert np.argwhere(~valid_pixels(path, REFLECTANCE)).tolist() == [[5, 5]]


def test_nodata_and_alpha_both_count(tmp_path: Path) -> None:
    image = picture(8, 10, bands=4)
    image[3] = 255
    image[3, 0, 0] = 0
    image[:3, 1, 1] = 0
    path = write_raster(tmp_path / "s.tif", image, alpha=4, nodata=0)
    assert np.argwhere(~valid_pixels(path)).tolist() == [[0, 0], [1, 1]]


def test_internal_mask_counts(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", picture(8, 10))
    mask = np.full((8, 10), 255, dtype=np.uint8)
    mask[6, 7] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    assert np.argwhere(~valid_pixels(path)).tolist() == [[6, 7]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_undeclared_nan_is_an_error_that_names_the_pixel(tmp_path: Path, value: float) -> None:
    image = picture(8, 10).astype(np.float32)
    image[1, 4, 6] = value
    path = write_raster(tmp_path / "s.tif", image)
    with (
        open_scene(path, RGB) as scene,
        pytest.raises(SceneError, match=r"s\.tif .* row 4, column 6.*nodata"),
    ):
        scene.read((2, 8), (3, 10))


def test_missing_file_and_no_raster(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"absent\.tif"), open_scene(tmp_path / "absent.tif", RGB):
        pass
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    with pytest.raises(SceneError, match=r"text\.tif"), open_scene(text, RGB):
        pass


@pytest.mark.parametrize("suffix", ["tif", "jpg", "png"])
def test_truncated_file_names_the_scene(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"s.{suffix}"
    options = {
        "tif": {"driver": "GTiff", "compress": "deflate"},
        "jpg": {"driver": "JPEG"},
        "png": {"driver": "PNG"},
    }
    write_raster(path, picture(300, 300), **options[suffix])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SceneError, match=rf"scene .*s\.{suffix}"), open_scene(path, RGB) as scene:
        scene.read((0, 300), (0, 300))
