import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hqzoo.data.sensor import Sensor
from hqzoo.data.tiling import Grid
from hqzoo.errors import ConfigError, SceneError, SensorError
from hqzoo.scenes import blending, map_scene
from tests.fixtures.scenes import (
    CLASSES,
    POLAND,
    ConstantTask,
    MapTask,
    PixelwiseTask,
    PositionTask,
    direct,
    picture,
    read,
    write_raster,
)

QUIET = {"progress": False}


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 110),
    width=st.integers(1, 110),
    side=st.sampled_from([32, 64]),
    overlap=st.sampled_from([0, 0.3, 0.5, 0.75]),
    batch_size=st.integers(1, 20),
)
def test_pixelwise_model_maps_as_it_predicts(
    height: int, width: int, side: int, overlap: float, batch_size: int
) -> None:
    image, task = picture(height, width), PixelwiseTask()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = write_raster(folder / "scene.tif", image)
        map_scene(
            task,
            scene,
            folder / "map.tif",
            window=side,
            overlap=overlap,
            batch_size=batch_size,
            probabilities=folder / "p.tif",
            **QUIET,
        )
        classes, probabilities = read(folder / "map.tif")[0], read(folder / "p.tif")
    expected = direct(task, image)
    np.testing.assert_allclose(probabilities, expected, atol=2e-6)
    np.testing.assert_array_equal(classes, probabilities.argmax(axis=0))
    assert max(task.batches) <= batch_size
    assert all(size == batch_size for size in task.batches[:-1])


def test_constant_model_leaves_no_seam(tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "scene.tif", picture(151, 217))
    for overlap in (0, 0.25, 0.5, 0.85):
        map_scene(
            ConstantTask(),
            scene,
            tmp_path / "map.tif",
            window=64,
            overlap=overlap,
            probabilities=tmp_path / "p.tif",
            **QUIET,
        )
        assert (read(tmp_path / "map.tif") == 1).all()
        probabilities = read(tmp_path / "p.tif")
        np.testing.assert_allclose(probabilities, np.broadcast_to(probabilities[:, :1, :1], (3, 151, 217)), atol=1e-6)
        np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)


def test_blending_equals_the_plain_weighted_mean_over_all_windows(tmp_path: Path) -> None:
    image, task, side, stride = picture(160, 96), PositionTask(), 64, 32
    map_scene(
        task,
        write_raster(tmp_path / "s.tif", image),
        tmp_path / "map.tif",
        window=side,
        probabilities=tmp_path / "p.tif",
        **QUIET,
    )
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    weights = np.outer(hann, hann)
    total, weight = np.zeros((3, 160, 96)), np.zeros((160, 96))
    for row in range(0, 160 - side + 1, stride):
        for column in range(0, 96 - side + 1, stride):
            part = np.s_[row : row + side, column : column + side]
            total[:, part[0], part[1]] += weights * direct(task, image[:, part[0], part[1]])
            weight[part] += weights
    np.testing.assert_allclose(read(tmp_path / "p.tif"), total / weight, atol=1e-5)


@pytest.mark.parametrize("blocks", [{}, {"tiled": True, "blockxsize": 128, "blockysize": 128}])
def test_strips_and_batches_change_nothing(tmp_path: Path, blocks: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(280, 1300)
    image[:, 60:180, 500:900] = 0
    scene = write_raster(tmp_path / "scene.tif", image, nodata=0, **blocks)
    results = []
    for memory, batch_size in [(blending.BAND_MEMORY, 16), (0, 16), (blending.BAND_MEMORY, 1), (0, 7)]:
        monkeypatch.setattr(blending, "BAND_MEMORY", memory)
        task = PositionTask()
        map_scene(
            task,
            scene,
            tmp_path / "map.tif",
            window=64,
            overlap=0.25,
            batch_size=batch_size,
            probabilities=tmp_path / "p.tif",
            **QUIET,
        )
        results.append((read(tmp_path / "map.tif"), read(tmp_path / "p.tif"), sum(task.batches)))
    for classes, probabilities, _ in results[1:]:
        np.testing.assert_array_equal(classes, results[0][0])
        np.testing.assert_allclose(probabilities, results[0][1], atol=1e-6)
    windows = [count for _, _, count in results]
    assert windows[0] == windows[2]
    assert windows[0] < windows[1] == windows[3] < 1.4 * windows[0]  # several strips were in fact used


def test_missing_pixels_stay_missing_and_do_not_spoil_others(tmp_path: Path) -> None:
    image = picture(200, 300).astype(np.float32)
    hole = np.zeros((200, 300), dtype=bool)
    hole[40:170, 20:180] = True  # larger than a window: some windows are skipped
    hole[7, 250] = True
    image[:, hole] = np.nan
    scene = write_raster(tmp_path / "scene.tif", image, nodata=np.nan)
    task = PixelwiseTask()
    map_scene(task, scene, tmp_path / "map.tif", window=64, probabilities=tmp_path / "p.tif", **QUIET)
    expected = direct(task, np.nan_to_num(image))
    classes, probabilities = read(tmp_path / "map.tif")[0], read(tmp_path / "p.tif")
    assert (classes[hole] == 255).all()
    assert np.isnan(probabilities[:, hole]).all()
    np.testing.assert_allclose(probabilities[:, ~hole], expected[:, ~hole], atol=2e-6)
    np.testing.assert_array_equal(classes[~hole], probabilities[:, ~hole].argmax(axis=0))
    places = Grid.over(200, 300, (64, 64), 0.5).places((0, 300))
    without = [place for place in places if hole[place[0] : place[0] + 64, place[1] : place[1] + 64].all()]
    assert without
    assert sum(task.batches) == len(places) - len(without)
    with rasterio.open(tmp_path / "p.tif") as dataset:
        assert np.isnan(dataset.nodata)


def test_wholly_missing_scene(tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "scene.tif", np.zeros((3, 400, 100), dtype=np.uint8), nodata=0)
    task = ConstantTask()
    map_scene(task, scene, tmp_path / "map.tif", window=32, **QUIET)
    assert (read(tmp_path / "map.tif") == 255).all()
    assert task.batches == []


def test_alpha_is_mask_not_band(tmp_path: Path) -> None:
    image = picture(100, 90, bands=4)
    image[3] = 255
    image[3, :30, :40] = 0
    task = PixelwiseTask()
    map_scene(task, write_raster(tmp_path / "s.tif", image, alpha=4), tmp_path / "map.tif", window=32, **QUIET)
    expected = np.where(image[3] == 0, 255, direct(task, image[:3]).argmax(axis=0))
    np.testing.assert_array_equal(read(tmp_path / "map.tif")[0], expected)


@pytest.mark.parametrize(
    ("dtype", "factor", "scale"), [("uint8", 1, 255), ("uint16", 40, 10000), ("float64", 1 / 255, 1)]
)
def test_rasters_of_every_type_reach_the_model_unscaled(
    tmp_path: Path, dtype: str, factor: float, scale: float
) -> None:
    image = (picture(70, 80, bands=5) * factor).astype(dtype)
    task = PixelwiseTask(Sensor(("a", "b", "c", "d", "e"), "reflectance", scale))
    map_scene(
        task,
        write_raster(tmp_path / "s.tif", image),
        tmp_path / "map.tif",
        window=32,
        probabilities=tmp_path / "p.tif",
        **QUIET,
    )
    np.testing.assert_allclose(read(tmp_path / "p.tif"), direct(task, image), atol=2e-6)


def test_small_probabilities(tmp_path: Path) -> None:
    image, task = picture(60, 50), PixelwiseTask()
    scene = write_raster(tmp_path / "s.tif", image)
    map_scene(
        task,
        scene,
        tmp_path / "map.tif",
        window=32,
        probabilities=tmp_path / "p.tif",
        probability_dtype="uint8",
        **QUIET,
    )
    with rasterio.open(tmp_path / "p.tif") as dataset:
        np.testing.assert_allclose(dataset.read() * dataset.scales[0], direct(task, image), atol=0.501 / 254)
        assert dataset.descriptions == CLASSES
        assert dataset.transform == POLAND


def test_window_is_the_one_that_the_model_takes(tmp_path: Path) -> None:
    class Sides(ConstantTask):
        def logits(self, image: Tensor) -> Tensor:
            sides.add(tuple(image.shape[2:]))
            return super().logits(image)

    sides: set[tuple[int, ...]] = set()
    scene = write_raster(tmp_path / "s.tif", picture(300, 280))
    map_scene(Sides(input_size=96), scene, tmp_path / "map.tif", **QUIET)
    assert sides == {(96, 96)}
    map_scene(Sides(), scene, tmp_path / "map.tif", **QUIET)
    assert sides == {(96, 96), (256, 256)}
    with pytest.raises(ConfigError, match="windows of 96 pixels, not 64"):
        map_scene(Sides(input_size=96), scene, tmp_path / "map.tif", window=64, **QUIET)
    sides.clear()
    patched = Sides()
    patched.model.size_multiple = (96, 128)  # Qu-Net with 3x4 patches
    map_scene(patched, scene, tmp_path / "map.tif", **QUIET)
    assert sides == {(384, 384)}
    with pytest.raises(ConfigError, match="multiple of 384 pixels, got 256"):
        map_scene(patched, scene, tmp_path / "map.tif", window=256, **QUIET)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overlap": 1.0}, r"overlap .* \[0, 1\)"),
        ({"overlap": -0.1}, "overlap"),
        ({"batch_size": 0}, "batch size"),
        ({"window": 100}, "multiple of 32"),
        ({"window": 0}, "multiple of 32"),
        ({"probabilities": "map.tif"}, "two names"),
        ({"probabilities": "p.tif", "probability_dtype": "int16"}, "int16"),
        ({"device": "gpu"}, "no device"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path: Path, arguments: dict, message: str) -> None:
    scene = write_raster(tmp_path / "s.tif", picture(40, 40))
    if "probabilities" in arguments:
        arguments = arguments | {"probabilities": tmp_path / arguments["probabilities"]}
    with pytest.raises(ConfigError, match=message):
        map_scene(ConstantTask(), scene, tmp_path / "map.tif", **QUIET, **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_scene_that_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "s.tif", picture(40, 40, bands=2))
    with pytest.raises(SensorError, match="2 bands"):
        map_scene(ConstantTask(), scene, tmp_path / "map.tif", **QUIET)
    task = ConstantTask()
    task.sensor = None
    with pytest.raises(SensorError, match="does not know"):
        map_scene(task, scene, tmp_path / "map.tif", **QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_truncated_scene_leaves_nothing(tmp_path: Path) -> None:
    blocks = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    scene = write_raster(tmp_path / "s.tif", picture(1500, 300), **blocks)
    content = scene.read_bytes()
    scene.write_bytes(content[: int(0.97 * len(content))])  # the check of the values sees nothing yet
    task = ConstantTask()
    with pytest.raises(SceneError, match=r"rows \d+ to \d+ of the scene .*s\.tif.*truncated"):
        map_scene(task, scene, tmp_path / "map.tif", window=64, **QUIET)
    assert sum(task.batches) > 100
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


class Interrupted(ConstantTask):
    def logits(self, image: Tensor) -> Tensor:
        if len(self.batches) == 3:
            raise KeyboardInterrupt
        return super().logits(image)


def test_ctrl_c_leaves_nothing_and_keeps_an_old_map(tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "s.tif", picture(600, 300))
    (tmp_path / "map.tif").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        map_scene(Interrupted(), scene, tmp_path / "map.tif", window=64, probabilities=tmp_path / "p.tif", **QUIET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif", "s.tif"]
    assert (tmp_path / "map.tif").read_text() == "old"


def test_progress_counts_every_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = picture(128, 128)
    image[:, :96] = 0
    scene = write_raster(tmp_path / "s.tif", image, nodata=0)
    map_scene(ConstantTask(), scene, tmp_path / "map.tif", window=32, overlap=0, batch_size=3)
    said = capsys.readouterr()
    assert "16/16" in said.err
    assert said.out == ""


@pytest.mark.real_data
def test_real_scene_with_constant_alpha(real_data: Path, tmp_path: Path) -> None:
    scene = sorted((real_data / "s2_korea" / "images").glob("*.tif"))[0]
    task = PixelwiseTask()
    map_scene(task, scene, tmp_path / "map.tif", window=128, **QUIET)
    with rasterio.open(scene) as source, rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.crs == source.crs == "EPSG:32652"
        assert dataset.transform == source.transform
        assert dataset.shape == source.shape
        expected = direct(task, source.read([1, 2, 3]))
        classes = dataset.read(1)
    # Where two classes are equally probable, rounding may decide.
    top = np.sort(expected, axis=0)
    clear = top[2] - top[1] > 1e-4
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(classes[clear], expected.argmax(axis=0)[clear])
    with pytest.raises(SensorError, match="alpha band"):
        map_scene(MapTask(Sensor(("red", "green", "blue", "nir"))), scene, tmp_path / "other.tif", **QUIET)


PEAKS = """
import resource, sys
from pathlib import Path
from hqzoo.scenes import map_scene
from tests.fixtures.scenes import ConstantTask

folder = Path(sys.argv[1])
for name in ("small.tif", "large.tif"):
    map_scene(ConstantTask(), folder / name, folder / "map.tif", window=256, overlap=0, progress=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_large(path: Path, height: int, width: int) -> None:
    tile = picture(512, width)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "crs": "EPSG:2180", "transform": POLAND}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512}
    with rasterio.open(path, "w", height=height, width=width, **profile, **blocks) as dataset:
        for row in range(0, height, 512):
            rows = min(512, height - row)
            dataset.write(tile[:, :rows], window=rasterio.windows.Window(0, row, width, rows))


def test_memory_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    # Both fill GDAL's cache. The large scene is larger by 113 MB as stored, 453 MB as probabilities.
    write_large(tmp_path / "small.tif", 3072, 6144)
    write_large(tmp_path / "large.tif", 9216, 6144)
    # The C library returns freed memory at once: the peak is what was needed, not what was kept in stock.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", PEAKS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    small, large = map(float, run.stdout.split())
    assert large - small < 40
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.shape == (9216, 6144)
