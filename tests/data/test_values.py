"""Values that no declaration explains are refused, measurements are not; training and maps ask alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hqzoo.data import FolderSegmentationDataModule, Sensor
from hqzoo.data.files.readers import FileRecord, read_header
from hqzoo.data.values import unexplained
from hqzoo.errors import DataError, SensorError
from hqzoo.scenes.scene import open_scene
from tests.fixtures.folder import write_tiff
from tests.fixtures.scenes import write_raster

RNG = np.random.default_rng(0)


def with_fill(values: np.ndarray, fill: float, count: int = 100) -> np.ndarray:
    filled = values.copy()
    filled.ravel()[:count] = fill
    return filled


@pytest.mark.parametrize(
    ("values", "scale", "fill"),
    [
        (RNG.integers(200, 9000, 5000).astype(np.uint16), 10_000, 65_535),
        (RNG.integers(200, 9000, 5000).astype(np.int16), 10_000, -9999),
        (RNG.integers(200, 9000, 5000).astype(np.int16), 10_000, -32_768),
        (RNG.uniform(-25, 0, 5000).astype(np.float32), 30, -9999),
        (RNG.uniform(-25, 0, 5000).astype(np.float32), 30, np.finfo(np.float32).min),
        (RNG.uniform(0, 1, 5000), 1, 9.96921e36),
        (RNG.uniform(0, 1, 5000), 1, -9999),
    ],
)
def test_fills(values: np.ndarray, scale: float, fill: float) -> None:
    assert unexplained(values, scale) is None
    assert unexplained(with_fill(values, fill), scale) == pytest.approx(fill)


def test_measurements_are_none() -> None:
    assert unexplained(RNG.gamma(0.5, 0.5, 5000), 1) is None  # backscatter of a town: rare, bright, all different
    assert unexplained(with_fill(RNG.integers(200, 9000, 5000).astype(np.uint16), 28_000, 3), 10_000) is None  # glints
    assert unexplained(np.clip(RNG.normal(-20, 5, 5000), -60, 0), 30) is None
    assert unexplained(with_fill(RNG.uniform(100, 900, 5000), 250.0), 100) is None  # a lake among hills
    assert unexplained(np.zeros(0), 1) is None
    assert unexplained(np.full(50, 255, np.uint8), 255) is None


@pytest.mark.parametrize("declared", [None, -9999])
def test_training_and_maps_refuse_a_fill_beside_the_declared_nodata(tmp_path: Path, declared: float | None) -> None:
    image = RNG.uniform(-25, 0, (2, 600, 50)).astype(np.float32)
    image[:, :5] = -9999 if declared is not None else -10
    image[:, -30:, :3] = -32_768  # no sample along the diagonal holds it
    sensor = Sensor(("VV", "VH"), "dB", 30)
    path = write_raster(tmp_path / "x.tif", image, nodata=declared)
    header = read_header(path)
    with pytest.raises(DataError, match=r"x\.tif holds the value -32768, .*-a_nodata -32768"):
        FileRecord("x", path, None, header, header.indexes, sensor, None).read()
    with (
        open_scene(path, sensor) as scene,
        pytest.raises(SensorError, match=r"value -32768 .*-a_nodata -32768"),
    ):
        scene.read((500, 600), (0, 50))


@pytest.mark.parametrize("top", [1.0, 1.3])
def test_shares_of_full_scale_are_refused_also_a_little_beyond_one(tmp_path: Path, top: float) -> None:
    path = write_raster(tmp_path / "x.tif", RNG.uniform(-0.01, top, (3, 40, 40)).astype(np.float32))
    header = read_header(path)
    with pytest.raises(DataError, match="Set `scale: 1`"):
        FileRecord("x", path, None, header, header.indexes, Sensor(header.bands), None).read()


def test_images_of_zeros_and_ones_are_told(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        pixels = RNG.integers(0, 2, (3, 16, 16)).astype(np.uint8)
        write_tiff(tmp_path / "images" / f"{number}.tif", pixels)
        write_tiff(tmp_path / "masks" / f"{number}.tif", pixels[:1])
    data = FolderSegmentationDataModule(str(tmp_path))
    with pytest.warns(UserWarning, match="hardly exceed 1 .*`scale: 1`"):
        assert data.statistics
    data = FolderSegmentationDataModule(str(tmp_path), scale=1.0)
    assert data.statistics["image"].mean[0] == pytest.approx(0.5, abs=0.2)
