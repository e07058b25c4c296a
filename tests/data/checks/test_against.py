"""Ground that two data sets share: OpenEarthMap's regions of Poland and LandCover.ai's orthophotos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform

from hqzoo.cli import main
from tests.fixtures.landcoverai import write_landcoverai
from tests.fixtures.openearthmap import write_openearthmap


def place(path: Path, crs: str | None, west: float, north: float, side: float) -> None:
    """Write a file's pixels anew, somewhere else."""
    with rasterio.open(path) as source:
        pixels = source.read()
    options = {"crs": crs, "transform": from_origin(west, north, side, side)} if crs else {}
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype, **options
    ) as target:
        target.write(pixels)


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """OpenEarthMap around the globe in degrees; one image on an orthophoto of LandCover.ai, which has metres."""
    oem, landcover = write_openearthmap(tmp_path / "oem"), write_landcoverai(tmp_path / "landcoverai")
    files = sorted((oem).glob("*/images/*.tif"))
    for number, path in enumerate(files):
        for file in (path, oem / path.parts[-3] / "labels" / path.name):
            if file.exists():
                place(file, "EPSG:4326", -75 + number, -12, 4e-6)
    with rasterio.open(landcover / "images/M-33-20-D-c-4-2.tif") as file:
        left, _, _, top = file.bounds
    (east,), (north,) = transform("EPSG:2180", "EPSG:4326", [left + 20], [top - 20])
    for folder in ("images", "labels"):
        place(oem / f"kujawsko-pomorskie/{folder}/kujawsko-pomorskie_20.tif", "EPSG:4326", east, north, 4e-6)
    return oem, landcover


def check(oem: Path, landcover: Path, tmp_path: Path) -> dict[str, list[str]]:
    main(["data", "check", str(oem), "--against", str(landcover), "--json", str(tmp_path / "found.json")])
    return json.loads((tmp_path / "found.json").read_text())


def test_the_image_on_an_orthophoto_is_named(roots: tuple[Path, Path], tmp_path: Path) -> None:
    found = check(*roots, tmp_path)
    (leak,) = [each for each in found["leaks"] if "show ground of" in each]
    assert leak.startswith("1 of 6 images show ground of ")
    assert "kujawsko-pomorskie_20 and M-33-20-D-c-4-2 100%" in leak
    assert found["unknown"] == []


def test_without_it_nothing_is_shared(roots: tuple[Path, Path], tmp_path: Path) -> None:
    oem, landcover = roots
    for folder in ("images", "masks"):
        (landcover / folder / "M-33-20-D-c-4-2.tif").unlink()
    assert not [each for each in check(oem, landcover, tmp_path)["leaks"] if "show ground of" in each]


def test_files_that_do_not_say_where_they_lie_are_unknown(roots: tuple[Path, Path], tmp_path: Path) -> None:
    oem, landcover = roots
    place(oem / "aachen/images/aachen_1.tif", None, 0, 0, 1)
    for path in landcover.rglob("*.tif"):
        place(path, None, 0, 0, 1)
    found = check(oem, landcover, tmp_path)
    assert not [each for each in found["leaks"] if "show ground of" in each]
    assert "unknown: 1 of 6 images do not say where they lie: aachen_1." in found["unknown"][0]
    assert "unknown: 6 of 6 TIFF files of" in found["unknown"][1]


def test_a_folder_without_files(roots: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(roots[0]), "--against", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is no folder, so that there is nothing to compare the ground with" in capsys.readouterr().err
