"""The run folder and its metrics file."""

import csv
from pathlib import Path

import pytest
import torch

from hqzoo.cli.run_folder import MetricsFile, RunFolder
from hqzoo.errors import CheckpointError, ConfigError


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_is_on_disk_at_once_and_columns_appear_as_needed(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.csv")
    file.log_metrics({"epoch": 0.0, "train/loss": torch.tensor(0.5)}, step=0)
    assert rows(file.path) == [{"step": "0", "epoch": "0", "train/loss": "0.5"}]
    file.log_metrics({"val/miou": 0.25}, step=1)
    assert rows(file.path) == [
        {"step": "0", "epoch": "0", "train/loss": "0.5", "val/miou": ""},
        {"step": "1", "epoch": "", "train/loss": "", "val/miou": "0.25"},
    ]


def test_a_second_logger_goes_on_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    MetricsFile(path).log_metrics({"a": 1.0}, step=0)
    MetricsFile(path).log_metrics({"b": 2.0, "a": 3.0}, step=1)
    assert rows(path) == [{"step": "0", "a": "1.0", "b": ""}, {"step": "1", "a": "3.0", "b": "2.0"}]


def test_forget_after_drops_what_will_be_done_again_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    file = MetricsFile(path)
    for step in range(5):
        file.log_metrics({"a": float(step), "b": 0.0}, step=step)
    with path.open("a") as stream:
        stream.write("2")  # the process died here
    MetricsFile(path).forget_after(2)
    assert [row["step"] for row in rows(path)] == ["0", "1"]
    MetricsFile(tmp_path / "none.csv").forget_after(2)
    assert not (tmp_path / "none.csv").exists()


def test_checkpoint_names(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(CheckpointError, match="leave --ckpt_path out"):
        folder.checkpoint("last")
    folder.last.parent.mkdir()
    folder.last.touch()
    assert folder.checkpoint("last") == folder.last
    assert folder.checkpoint(str(folder.last)) == folder.last
    with pytest.raises(CheckpointError, match=r"Checkpoints in this run folder: .*last\.ckpt"):
        folder.checkpoint("best")
    assert RunFolder.of_checkpoint(folder.last) == folder
    assert RunFolder.of_checkpoint(tmp_path / "weights.ckpt") is None


def test_start_refuses_a_run_and_forgets_metrics_without_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.start()
    folder.metrics.write_text("step\n")
    folder.start()
    assert not folder.metrics.exists()
    folder.last.touch()
    with pytest.raises(ConfigError, match="--ckpt_path last") as error:
        folder.refuse_second_run()
    assert "--trainer.default_root_dir" in str(error.value)


def test_unwritable_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/run"):
        RunFolder(tmp_path / "file" / "run").start()
