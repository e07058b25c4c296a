"""Training on two processes is training on one with the batches of both."""

from pathlib import Path

import pytest
import torch

from tests.processes.conftest import EPOCHS, checkpoint, fit, losses, recipe, rows, seen


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one process."""
    root = tmp_path_factory.mktemp("whole")
    fit(recipe(images, root, 1), 1)
    return root


def test_two_processes_do_what_one_does(images: Path, whole: Path, tmp_path: Path) -> None:
    outputs = fit(recipe(images, tmp_path, 2), 2)
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
