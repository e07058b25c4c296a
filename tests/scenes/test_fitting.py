from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from hqzoo.data.sensor import Sensor
from hqzoo.errors import SceneError, SensorError
from hqzoo.scenes.fitting import check_scene
from hqzoo.scenes.scene import open_scene
from tests.fixtures.scenes import RGB, picture, write_raster

SENTINEL = Sensor(("B02", "B03", "B04", "B08"), "reflectance x 1e4", 10000)


def check(path: Path, sensor: Sensor = RGB) -> None:
    with open_scene(path, sensor) as scene:
        check_scene(scene, sensor)


def edit(path: Path, **attributes: Any) -> Path:
    with rasterio.open(path, "r+") as dataset:
        for name, value in attributes.items():
            setattr(dataset, name, value)
    return path


def test_fitting_scenes_pass(tmp_path: Path) -> None:
    check(write_raster(tmp_path / "rgb.tif", picture(300, 400)))
    check(write_raster(tmp_path / "rgba.tif", picture(30, 40, bands=4), alpha=4))
    check(write_raster(tmp_path / "float.tif", picture(30, 40).astype(np.float32)))
    check(write_raster(tmp_path / "s2.tif", picture(30, 40, bands=4).astype(np.uint16) * 40), SENTINEL)
    check(write_raster(tmp_path / "s2f.tif", picture(30, 40, bands=4).astype(np.float64) * 40), SENTINEL)
    check(write_raster(tmp_path / "black.tif", np.zeros((3, 30, 40), dtype=np.uint8)))
    check(
        write_raster(tmp_path / "empty.tif", np.full((3, 30, 40), -1, dtype=np.int16), nodata=-1),
        Sensor(RGB.bands, "m", 900),
    )
    decibel = np.random.default_rng(0).normal(-12, 4, (2, 30, 40)).astype(np.float32)
    check(write_raster(tmp_path / "sar.tif", decibel), Sensor(("VV", "VH"), "dB", 30))


def test_number_of_bands(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match=r"s\.tif has 1 bands; the model takes 3 \(red, green, blue\)"):
        check(write_raster(tmp_path / "s.tif", picture(30, 40, bands=1)))
    with pytest.raises(SensorError, match=r"has 4 bands; the model takes 3.*gdal_translate -b"):
        check(write_raster(tmp_path / "four.tif", picture(30, 40, bands=4)))


def test_alpha_band_of_a_four_band_model_says_how_to_mend_it(tmp_path: Path) -> None:
    sensor = Sensor(("red", "green", "blue", "nir"))
    path = write_raster(tmp_path / "s.tif", picture(30, 40, bands=4), alpha=4)
    with pytest.raises(SensorError, match=r"3 bands and an alpha band \(number 4\).*-colorinterp_4 undefined"):
        check(path, sensor)
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
    check(edit(path, colorinterp=colours), sensor)


def test_colour_table(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", picture(30, 40, bands=1))
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {0: (1, 2, 3, 255)})
    with pytest.raises(SensorError, match="-expand rgb"):
        check(path)


@pytest.mark.parametrize(
    ("dtype", "sensor"),
    [
        ("uint16", RGB),
        ("int32", RGB),
        ("uint8", Sensor(RGB.bands, "reflectance x 1e4", 10000)),
        ("int8", RGB),
    ],
)
def test_integer_types_of_another_range(tmp_path: Path, dtype: str, sensor: Sensor) -> None:
    path = write_raster(tmp_path / "s.tif", (picture(30, 40) // 2).astype(dtype))
    with pytest.raises(SensorError, match=rf"{dtype} \(values to \d+\).*full scale {sensor.scale:g}"):
        check(path, sensor)


def test_complex_numbers(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="complex64"):
        check(write_raster(tmp_path / "s.tif", picture(30, 40).astype(np.complex64)))


@pytest.mark.parametrize(
    ("values", "scale"),
    [((0, 1), 255), ((0, 1), 10000), ((0, 10000), 1), ((0, 65535), 10000)],
)
def test_values_of_another_range(tmp_path: Path, values: tuple[float, float], scale: float) -> None:
    image = np.random.default_rng(0).uniform(*values, (3, 600, 40)).astype(np.float32)
    with pytest.raises(SensorError, match=r"s\.tif do not fit: in a sample they go from"):
        check(write_raster(tmp_path / "s.tif", image), Sensor(RGB.bands, "reflectance", scale))


def test_descriptions_in_another_order(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", picture(30, 40, bands=4).astype(np.uint16) * 40)
    with pytest.raises(SensorError, match=r"Band 1 .* is 'b4'; the model expects 'b2' there"):
        check(edit(path, descriptions=("B4", "B3", "B2", "B8")), SENTINEL)
    with pytest.raises(SensorError, match=r"Band 4 .* is 'b8a'; the model expects 'b8'"):
        check(edit(path, descriptions=("B02", "B03", "B04", "B8A")), SENTINEL)
    check(edit(path, descriptions=("B2, 490 nm", "B3", "B4", "")), SENTINEL)
    check(edit(path, descriptions=("blue", "green", "red", "nir")), SENTINEL)  # another vocabulary


def test_colours_count_only_where_they_name_the_sensors_bands(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", picture(30, 40))
    check(path, Sensor(("nir", "red", "green")))  # GDAL's default says red, green, blue: no evidence
    with pytest.raises(SensorError, match=r"Band 1 .* is 'red'; the model expects 'blue'"):
        check(path, Sensor(("blue", "green", "red")))
    check(path, Sensor(("R", "G", "B")))


def test_unit(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", picture(30, 40))
    with pytest.raises(SensorError, match=r"Band 1 .* is in 'dB'; the model takes 'digital number'"):
        check(edit(path, units=("dB", "dB", "dB")))
    check(edit(path, units=("DN", "Digital  number", "")))


def test_bands_of_several_types(tmp_path: Path) -> None:
    from rasterio.shutil import copy

    with rasterio.open(write_raster(tmp_path / "s.tif", picture(30, 40))) as source:
        copy(source, tmp_path / "s.vrt", driver="VRT")
    text = (tmp_path / "s.vrt").read_text().replace('dataType="Byte" band="2"', 'dataType="Float32" band="2"')
    (tmp_path / "s.vrt").write_text(text)
    with pytest.raises(SceneError, match="several types"):
        check(tmp_path / "s.vrt")
