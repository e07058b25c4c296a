"""Loggers get panels and the settings of the data, and a run's test goes into the run's own entry."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hqzoo.cli import main
from tests.cli.conftest import recipe, write_recipe


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained and tested with a logger beside the files of its folder."""
    root = tmp_path_factory.mktemp("logged") / "run"
    content = recipe(folder, root)
    logger = {"class_path": "TensorBoardLogger", "init_args": {"save_dir": str(root / "logs")}}
    content["trainer"] |= {"logger": logger, "max_epochs": 1, "enable_progress_bar": False}
    path = write_recipe(content, tmp_path_factory.mktemp("recipe") / "r.yaml")
    assert main(["fit", "-c", str(path)]) == 0
    assert main(["test", "--ckpt_path", str(root)]) == 0
    return root


def events(folder: Path) -> dict[str, Any]:
    found = EventAccumulator(str(folder)).Reload()
    return {kind: set(found.Tags()[kind]) for kind in ("scalars", "images", "histograms", "tensors")}


def test_training_and_test_are_one_entry(run: Path) -> None:
    (entry,) = (run / "logs" / "lightning_logs").iterdir()
    assert {"train/loss", "val/miou", "test/miou"} <= events(entry)["scalars"]


def test_panels_and_settings_of_the_data(run: Path) -> None:
    entry = run / "logs" / "lightning_logs" / "version_0"
    found = events(entry)
    assert found["images"] == {
        "val/panel", "val/class_curves", "val/confusion_matrix", "val/reliability", "circuits/state",
    }  # fmt: skip
    assert "circuits/bottleneck.core/expectation_values" in found["histograms"]
    assert {"circuits/plan/text_summary", "val/classes/text_summary"} <= found["tensors"]
    told = yaml.safe_load((entry / "hparams.yaml").read_text())
    assert told["data"]["init_args"]["crop_size"] == 32
    assert told["seed"] == 0


def test_a_resumed_run_goes_on_with_its_entry(run: Path) -> None:
    options = ["--trainer.max_epochs", "2", "--trainer.default_root_dir", str(run), "--ckpt_path", "last"]
    assert main(["fit", "-c", str(run / "config.yaml"), *options]) == 0
    assert [entry.name for entry in (run / "logs" / "lightning_logs").iterdir()] == ["version_0"]
