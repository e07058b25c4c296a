"""What georeferenced images share of the ground, against areas that are known or counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform

from hqzoo.data import FolderSegmentationDataModule
from hqzoo.data.checks.ground import Ground, ground_of, joined, shared_ground
from hqzoo.data.checks.inspection import inspect
from hqzoo.errors import DataError
from tests.fixtures.folder import draw, write_classes, write_csv
from tests.fixtures.scenes import POLAND, write_raster

SIDE = 40  # pixels


def square(x: float, y: float, side: float = 10.0, crs: str = "") -> Ground:
    return Ground(crs, np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]]), 1.0)


def write_patches(root: Path, places: list[tuple[float, float]], **options: object) -> Path:
    """Write images of 40 x 40 pixels at (column, row) of one grid."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    write_classes(root)
    for number, place in enumerate(places):
        image, mask = draw(number, SIDE, SIDE)
        where = {"transform": POLAND @ Affine.translation(*place), **options}
        write_raster(root / "images" / f"{number}.tif", np.moveaxis(image, -1, 0), **where)
        write_raster(root / "masks" / f"{number}.tif", mask[None], **where)
    return root


@pytest.mark.parametrize(
    ("x", "y", "share"),
    [(8, 0, 0.2), (5, 5, 0.25), (-9, 3, 0.07), (10, 0, 0.0), (10, 10, 0.0), (0, 0, 1.0), (10.5, 0, 0.0)],
)
def test_squares(x: float, y: float, share: float) -> None:
    (found,) = shared_ground({"a": square(0, 0), "b": square(x, y)})
    assert found.share == pytest.approx(share)
    assert {found.first, found.second} == {"a", "b"}


def test_apart_is_apart() -> None:
    assert not list(shared_ground({"a": square(0, 0), "b": square(12, 0), "c": square(0, -12)}))


def test_turned_images_overlap_by_what_is_counted() -> None:
    """The share of two turned rectangles equals the share of points of a fine grid that lie in both."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-20, 20, 801)] * 2), -1).reshape(-1, 2)
    for _ in range(10):
        corners, inside = [], []
        for _ in range(2):
            angle, (x, y), (w, h) = rng.uniform(0, 360), rng.uniform(-3, 3, 2), rng.uniform(5, 12, 2)
            place = Affine.translation(x, y) @ Affine.rotation(angle)
            corners.append(np.array([place @ corner for corner in ((0, 0), (w, 0), (w, h), (0, h))]))
            own = np.array((~place) @ tuple(grid.T)).T
            inside.append(((own >= 0) & (own <= (w, h))).all(1))
        grounds = {str(i): Ground("", corner, 0.05) for i, corner in enumerate(corners)}
        found = [pair.share for pair in shared_ground(grounds)]
        counted = (inside[0] & inside[1]).sum() / min(each.sum() for each in inside)
        assert sum(found) == pytest.approx(counted, abs=0.01)


def test_other_coordinate_systems_are_the_same_ground() -> None:
    """A square in UTM, and its eastern half given in degrees."""
    utm = square(500_000, 5_500_000, 1000, "EPSG:32633")
    half = utm.corners.copy()
    half[[0, 3], 0] += 500
    degrees = np.array(transform("EPSG:32633", "EPSG:4326", *half.T)[:2]).T
    (found,) = shared_ground({"a": utm, "b": Ground("EPSG:4326", degrees, 1e-5)})
    assert found.share == pytest.approx(1.0, abs=1e-3)
    far = Ground("EPSG:4326", degrees + 1, 1e-5)
    assert not list(shared_ground({"a": utm, "b": far}))


def test_files_say_where_they_lie(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", np.zeros((1, 20, 10), np.uint8), transform=POLAND)
    found = ground_of(tmp_path / "a.tif")
    assert found is not None
    assert found.corners.tolist() == [
        [500_000, 200_000], [500_002.5, 200_000], [500_002.5, 199_995], [500_000, 199_995],
    ]  # fmt: skip
    assert "2180" in found.crs
    assert ground_of(tmp_path / "a.png") is None


def test_overlap_of_a_fifth_leaks_across_folds(tmp_path: Path) -> None:
    root = write_patches(tmp_path, [(number * SIDE * 0.8, 0) for number in range(4)])
    write_csv(root / "folds.csv", [{"name": n, "fold": n} for n in range(4)])
    found = inspect(lambda fold: FolderSegmentationDataModule(str(root), fold=fold or 0))
    assert "fold 1: val and test share ground: 1 pair(s) of georeferenced images overlap: 2 and 1 20%." in found.leaks
    assert "fold 1: train and test share ground: 1 pair(s) of georeferenced images overlap: 0 and 1 20%." in found.leaks
    assert all("share ground" in leak for leak in found.leaks)


def test_drawn_folds_keep_neighbours_together(tmp_path: Path) -> None:
    """Three places far apart: a pair that overlaps, a pair that touches, a pair of single images."""
    places = [(0, 0), (0.8 * SIDE, 0), (0, 5000), (SIDE, 5000), (5000, 0), (9000, 9000)]
    data = FolderSegmentationDataModule(str(write_patches(tmp_path, places)), num_folds=3)
    folds = data._folds
    assert folds["0"] == folds["1"]
    assert folds["2"] == folds["3"]
    assert sorted(folds.values()) == [0, 0, 1, 1, 2, 2]
    assert inspect(lambda fold: FolderSegmentationDataModule(str(tmp_path), num_folds=3, fold=fold or 0)).clean


def test_held_out_images_keep_neighbours_together(tmp_path: Path) -> None:
    places = [(0.8 * SIDE * number, 5000 * place) for place in range(3) for number in range(4)]
    root = write_patches(tmp_path, places)
    for seed in range(3):
        data = FolderSegmentationDataModule(str(root), num_folds=3, fold=seed, val_fold=None, inner_val=0.5)
        held = {int(record.name) // 4 for record in data.records("val")}
        assert held.isdisjoint({int(record.name) // 4 for record in data.records("train")})


def test_a_mosaic_is_told_and_one_place_is_refused(tmp_path: Path) -> None:
    mosaic = write_patches(tmp_path / "mosaic", [(number * SIDE, 0) for number in range(6)])
    with pytest.warns(UserWarning, match="touch one another all over"):
        assert len(set(FolderSegmentationDataModule(str(mosaic), num_folds=3)._folds.values())) == 3
    series = write_patches(tmp_path / "series", [(0, 0)] * 6)
    with pytest.raises(DataError, match=r"6 images of .* overlap on the ground: they show 1 area"):
        FolderSegmentationDataModule(str(series), num_folds=3).setup("fit")


def test_scenes_that_overlap_become_one(tmp_path: Path) -> None:
    root = write_patches(tmp_path, [(0, 0), (20, 0), (2000, 0), (4000, 0)])
    files = {str(number): root / "images" / f"{number}.tif" for number in range(4)}
    scenes = {"0": "x", "1": "y", "2": "y", "3": "z"}
    assert joined(scenes, files, 2) == ({"0": "x", "1": "x", "2": "x", "3": "z"}, False)
