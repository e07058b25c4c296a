import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from hqzoo.data.files.readers import FileRecord, read_header
from hqzoo.data.sensor import Sensor
from hqzoo.errors import DataError, SceneError, SensorError
from hqzoo.scenes.fitting import check_scene
from hqzoo.scenes.scene import open_scene
from tests.fixtures.scenes import POLAND, RGB, picture, write_raster

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
    [("uint8", Sensor(RGB.bands, "reflectance x 1e4", 10000)), ("int8", RGB)],
)
def test_integer_types_of_another_range(tmp_path: Path, dtype: str, sensor: Sensor) -> None:
    path = write_raster(tmp_path / "s.tif", (picture(30, 40) // 2).astype(dtype))
    with pytest.raises(SensorError, match=rf"{dtype} \(values to \d+\).*full scale {sensor.scale:g}"):
        check(path, sensor)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32"])
def test_8_bit_values_pass_in_any_box_and_larger_ones_in_none(tmp_path: Path, dtype: str) -> None:
    image = picture(700, 40).astype(dtype)
    path = write_raster(tmp_path / "s.tif", image)
    check(path)
    image[1, 300:400] = 256
    with pytest.raises(SensorError, match=rf"s\.tif is {dtype} with values up to 256.*full scale 255"):
        check(write_raster(tmp_path / "s.tif", image))
    image[1, 300:400] = 1023
    check(write_raster(tmp_path / "s.tif", image, nodata=1023))  # missing pixels are not judged


def test_values_beyond_the_sample_are_refused_when_they_are_read(tmp_path: Path) -> None:
    image = picture(700, 600).astype(np.uint16)
    image[0, 600:, :50] = 4000
    with open_scene(write_raster(tmp_path / "s.tif", image), RGB) as scene:
        check_scene(scene, RGB)
        with pytest.raises(SensorError, match="values up to 4000"):
            scene.read((500, 700), (0, 600))


def stored(path: Path, image: np.ndarray, sensor: Sensor) -> Path:
    write_raster(path, image)
    return edit(path, descriptions=sensor.bands)


@pytest.mark.parametrize(
    ("dtype", "values", "scale"),
    [
        ("uint8", (0, 255), 255),
        ("uint8", (0, 255), 1),
        ("uint8", (0, 255), 10_000),
        ("int8", (0, 127), 255),
        ("uint16", (0, 255), 255),
        ("int16", (-100, 255), 255),
        ("uint16", (0, 4000), 255),
        ("uint16", (0, 15_000), 10_000),
        ("uint16", (0, 65_535), 10_000),
        ("uint16", (0, 60_000), 65_535),
        ("int16", (0, 30_000), 65_535),
        ("float32", (0, 1), 1),
        ("float32", (0, 1), 255),
        ("float32", (0, 255), 255),
        ("float32", (0, 400), 255),
        ("float32", (0, 10_000), 255),
        ("float64", (-20, -5), 30),
    ],
)
def test_maps_take_what_training_takes_and_nothing_else(
    tmp_path: Path, dtype: str, values: tuple[int, int], scale: float
) -> None:
    rng = np.random.default_rng(0)
    image = (rng.uniform(*values, (3, 300, 40)) + 0.5 * (dtype[0] in "ui")).astype(dtype)
    sensor = Sensor(("a", "b", "c"), "amount", scale)
    path = stored(tmp_path / "s.tif", image, sensor)
    header = read_header(path)
    record = FileRecord("s", path, None, header, header.indexes, sensor, None)
    try:
        record.read()
    except DataError:
        with pytest.raises(SensorError):
            check(path, sensor)
    else:
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
    with open_scene(edit(path, descriptions=("B4", "B3", "B2", "B8")), SENTINEL) as scene:
        check_scene(scene, SENTINEL)
        with rasterio.open(path) as file:
            assert np.array_equal(scene.read((0, 30), (0, 40))[0], file.read([3, 2, 1, 4]))
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
    colours = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)
    with open_scene(edit(path, colorinterp=colours), RGB) as scene:  # these somebody has written
        check_scene(scene, RGB)
        assert scene.bands == (3, 2, 1)


def test_a_scene_of_zeros_that_declares_no_nodata_is_told(tmp_path: Path) -> None:
    image = picture(300, 400)
    image[:, :, 150:] = 0
    with pytest.warns(UserWarning, match=r"\d\d% of a sample .* declares no nodata.*-a_nodata 0"):
        check(write_raster(tmp_path / "s.tif", image))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(write_raster(tmp_path / "s.tif", image, nodata=0))
        check(write_raster(tmp_path / "s.tif", picture(300, 400)))
    with pytest.warns(UserWarning, match="nothing but 0 and 1"):
        check(write_raster(tmp_path / "s.tif", picture(30, 40) % 2))


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


@pytest.mark.parametrize(
    ("gsd", "crs", "transform", "fits"),
    [
        (0.25, "EPSG:2180", POLAND, True),
        (0.5, "EPSG:2180", POLAND, True),
        (0.125, "EPSG:2180", POLAND, True),
        (0.51, "EPSG:2180", POLAND, False),
        (10.0, "EPSG:2180", POLAND, False),
        (0.1, "EPSG:2180", POLAND, False),
        (None, "EPSG:2180", POLAND, True),
        (10.0, None, POLAND, True),  # nobody knows in which unit
        (0.3, "EPSG:2225", Affine(1, 0, 6_000_000, 0, -1, 2_000_000), True),  # US feet
        (1.0, "EPSG:2225", Affine(1, 0, 6_000_000, 0, -1, 2_000_000), False),
        (10.0, "EPSG:4326", Affine(9e-5, 0, 20, 0, -9e-5, 0), True),  # 10.02 m at the equator
        (10.0, "EPSG:4326", Affine(9e-5, 0, 20, 0, -9e-5, 52), True),  # 10.02 m by 6.17 m
        (1.0, "EPSG:4326", Affine(9e-5, 0, 20, 0, -9e-5, 52), False),
    ],
)
def test_resolution(tmp_path: Path, gsd: float | None, crs: str | None, transform: Affine, fits: bool) -> None:
    path = write_raster(tmp_path / "s.tif", picture(30, 40), crs=crs, transform=transform)
    sensor = Sensor(RGB.bands, gsd=gsd)
    if fits:
        check(path, sensor)
        return
    with pytest.raises(
        SensorError, match=rf"s\.tif is .* m wide; .* trained on pixels of {gsd:g} m.*gdalwarp -tr {gsd:g}"
    ):
        check(path, sensor)


def test_the_remedy_for_another_resolution_mends_it(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", picture(32, 40))
    sensor = Sensor(RGB.bands, gsd=1.0)
    with pytest.raises(SensorError, match=r"gdalwarp -tr 1 1 -r average"):
        check(path, sensor)
    coarse = picture(32, 40).reshape(3, 8, 4, 10, 4).mean((2, 4)).astype(np.uint8)
    check(write_raster(tmp_path / "t.tif", coarse, transform=POLAND @ Affine.scale(4)), sensor)
