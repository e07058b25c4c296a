"""On two processes there is one run of Weights & Biases, and it shows what both have seen."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.wandb_file import Recorded, read_runs
from tests.processes.conftest import fit, recipe


def names(tree: dict[str, Any]) -> set[str]:
    return {name for name in tree if not name.startswith("_")}


def table(run: Recorded, name: str) -> list[list[Any]]:
    return json.loads(run.file(run.history[name]["path"]).read_text())["data"]


@pytest.mark.slow
def test_two_processes_show_what_one_does(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    found = []
    for processes in (1, 2):
        root = tmp_path / str(processes)
        fit(recipe(images, root, processes), processes, "--wandb", "--trainer.max_epochs", "1")
        found += read_runs(root)
    one, two = found
    assert one.code == two.code == 0
    assert names(two.history) == names(one.history) >= {"val/panel", "val/overlays", "circuits/layer/weight_angles"}
    assert two.artifacts.keys() == one.artifacts.keys() >= {"recipe", "masks", "model"}
    # scores are of the whole split, and images of both halves of it
    for name in ("val/classes", "val/confusion"):
        assert table(two, name) == table(one, name)
    assert [row[2] for row in table(two, "val/calibration")] == [row[2] for row in table(one, "val/calibration")]
    shown = [set(each.history["val/overlays"]["captions"]) for each in found]
    assert len(shown[0]) == len(shown[1]) == 4
