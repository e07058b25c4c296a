from pathlib import Path

import numpy as np
import pytest
import rasterio

from hqzoo.data.files.readers import FileRecord, read_header
from hqzoo.data.tiling import Grid
from hqzoo.scenes import rows
from hqzoo.scenes.rows import RowBuffer
from hqzoo.scenes.scene import Scene, open_scene
from tests.fixtures.scenes import RGB, picture, write_raster

BLOCKS = {
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 64},
    "rows": {"blockysize": 1},
    "one block": {"blockysize": 333, "compress": "deflate"},
}


class CountingScene(Scene):
    """Counts how often each row is read."""

    def __init__(self, dataset: rasterio.DatasetReader, scale: float) -> None:
        super().__init__(dataset, scale)
        self.reads = np.zeros(dataset.height, dtype=int)

    def read(self, rows, columns):
        self.reads[rows[0] : rows[1]] += 1
        return super().read(rows, columns)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_each_row_is_read_once_and_windows_are_right(tmp_path: Path, blocks: str, monkeypatch) -> None:
    monkeypatch.setattr(rows, "MAX_ROWS", 100)  # smaller than the single block
    image = picture(333, 200)
    path = write_raster(tmp_path / "s.tif", image, **BLOCKS[blocks])
    grid = Grid.over(333, 200, (32, 32), 0.4)
    with rasterio.open(path) as dataset:
        scene = CountingScene(dataset, RGB)
        strip = (70, 150)
        buffer = RowBuffer(scene, grid.reach(strip))
        for row, column in grid.places(strip):
            window, valid = buffer.window(row, column, (32, 32))
            np.testing.assert_array_equal(window, image[:, row : row + 32, column : column + 32])
            assert valid.all()
            assert window.dtype == image.dtype
    assert (scene.reads == 1).all()


def test_missing_pixels_hold_what_they_hold_in_training(tmp_path: Path) -> None:
    image = picture(64, 32).astype(np.float32)
    image[:, 5:10, 20:] = -9999
    path = write_raster(tmp_path / "s.tif", image, nodata=-9999)
    with open_scene(path, RGB) as scene:
        window, valid = RowBuffer(scene, (0, 32)).window(0, 0, (32, 32))
    assert window is not None
    np.testing.assert_array_equal(~valid, image[0, :32] == -9999)
    record = FileRecord("s", path, None, read_header(path), (1, 2, 3), RGB, None)
    np.testing.assert_allclose(window, record.read()[0][:, :32], rtol=1e-6)
    everywhere = image[0] != -9999
    np.testing.assert_allclose(window[:, 5, 20], image[:, everywhere].mean(axis=1), rtol=1e-6)


def test_nothing_valid_gives_no_image(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", np.zeros((3, 32, 40), dtype=np.uint8), nodata=0)
    with open_scene(path, RGB) as scene:
        window, valid = RowBuffer(scene, (0, 40)).window(0, 8, (32, 32))
    assert window is None
    assert not valid.any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 40), (20, 3)])
def test_small_scenes_are_reflected(tmp_path: Path, height: int, width: int) -> None:
    image = picture(height, width)
    with open_scene(write_raster(tmp_path / "s.tif", image), RGB) as scene:
        window, valid = RowBuffer(scene, (0, min(32, width))).window(0, 0, (32, 32))
    assert window is not None
    assert valid.shape == (height, min(32, width))
    # Reflection without repeating the border: 0 1 2 1 0 1 2 ...
    down = np.abs((np.arange(32) + height - 1) % max(2 * height - 2, 1) - (height - 1)) if height > 1 else [0] * 32
    across = np.abs((np.arange(32) + width - 1) % max(2 * width - 2, 1) - (width - 1)) if width > 1 else [0] * 32
    np.testing.assert_array_equal(window, image[:, down][:, :, across])
