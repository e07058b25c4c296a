"""A trained checkpoint under noise and finite shots."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from hqzoo.cli import main
from hqzoo.cli import noise as verb
from hqzoo.errors import CheckpointError, CircuitError, ConfigError


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_table_json_and_curve(
    own_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    checkpoint = own_run / "checkpoints" / "best.ckpt"
    options = ["--channel", "depolarizing=0.02", "--channel", "readout=0.01", "--shots", "64", "--strengths", "0", "1"]
    assert verb.main("noise", [str(checkpoint), *options, "--zne", "linear", "--repeats", "2"]) == 0
    report = json.loads((own_run / "noise.json").read_text())
    conditions = [(row["strength"], row["shots"], row["zne"]) for row in report["rows"]]
    noisy = [(1.0, None, None), (1.0, None, "linear"), (1.0, 64, None), (1.0, 64, "linear")]
    assert conditions == [(0.0, None, None), (0.0, 64, None), *noisy]
    assert all(0 <= row["scores"]["miou"] <= 1 and 0 <= row["scores"]["oa"] <= 1 for row in report["rows"])
    assert [len(row["repeats"]) for row in report["rows"]] == [1, 2, 1, 1, 2, 2]
    assert report["noise"]["two_qubit"] == {"depolarizing": 0.02}
    assert report["quantum_parameters"] == 8
    printed = capsys.readouterr().out
    for text in ("Test mIoU under depolarizing=0.02 readout=0.01", "exact", "64 shots", "linear ZNE", "x 1", "±"):
        assert text in printed
    with Image.open(own_run / "noise.png") as picture:
        assert min(picture.size) > 300

    # Without noise and with exact expectation values it is the plain test.
    root = ["--trainer.default_root_dir", str(own_run)]
    assert main(["test", "-c", str(own_run / "config.yaml"), *root, "--ckpt_path", str(checkpoint)]) == 0
    plain = json.loads((own_run / "test.json").read_text())
    for name in ("miou", "oa"):
        assert report["rows"][0]["scores"][name] == pytest.approx(plain["scores"][name], abs=1e-6)
    assert report["rows"][0]["score"] == report["rows"][0]["scores"]["miou"]


def test_shots_alone_on_other_data(own_run: Path, folder: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "model.ckpt"
    shutil.copy(own_run / "checkpoints" / "last.ckpt", lonely)
    data = ["--data=FolderSegmentationDataModule", f"--data.root={folder}", "--data.fold=1", "--data.crop_size=32"]
    options = ["--shots", "16", "256", "--output", str(tmp_path / "out"), "--trainer.accelerator=cpu"]
    assert verb.main("noise", [str(lonely), *data, *options]) == 0
    report = json.loads((tmp_path / "out" / "noise.json").read_text())
    assert [row["shots"] for row in report["rows"]] == [None, 16, 256]
    assert {row["strength"] for row in report["rows"]} == {0.0}
    assert (tmp_path / "out" / "noise.png").is_file()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ([], ConfigError, r"such as depolarizing=0\.01"),
        (["--channel", "depolarising=0.1"], CircuitError, "Did you mean 'depolarizing'"),
        (["--chanel", "depolarizing=0.1", "--shots", "8"], ConfigError, "Did you mean '--channel'"),
        (["--shots", "0"], ConfigError, "at least 1"),
        (["--shots", "8", "--zne"], ConfigError, "give a noise channel"),
        (["--channel", "bit_flip=0.6"], CircuitError, r"bit_flip=1\.2.*between 0 and 1"),
        (["--channel", "bit_flip=0.2", "--zne"], CircuitError, r"bit_flip=1\.2.*between 0 and 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_named(options: list[str], error: type[Exception], message: str, finished_run: Path) -> None:
    with pytest.raises(error, match=message):
        verb.main("noise", [str(finished_run / "checkpoints" / "last.ckpt"), *options])


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        verb.main("noise", [str(tmp_path / "x.ckpt"), "--shots", "8"])


def test_a_classical_model_has_nothing_to_disturb(folder: Path, finished_run: Path, tmp_path: Path) -> None:
    root = tmp_path / "mlp"
    control = ["--model.init_args.architecture_args.control", "linear", "--trainer.max_steps", "1"]
    config = str(finished_run / "config.yaml")
    assert main(["fit", "-c", config, "--trainer.default_root_dir", str(root), *control]) == 0
    with pytest.raises(ConfigError, match="no quantum layer"):
        verb.main("noise", [str(root / "checkpoints" / "last.ckpt"), "--shots", "8"])
