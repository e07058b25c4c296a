"""The first command of a newcomer, with fewer steps."""

import json
from pathlib import Path

import pytest
import rasterio
from PIL import Image

from hqzoo.cli import main
from tests.fixtures.folder import write_folder

CLASSES = ["background", "building", "woodland", "water", "road"]


def check(output: Path, classes: list[str]) -> dict:
    report = json.loads((output / "report.json").read_text())
    assert list(report["rows"]) == ["quantum", "mlp"]
    for row in report["rows"].values():
        assert [entry["name"] for entry in row["classes"]] == classes
        assert 0 <= row["scores"]["miou"] <= 1
        assert row["training_seconds"] > 0
    quantum, mlp = (row["model"] for row in report["rows"].values())
    assert (quantum["quantum_parameters"], mlp["quantum_parameters"]) == (8, 0)
    matched = mlp["parameters"] / quantum["parameters"]
    assert 0.99 < matched < 1.01
    assert report["hybrid_step_over_control_step"] > 0
    with Image.open(output / "panel.png") as panel:
        assert min(panel.size) > 300
    return report


def test_generated_landscapes(tmp_path, capsys):
    output = tmp_path / "quickstart"
    assert main(["quickstart", "--output", str(output), "--steps", "2"]) == 0
    check(output, CLASSES)
    printed = capsys.readouterr().out
    for line in ("mIoU", "IoU woodland", "parameters", "of them quantum", "training seconds", "step time, relative"):
        assert line in printed
    with rasterio.open(output / "map.tif") as map_, rasterio.open(output / "scene.tif") as scene:
        assert map_.crs == scene.crs == rasterio.CRS.from_epsg(2180)
        assert (map_.transform, map_.shape) == (scene.transform, scene.shape)
        assert set(map_.read(1).flat) <= {0, 1, 2, 3, 4, 255}
        assert map_.colormap(1)[3][:3] == (58, 120, 196)
    assert "woodland" in (output / "map.tif.aux.xml").read_text()


@pytest.mark.slow
def test_a_folder_of_ones_own_twice(tmp_path):
    folder = write_folder(tmp_path / "set", size=(160, 144))
    output = tmp_path / "out"
    arguments = ["quickstart", "--data", str(folder), "--output", str(output), "--steps", "2"]
    assert main(arguments) == 0
    first = check(output, ["building", "vegetation", "water"])
    assert first["data"]["init_args"]["root"] == str(folder)
    assert (output / "map.tif").is_file()
    assert main(arguments) == 0
    second = check(output, ["building", "vegetation", "water"])
    for row, before in zip(second["rows"].values(), first["rows"].values(), strict=True):
        assert row["scores"] == before["scores"]


@pytest.mark.real_data
@pytest.mark.slow
def test_a_folder_named_like_another_kind_of_data(tmp_path):
    folder = write_folder(tmp_path / "ph2", size=(160, 144))
    assert main(["quickstart", "--data", str(folder), "--output", str(tmp_path / "out"), "--steps", "1"]) == 0
    check(tmp_path / "out", ["building", "vegetation", "water"])


@pytest.mark.parametrize("files", [["thesis.txt"], ["map.tif"], ["recipe.yaml", "quantum", "thesis.txt"]])
def test_what_is_not_its_own_is_not_removed(files, tmp_path, capsys):
    for name in files:
        (tmp_path / name).touch()
    assert main(["quickstart", "--output", str(tmp_path), "--steps", "1"]) == 2
    assert "holds what no quickstart has written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


def test_an_output_that_is_a_file(tmp_path, capsys):
    (tmp_path / "out").touch()
    assert main(["quickstart", "--output", str(tmp_path / "out")]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_folder_is_read_as_its_recipe_says(tmp_path, real_data):
    output = tmp_path / "out"
    arguments = ["quickstart", "--data", str(real_data / "aerial_dubai"), "--output", str(output), "--steps", "2"]
    assert main(arguments) == 0
    check(output, ["building", "land", "road", "vegetation", "water"])
