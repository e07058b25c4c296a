"""A recipe of a toy for one process or several, and what its runs leave behind."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.fixtures.folder import write_folder
from tests.processes.launch import Output, run_cli

EPOCHS, SAMPLES, BATCH = 2, 22, 4  # five batches and a half an epoch: the last two samples are left out


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of two images, of unequal sizes and with unlabelled pixels."""
    return write_folder(tmp_path_factory.mktemp("images") / "set", size=(64, 56))


@pytest.fixture(scope="session")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one process, without interruption."""
    root = tmp_path_factory.mktemp("whole")
    fit(recipe(images, root, 1), 1)
    return root


def recipe(images: Path, root: Path, processes: int, task: str = "ToyTask", callbacks: tuple[Any, ...] = ()) -> Path:
    """Write the recipe of a run in float64, in which all processes together take batches of four."""
    content: dict[str, Any] = {
        "seed_everything": 0,
        "trainer": {
            "default_root_dir": str(root), "accelerator": "cpu", "devices": processes, "precision": "64-true",
            "strategy": "ddp" if processes > 1 else "auto", "max_epochs": EPOCHS, "log_every_n_steps": 1,
            "enable_model_summary": False,
            "callbacks": [
                {"class_path": f"tests.processes.toys.{name}", "init_args": arguments}
                for name, arguments in (("Seen", {"folder": str(root)}), *callbacks)
            ],
        },
        "model": {
            "class_path": f"tests.processes.toys.{task}",
            "init_args": {
                "architecture": "hq_unet",
                "loss": {"name": "ce_dice"},
                "optimizer": {"name": "AdamW", "lr": 0.01},
            },
        },
        "data": {
            "class_path": "hqzoo.data.FolderSegmentationDataModule",
            "init_args": {
                "root": str(images), "fold": 0, "crop_size": 24, "batch_size": BATCH // processes,
                "crops_per_epoch": SAMPLES,
            },
        },
    }  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"recipe{processes}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def fit(path: Path, processes: int, *more: str, code: int = 0) -> list[Output]:
    """Run ``hqzoo fit`` of a recipe on so many processes; all must end with this code."""
    outputs = run_cli(processes, path.parent / "printed", "fit", "-c", str(path), *more)
    assert outputs[0].code == code, outputs
    return outputs


def rows(root: Path) -> list[dict[str, str]]:
    """Return what was logged."""
    with (root / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def losses(root: Path, name: str = "loss") -> list[float]:
    """Return the loss of every step, or a part of it."""
    return [float(row[f"train/{name}"]) for row in rows(root) if row[f"train/{name}"]]


def checkpoint(root: Path, name: str = "last") -> dict[str, Any]:
    found: dict[str, Any] = torch.load(root / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return found


def seen(root: Path) -> dict[tuple[int, int], list[str]]:
    """Return by epoch and batch which samples were trained on, of all processes together."""
    found: dict[tuple[int, int], list[str]] = {}
    for path in sorted(root.glob("seen*.txt")):
        for line in path.read_text().splitlines():
            epoch, batch, *sums = line.split()
            found.setdefault((int(epoch), int(batch)), []).extend(sums)
    return {key: sorted(sums) for key, sums in found.items()}
