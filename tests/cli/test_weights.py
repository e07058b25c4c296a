"""Published weights on the command line: packed from a run, and taken by every verb that takes a checkpoint."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from hqzoo.cli import main
from hqzoo.data.sensor import Sensor
from tests.fixtures.scenes import picture, write_raster
from tests.fixtures.weights import ABOUT, edit_spec, flip_a_byte

NAME = "folder-toy"


@pytest.fixture(scope="module")
def project(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of the finished run; not to be changed."""
    root = tmp_path_factory.mktemp("packed")
    about = {key: value for key, value in ABOUT.items() if key != "scores"}
    (root / "about.yaml").write_text(yaml.safe_dump(about))
    arguments = [
        str(finished_run),
        "--name",
        NAME,
        "--about",
        str(root / "about.yaml"),
        "-o",
        str(root / "checkpoints"),
    ]
    assert main(["weights", "pack", *arguments]) == 0
    return root / "checkpoints" / NAME


@pytest.fixture
def there(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with these weights and no others, in an empty working folder; the folder of its own copy."""
    folder = Path(shutil.copytree(project / "hqzoo_weights_folder_toy", tmp_path / "weights" / "copy"))
    monkeypatch.setenv("HQZOO_WEIGHTS_DIR", str(folder.parent))
    monkeypatch.setenv("HQZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_pack_leaves_a_project_and_its_wheel(project: Path) -> None:
    assert (project / "pyproject.toml").is_file()
    assert [path.name for path in (project / "dist").iterdir()] == ["hqzoo_weights_folder_toy-1.0.0-py3-none-any.whl"]


def test_list_info_and_verify(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    assert "folder-toy" in capsys.readouterr().out
    assert main(["weights", "info", NAME]) == 0
    assert "Three squares of colour." in capsys.readouterr().out
    assert main(["weights", "info", NAME, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == NAME
    assert main(["weights", "info", NAME, "--stac"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["mlm:name"] == NAME
    assert main(["weights", "verify"]) == 0
    assert "folder-toy 1.0.0: as published" in capsys.readouterr().out


def test_verify_names_what_is_damaged(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip_a_byte(there / "weights.safetensors")
    for arguments in ([], [NAME]):
        assert main(["weights", "verify", *arguments]) == 2
        assert "'folder-toy'" in capsys.readouterr().err
    (there / "weights.json").write_text("{")
    assert main(["weights", "list"]) == 0
    assert f"Not usable: {there}" in capsys.readouterr().err
    assert main(["weights", "verify"]) == 2


def test_install_a_wheel_into_the_cache(
    project: Path, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HQZOO_WEIGHTS_DIR")
    assert main(["weights", "list"]) == 0
    assert "No weights are installed" in capsys.readouterr().out
    assert main(["weights", "install", str(next((project / "dist").glob("*.whl")))]) == 0
    assert main(["weights", "verify", NAME]) == 0
    assert os.environ["HQZOO_CACHE"] in capsys.readouterr().out
    monkeypatch.setenv("HQZOO_CACHE", str(there / "weights.json"))  # a file
    assert main(["weights", "install", str(there)]) == 2
    assert "Cannot write weights into" in capsys.readouterr().err


def test_map_takes_them(there: Path, finished_run: Path, tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "scene.tif", picture(40, 50))
    common = ("--device", "cpu", "--quiet", "-o")
    assert main(["map", str(scene), "--weights", NAME, *common, "named.tif"]) == 0
    assert main(["map", str(scene), "--checkpoint", str(finished_run), *common, "own.tif"]) == 0
    assert main(["map", str(scene), "--checkpoint", str(there), *common, "folder.tif"]) == 0
    maps = [rasterio.open(name).read() for name in ("named.tif", "own.tif", "folder.tif")]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_map_refuses_scenes_of_other_sensors_and_resolutions(
    there: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = json.loads((there / "weights.json").read_text())
    sensor = Sensor.from_dict(spec["sensors"]["image"])
    edit_spec(there, sensors={"image": {**sensor.to_dict(), "gsd": 10.0}})
    scene = write_raster(tmp_path / "scene.tif", picture(40, 50))  # pixels of 25 cm
    four = write_raster(tmp_path / "four.tif", picture(40, 50, bands=4))
    for path, message in [(scene, "0.25 m wide; the model was trained on pixels of 10 m"), (four, "has 4 bands")]:
        assert main(["map", str(path), "--weights", NAME, "-o", "map.tif", "--quiet"]) == 2
        assert message in capsys.readouterr().err
    assert not Path("map.tif").exists()


def test_test_and_predict_take_them(there: Path, folder: Path, finished_run: Path) -> None:
    """On the data of the run itself they score as the checkpoint does; results go to runs/NAME."""
    config = finished_run / "config.yaml"
    quiet = ("--trainer.enable_progress_bar", "false", "--trainer.logger", "false")
    own = ("-c", str(config), "--trainer.default_root_dir", "here", *quiet)
    assert main(["test", "--weights", NAME, *own]) == 0
    found = json.loads(Path("here/test.json").read_text())
    assert main(["test", *own, "--trainer.default_root_dir", "there", "--ckpt_path", str(finished_run)]) == 0
    expected = json.loads(Path("there/test.json").read_text())
    assert found["scores"] == expected["scores"]
    assert found["run"]["step"] == expected["run"]["step"] > 0
    data = ("--data", "FolderSegmentationDataModule", "--data.root", str(folder), "--data.crop_size", "32")
    assert main(["validate", "--weights", NAME, *data, *quiet]) == 0
    assert list(Path("runs", NAME).glob("validate*.json"))
    assert main(["predict", "--weights", NAME, *data, *quiet]) == 0
    assert list(Path("runs", NAME).glob("predictions*/*"))


def test_noise_takes_them(there: Path, finished_run: Path) -> None:
    options = ("--channel", "depolarizing=0.01", "--strengths", "0", "1", "-c", str(finished_run / "config.yaml"))
    assert main(["noise", "--weights", NAME, *options]) == 0
    (written,) = Path("runs", NAME).glob("noise*.json")
    assert len(json.loads(written.read_text())["rows"]) == 2


def test_export_takes_them(there: Path) -> None:
    for kind in ("onnx", "torch", "safetensors"):
        assert main(["export", NAME, "--format", kind, "-o", f"model.{kind}"]) == 0
        assert Path(f"model.{kind}").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["map", "s.tif", "-o", "m.tif", "--weights", "folder-toi"], "Did you mean 'folder-toy'"),
        (["map", "s.tif", "-o", "m.tif", "--weights", NAME, "--checkpoint", "x"], "not allowed with argument"),
        (["map", "s.tif", "-o", "m.tif"], "one of the arguments --checkpoint --weights is required"),
        (["noise", "--channel", "depolarizing=0.1"], "the following arguments are required: CKPT"),
        (["noise", "x.ckpt", "--weights", NAME, "--channel", "depolarizing=0.1"], "name two models"),
        (["weights", "info", "nobody"], "no weights 'nobody'"),
        (["weights", "install", "hf:me/toys"], "names no commit"),
        (["weights", "pack", "nowhere", "--name", "Bad Name", "--about", "x.yaml"], "cannot be read"),
        (["export", "nobody", "-o", "m.onnx"], "no weights 'nobody'"),
        (["export", "no/such.ckpt", "-o", "m.onnx"], "no checkpoint"),
    ],
)
def test_mistakes(there: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.tif").touch()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_two_models_are_one_too_many(there: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", "FolderSegmentationDataModule", "--data.root", str(folder))
    assert main(["test", "--weights", NAME, "--ckpt_path", "last", *data]) == 2
    assert "name two models" in capsys.readouterr().err
