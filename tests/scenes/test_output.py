import resource
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.shutil import copy

from hqzoo.errors import SceneError
from hqzoo.scenes.content import class_content, probability_content
from hqzoo.scenes.output import GeoTiff, write_together
from hqzoo.scenes.scene import Scene, open_scene
from tests.fixtures.scenes import CLASSES, PALETTE, POLAND, RGB, picture, read, write_raster

CONTENT = class_content(CLASSES, PALETTE)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_scene(write_raster(tmp_path / "scene.tif", picture(300, 520)), RGB) as opened:
        yield opened


def write_noise(*files: GeoTiff, height: int = 300, width: int = 520) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 255, (1, height, width), dtype=np.uint8)
    with write_together(*files):
        for file in files:
            for row in range(0, height, 256):
                file.write(row, 0, pixels[:, row : row + 256])
    return pixels


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes: writing then fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_pixels_grid_colours_and_names(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "map.tif"
    pixels = write_noise(GeoTiff(path, CONTENT, scene))
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), pixels)
        assert dataset.crs == "EPSG:2180"
        assert dataset.transform == POLAND
        assert dataset.nodata == 255
        assert dataset.profile["tiled"]
        assert dataset.profile["compress"] == "deflate"
        assert {index: dataset.colormap(1)[index][:3] for index in range(3)} == dict(enumerate(PALETTE))
        assert dataset.colormap(1)[255] == (0, 0, 0, 0)
        assert [dataset.tags(1)[f"CLASS_{index}"] for index in range(3)] == list(CLASSES)
        # GDAL itself finds the category names: a VRT made of the map carries them.
        copy(dataset, tmp_path / "map.vrt", driver="VRT")
    categories = ET.parse(tmp_path / "map.vrt").getroot().findall(".//CategoryNames/Category")
    assert [category.text for category in categories] == list(CLASSES)
    assert names(tmp_path) == ["map.tif", "map.tif.aux.xml", "map.vrt", "scene.tif"]


@pytest.mark.parametrize("transform", [Affine(0.2, 0.15, 5e5, 0.15, -0.2, 2e5), Affine(10, 0, 0, 0, 10, 0)])
def test_rotated_and_south_up_grids_are_kept(tmp_path: Path, transform: Affine) -> None:
    path = write_raster(tmp_path / "scene.tif", picture(30, 40), transform=transform, crs=None)
    with open_scene(path, RGB) as scene:
        write_noise(GeoTiff(tmp_path / "map.tif", CONTENT, scene), height=30, width=40)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.transform.almost_equals(transform)
        assert dataset.crs is None


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_scene_without_any_grid_is_mapped_without_a_warning(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.png", picture(30, 40), driver="PNG", transform=None, crs=None)
    (tmp_path / "scene.png.aux.xml").unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_scene(path, RGB) as scene:
            write_noise(GeoTiff(tmp_path / "map.tif", CONTENT, scene), height=30, width=40)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.crs is None
        assert dataset.transform.is_identity


@pytest.mark.parametrize("convention", ["Area", "Point"])
def test_ground_control_points_are_kept(tmp_path: Path, convention: str) -> None:
    points = [GroundControlPoint(r, c, 5e5 + c, 2e5 - r, 0) for r, c in [(0, 0), (0, 40), (30, 0), (30, 40)]]
    path = write_raster(tmp_path / "scene.tif", picture(30, 40), gcps=points, transform=None)
    if convention == "Point":
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(AREA_OR_POINT="Point")
    with open_scene(path, RGB) as scene:
        write_noise(GeoTiff(tmp_path / "map.tif", CONTENT, scene), height=30, width=40)
    with rasterio.open(tmp_path / "map.tif") as dataset, rasterio.open(path) as source:
        assert len(dataset.gcps[0]) == 4
        for kept, given in zip(dataset.gcps[0], source.gcps[0], strict=True):
            assert (kept.row, kept.col, kept.x, kept.y) == (given.row, given.col, given.x, given.y)
        assert dataset.gcps[1] == source.gcps[1]


def test_pixel_is_point_transform_is_kept(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", picture(30, 40))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(AREA_OR_POINT="Point")
    with open_scene(path, RGB) as scene:
        expected = scene.dataset.transform
        write_noise(GeoTiff(tmp_path / "map.tif", CONTENT, scene), height=30, width=40)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.transform == expected


def test_scaled_probabilities(tmp_path: Path, scene: Scene) -> None:
    write_noise(GeoTiff(tmp_path / "p.tif", probability_content(("water",), "uint8"), scene))
    with rasterio.open(tmp_path / "p.tif") as dataset:
        assert dataset.scales == (pytest.approx(1 / 254),)
        assert dataset.descriptions == ("water",)


def test_replaces_an_old_map_with_all_that_belonged_to_it(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "map.tif"
    for name in ("map.tif", "map.tif.ovr", "map.tif.aux.xml", "map.tif.msk"):
        (tmp_path / name).write_text("old")
    pixels = write_noise(GeoTiff(path, CONTENT, scene))
    np.testing.assert_array_equal(read(path), pixels)
    assert names(tmp_path) == ["map.tif", "map.tif.aux.xml", "scene.tif"]
    assert "CategoryNames" in (tmp_path / "map.tif.aux.xml").read_text()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SceneError, SystemExit])
def test_an_error_leaves_the_old_map_and_nothing_else(tmp_path: Path, scene: Scene, error: type[BaseException]) -> None:
    (tmp_path / "map.tif").write_text("old")
    files = [GeoTiff(tmp_path / name, CONTENT, scene) for name in ("map.tif", "p.tif")]
    with suppress(error), write_together(*files):
        files[0].write(0, 0, np.zeros((1, 256, 520), dtype=np.uint8))
        raise error
    assert names(tmp_path) == ["map.tif", "scene.tif"]
    assert (tmp_path / "map.tif").read_text() == "old"


def test_disk_full_at_any_moment_leaves_nothing(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "map.tif"
    write_noise(GeoTiff(path, CONTENT, scene))
    size = path.stat().st_size
    path.unlink()
    (tmp_path / "map.tif.aux.xml").unlink()
    # While pixels are written, and while the file is closed, which GDAL does not report.
    for limit in (0, 200, 50_000, size - 2000, size - 200, size - 20, size - 1):
        with full_disk(limit), pytest.raises(SceneError, match=r"Cannot write .*map\.tif.* MB free"):
            write_noise(GeoTiff(path, CONTENT, scene))
        assert names(tmp_path) == ["scene.tif"]
    with full_disk(size):
        write_noise(GeoTiff(path, CONTENT, scene))


def test_pixels_that_read_back_differently_are_an_error(tmp_path: Path, scene: Scene) -> None:
    file = GeoTiff(tmp_path / "map.tif", CONTENT, scene)
    file.open()
    file.write(0, 0, np.zeros((1, 256, 520), dtype=np.uint8))
    file.write(0, 0, np.ones((1, 256, 520), dtype=np.uint8))
    with pytest.raises(SceneError, match="reads back other than written"):
        file.finish()
    file.discard()
    assert names(tmp_path) == ["scene.tif"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent/map.tif", "does not exist"),
        ("scene.tif/map.tif", "does not exist"),
        ("folder.tif", "is a folder"),
        ("map.png", r"ends in \.tif"),
        ("scene.tif", "is the scene itself"),
        ("link.tif", "is the scene itself"),
    ],
)
def test_names_that_cannot_be_written(tmp_path: Path, scene: Scene, name: str, message: str) -> None:
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "link.tif").symlink_to(tmp_path / "scene.tif")
    with pytest.raises(SceneError, match=message):
        GeoTiff(tmp_path / name, CONTENT, scene)


def test_folder_that_vanishes_or_refuses(tmp_path: Path, scene: Scene) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = GeoTiff(folder / "map.tif", CONTENT, scene)
    folder.rmdir()
    with pytest.raises(SceneError, match=r"Cannot write .*map\.tif"):
        write_noise(file)
