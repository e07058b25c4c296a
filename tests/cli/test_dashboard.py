"""A run of Weights & Biases, offline: every panel is in the file that it leaves, and none stops a training."""

import http.server
import json
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
import yaml
from PIL import Image

from hqzoo.cli import main
from hqzoo.cli.provenance import git_state
from tests.cli.conftest import recipe, write_recipe
from tests.fixtures.wandb_file import Recorded, read_runs
from tests.processes.launch import free_port

CURVES = (
    "train/loss", "train/gradient_norm", "train/gradient_norm_quantum", "val/loss", "val/miou", "val/iou/water",
    "speed/batches_per_second", "speed/samples_per_second", "memory/peak_mb", "lr-AdamW/pg1",
    "circuits/bottleneck.core/gradient_variance", "circuits/bottleneck.core/wrapped_share",
    "circuits/bottleneck.core/weight_moved",
)  # fmt: skip
TABLES = (
    "val/classes", "val/confusion", "val/calibration", "circuits/plan", "circuits/health", "circuits/weight_angles",
    "circuits/expectation_values",
)  # fmt: skip
PICTURES = ("val/panel", "val/class_curves", "val/confusion_matrix", "val/reliability", "circuits/state")
HISTOGRAMS = ("circuits/bottleneck.core/weight_angles", "circuits/bottleneck.core/expectation_values")


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """W&B reads its variables once in a process: let it read them again."""
    yield
    wandb.teardown()


def small(folder: Path, root: Path, **trainer: Any) -> dict[str, Any]:
    content = recipe(folder, root)
    content["trainer"] |= {"logger": "wandb", "max_epochs": 1, "enable_progress_bar": False, **trainer}
    return content


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("watched") / "run"
    path = write_recipe(small(folder, root), tmp_path_factory.mktemp("recipe") / "r.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        assert main(["fit", "-c", str(path)]) == 0
        assert main(["test", "--ckpt_path", str(root)]) == 0
    return root


@pytest.fixture(scope="module")
def recorded(run: Path) -> Recorded:
    return read_runs(run)[0]


def test_training_and_test_are_one_entry(run: Path) -> None:
    trained, tested = read_runs(run)
    assert trained.code == tested.code == 0
    assert trained.name == tested.name != ""
    assert "test/miou" in tested.history


def test_every_curve_and_picture_is_in_its_file(recorded: Recorded) -> None:
    assert [name for name in CURVES if not np.isfinite(recorded.history.get(name, np.nan))] == []
    for name in PICTURES:
        for path in recorded.history[name]["filenames"]:
            assert Image.open(recorded.file(path)).format == "PNG"
    for name in HISTOGRAMS:
        assert sum(recorded.history[name]["values"]) > 0


def test_tables_hold_what_the_files_hold(recorded: Recorded, run: Path) -> None:
    for name in TABLES:
        table = json.loads(recorded.file(recorded.history[name]["path"]).read_text())
        lines = (run / "dashboard" / f"{name}.csv").read_text().splitlines()
        assert lines[0].split(",") == table["columns"]
        assert len(lines) == len(table["data"]) + 1 > 1
    table = json.loads(recorded.file(recorded.history["circuits/plan"]["path"]).read_text())
    assert dict(zip(table["columns"], table["data"][0], strict=True))["engine"] == "cone"


def test_overlays_have_the_names_of_classes(recorded: Recorded, run: Path) -> None:
    overlays = recorded.history["val/overlays"]
    assert overlays["count"] == len(overlays["captions"]) == 4
    kept = json.loads((run / "dashboard" / "masks" / "classes.json").read_text())
    assert kept["codes"]["255"] == "unlabelled"
    assert kept["images"] == overlays["captions"]
    names = set(kept["codes"].values())
    for number, masks in enumerate(overlays["all_masks"]):
        assert set(masks) == {"truth", "prediction"}
        for kind, mask in masks.items():
            shown = np.asarray(Image.open(recorded.file(mask["path"])).convert("L"))
            stored = np.asarray(Image.open(run / "dashboard" / "masks" / f"{number:03d}-{kind}.png"))
            np.testing.assert_array_equal(shown, stored)
            assert {kept["codes"][str(code)] for code in np.unique(stored)} <= names


def test_unlabelled_pixels_are_mapped(run: Path) -> None:
    """The folder's background is no class; its masks hold it as the value that is ignored."""
    stored = np.asarray(Image.open(run / "dashboard" / "masks" / "000-truth.png"))
    assert 255 in stored
    assert set(np.unique(stored)) <= {0, 1, 2, 255}


def test_the_configuration_is_the_recipe_and_where_it_comes_from(recorded: Recorded, run: Path) -> None:
    config = {key: value for key, value in recorded.config.items() if key != "_wandb"}
    assert config["data"]["init_args"]["crop_size"] == 32
    assert config["model"]["init_args"]["optimizer"]["lr"] == 0.01
    assert config["trainer"]["max_epochs"] == 1
    assert config["seed"] == 0
    assert config["circuits"]["bottleneck.core"]["qubits"] == 16
    origin = json.loads((run / "provenance.json").read_text())
    assert set(origin["fingerprint"]) == {"train", "val"}
    assert {key: config[key] for key in ("code", "git", "machine", "fingerprint")} == origin


def test_artifacts_bring_what_offline_runs_lose(recorded: Recorded, run: Path) -> None:
    assert recorded.artifacts["recipe"] == ["config.yaml", "provenance.json"]
    assert "000-prediction.png" in recorded.artifacts["masks"]
    assert recorded.artifacts["model"] == ["best.ckpt", "weights.json"]
    told = json.loads((run / "dashboard" / "weights.json").read_text())
    assert told["architecture"] == "hq_unet"
    assert told["licence"] == "NOASSERTION"


def test_the_run_is_a_recipe_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "-c", str(run / "config.yaml"), "--print_config"]) == 0
    logger = yaml.safe_load(capsys.readouterr().out)["trainer"]["logger"]
    assert logger["class_path"].endswith("SafeWandbLogger")
    assert logger["init_args"]["save_dir"] == str(run)


def test_without_any_logger_it_lands_in_the_run_folder(folder: Path, tmp_path: Path) -> None:
    content = small(folder, tmp_path / "run", logger=None, callbacks=[{"class_path": "Dashboard"}])
    assert main(["fit", "-c", str(write_recipe(content, tmp_path / "r.yaml"))]) == 0
    found = {
        str(path.relative_to(tmp_path / "run" / "dashboard")) for path in (tmp_path / "run" / "dashboard").rglob("*.*")
    }
    assert found >= {f"{name}.csv" for name in TABLES}
    assert found >= {"val/class_curves.png", "val/confusion.png", "val/reliability.png", "circuits/state.png"}
    assert (tmp_path / "run" / "panels" / "epoch_0000.png").is_file()
    assert not (tmp_path / "run" / "wandb").exists()


def told(folder: Path, tmp_path: Path, *options: str) -> list[str]:
    """Train, and return what was said about Weights & Biases."""
    path = write_recipe(small(folder, tmp_path / "run", logger=None), tmp_path / "r.yaml")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert main(["fit", "-c", str(path), *options]) == 0
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    assert (tmp_path / "run" / "dashboard" / "val" / "classes.csv").is_file()
    return [
        str(each.message) for each in caught if "Weights & Biases" in str(each.message) or "wandb" in str(each.message)
    ]


def test_a_missing_library_is_one_warning(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    (sentence,) = told(folder, tmp_path, "--wandb")
    assert "Nothing (more) goes to Weights & Biases: ModuleNotFoundError" in sentence


def test_a_folder_that_cannot_be_written_is_one_warning(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "file").write_text("")
    options = ["--trainer.logger", "WandbLogger", "--trainer.logger.save_dir", str(tmp_path / "file" / "below")]
    assert len(told(folder, tmp_path, *options)) <= 1  # W&B writes elsewhere where it can


class Refuses(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("answers", [True, False])
def test_a_server_that_refuses_makes_the_run_an_offline_one(
    answers: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusing: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", refusing if answers else f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
    (sentence,) = told(folder, tmp_path, "--wandb")
    assert sentence.startswith("This run is logged offline, for `wandb sync` to send later: ")
    (found,) = read_runs(tmp_path / "run")
    assert "val/panel" in found.history


def test_git_state(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {}

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            ["git", "-C", tmp_path, *who, *arguments], capture_output=True, text=True, check=True
        ).stdout

    git("init", "-b", "trunk")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD").strip()
    assert git_state(tmp_path) == {"commit": commit, "branch": "trunk", "changed": False}
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path)["changed"] is True
