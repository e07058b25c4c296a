"""Image and mask must lie on the same ground, where both say where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine, from_origin
from rasterio.warp import transform_bounds

from hqzoo.data.files.readers import check_pair, read_header
from hqzoo.errors import DataError

PLACE = from_origin(500_000, 5_000_000, 2, 2)
SIZE = (64, 48)
LOCAL = 'LOCAL_CS["mine",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'


def save(path: Path, transform: Affine | None, crs: str | None = "EPSG:32633") -> Path:
    options: dict[str, Any] = {"height": SIZE[0], "width": SIZE[1], "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", transform=transform, crs=crs, **options) as file:
        file.write(np.ones((1, *SIZE), np.uint8))
    return path


def check(image: Path, mask: Path) -> None:
    check_pair(image, read_header(image), mask)


@pytest.mark.parametrize(
    "mask",
    [
        (PLACE, "EPSG:32633"),
        (PLACE, None),
        (PLACE @ Affine.translation(0.05, 0.05) if hasattr(Affine, "__matmul__") else PLACE, "EPSG:32633"),
        (None, None),
        (PLACE, "+proj=utm +zone=33 +datum=WGS84 +units=m"),
        (PLACE, "EPSG:25833"),  # ETRS89: the same place to much less than a pixel
    ],
)
def test_masks_of_the_same_place_pass(tmp_path: Path, mask: tuple[Affine | None, str | None]) -> None:
    image = save(tmp_path / "i.tif", PLACE)
    check(image, save(tmp_path / "m.tif", *mask))
    check(tmp_path / "m.tif", image)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ((from_origin(500_020, 5_000_000, 2, 2), "EPSG:32633"), "up to 10 pixels apart"),
        ((from_origin(500_000, 5_000_001, 2, 2), "EPSG:32633"), r"up to 0\.5 pixels apart"),
        ((from_origin(500_000, 5_000_000, 2.1, 2), "EPSG:32633"), r"up to 2\.4 pixels apart"),
        ((Affine(2, 0, 500_000, 0, 2, 5_000_000 - 128), "EPSG:32633"), "south to north"),
        ((PLACE, "EPSG:32632"), "pixels apart .EPSG:32633 and EPSG:32632"),
        (
            (PLACE, 'LOCAL_CS["mine",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'),
            r"coordinate systems .* cannot be compared",
        ),
    ],
)
def test_masks_of_another_place_are_refused(tmp_path: Path, mask: tuple[Affine, str], words: str) -> None:
    image = save(tmp_path / "i.tif", PLACE)
    with pytest.raises(DataError, match=rf"m\.tif lies on another grid than its image .*{words}.*gdalwarp"):
        check(image, save(tmp_path / "m.tif", *mask))


def test_world_files_count(tmp_path: Path) -> None:
    image, mask = save(tmp_path / "i.tif", PLACE), tmp_path / "m.png"
    Image.fromarray(np.ones(SIZE, np.uint8)).save(mask)
    (tmp_path / "m.pgw").write_text("2\n0\n0\n-2\n500001\n4999999\n")  # the centre of the first pixel
    check(image, mask)
    (tmp_path / "m.pgw").write_text("2\n0\n0\n-2\n500011\n4999999\n")
    with pytest.raises(DataError, match="up to 5 pixels apart"):
        check(image, mask)
    (tmp_path / "m.pgw").write_text("2\n0\n")
    with pytest.raises(DataError, match="no world file"):
        check(image, mask)


def test_bounds_of_the_fixture_are_where_they_should_be() -> None:
    west, south, east, north = transform_bounds("EPSG:32633", "EPSG:4326", 500_000, 4_999_872, 500_096, 5_000_000)
    assert west == pytest.approx(15, abs=1e-6)
    assert south < north
    assert east > west
