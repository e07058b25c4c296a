"""Training on two processes is training on one with the batches of both."""

import json
from pathlib import Path

import pytest
import torch

from hqzoo.callbacks.clock import WARM_UP
from tests.processes.conftest import EPOCHS, checkpoint, fit, losses, recipe, rows, seen


def test_two_processes_do_what_one_does(images: Path, whole: Path, tmp_path: Path) -> None:
    outputs = fit(recipe(images, tmp_path, 2), 2, "--trainer.callbacks+=PredictionPanel")
    assert seen(tmp_path) == seen(whole)
    assert len(losses(whole)) == 5 * EPOCHS
    assert losses(tmp_path) == pytest.approx(losses(whole), abs=1e-6)
    first, second = checkpoint(whole), checkpoint(tmp_path)
    for name, value in first["state_dict"].items():
        torch.testing.assert_close(second["state_dict"][name], value, rtol=0, atol=1e-6)
    # everything is logged and said once
    assert [row.keys() for row in rows(tmp_path)] == [row.keys() for row in rows(whole)]
    assert [(row["step"], row["epoch"]) for row in rows(tmp_path)] == [
        (row["step"], row["epoch"]) for row in rows(whole)
    ]
    assert outputs[0].out.count("Done: 10 steps") == 1
    assert outputs[1].out == ""
    assert sorted(path.name for path in (tmp_path / "panels").iterdir()) == ["epoch_0000.png", "epoch_0001.png"]
    assert json.loads((tmp_path / "timing.json").read_text())["steps"] == 5 * EPOCHS - WARM_UP
