"""What launchers started is what the trainer uses, or one sentence says why not."""

from pathlib import Path

import pytest

from tests.processes.conftest import losses, recipe, seen
from tests.processes.launch import run_cli


def test_auto_takes_what_torchrun_started(images: Path, tmp_path: Path) -> None:
    """Else each process would train for itself, all into one folder."""
    path = recipe(images, tmp_path, 2)
    auto = ["--trainer.devices", "auto", "--trainer.strategy", "auto", "--trainer.max_epochs", "1"]
    outputs = run_cli(2, tmp_path / "printed", "fit", "-c", str(path), *auto)
    assert [each.code for each in outputs] == [0, 0]
    assert len(losses(tmp_path)) == len(seen(tmp_path)) == 5
    assert all(len(set(samples)) == 4 for samples in seen(tmp_path).values())


@pytest.mark.parametrize(("devices", "strategy"), [(1, "auto"), (3, "ddp")])
def test_devices_that_do_not_fit_are_refused(devices: int, strategy: str, images: Path, tmp_path: Path) -> None:
    path = recipe(images, tmp_path, 2)
    wrong = ["--trainer.devices", str(devices), "--trainer.strategy", strategy]
    for output in run_cli(2, tmp_path / "printed", "fit", "-c", str(path), *wrong):
        assert output.code == 2
        assert f"torchrun started 2 processes, but trainer.devices={devices}" in output.err
        assert "Set --trainer.devices 2." in output.err
        assert "Traceback" not in output.err


def test_a_second_run_in_a_folder_is_refused_by_every_process(images: Path, tmp_path: Path) -> None:
    path = recipe(images, tmp_path, 2)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    outputs = run_cli(2, tmp_path / "printed", "fit", "-c", str(path))
    assert [each.code for each in outputs] == [2, 2]
    assert not (tmp_path / "metrics.csv").exists()
