"""A small data set, a recipe for it, and a run to look at."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hqzoo._lightning import pl
from hqzoo.cli import main
from tests.fixtures.folder import write_folder


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Steps this small only suffer from threads, and results compare bit by bit with those of other processes."""
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three scenes of two images, one fold each."""
    return write_folder(tmp_path_factory.mktemp("folder") / "set", size=(64, 64))


def recipe(folder: Path, root: Path) -> dict[str, Any]:
    """Two epochs of six steps, validation after each, a model of a few thousand weights."""
    return {
        "seed_everything": 0,
        "trainer": {
            "default_root_dir": str(root),
            "accelerator": "cpu",
            "max_epochs": 2,
            "log_every_n_steps": 1,
            "enable_model_summary": False,
        },
        "model": {
            "class_path": "hqzoo.tasks.SegmentationTask",
            "init_args": {
                "architecture": "hq_unet",
                "architecture_args": {"width": 4, "input_size": 32},
                "loss": {"name": "ce_dice"},
                "optimizer": {"name": "AdamW", "lr": 0.01},
            },
        },
        "data": {
            "class_path": "hqzoo.data.FolderSegmentationDataModule",
            "init_args": {
                "root": str(folder),
                "fold": 0,
                "crop_size": 32,
                "batch_size": 2,
                "crops_per_epoch": 12,
            },
        },
    }


def write_recipe(content: dict[str, Any], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session")
def finished_run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was trained to its end; not to be changed."""
    root = tmp_path_factory.mktemp("runs") / "finished"
    path = write_recipe(recipe(folder, root), tmp_path_factory.mktemp("recipe") / "recipe.yaml")
    assert main(["fit", "-c", str(path)]) == 0
    return root


class Interrupt(pl.Callback):
    """Sends signals to this process.

    Args:
        hook: Name of the hook in which to send them.
        times: How many.
    """

    def __init__(self, hook: str, times: int = 1) -> None:
        setattr(self, hook, lambda *_: [os.kill(os.getpid(), signal.SIGINT) for _ in range(times)])
