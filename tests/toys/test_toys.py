"""Three tasks of other kinds go through every verb, and nothing outside their files knows of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import hqzoo
from hqzoo.cli import main
from hqzoo.compare import read_table
from hqzoo.compare.cells import read_cells
from tests.processes.launch import run_cli
from tests.toys import frozen, labels, sensors

EPOCHS = 2
TOYS = {
    "labels": ("hqzoo.tasks.ClassificationTask", "toy_labels", labels.LabelData, "accuracy"),
    "sensors": ("tests.toys.sensors.PairTask", "toy_sensors", sensors.PairData, "recall_at_1"),
    "frozen": ("hqzoo.tasks.SegmentationTask", "toy_frozen", frozen.FrozenData, "miou"),
}


def recipe(toy: str, root: Path, processes: int) -> Path:
    """Write the recipe of a toy, whose processes together take batches of eight."""
    task, architecture, data, _ = TOYS[toy]
    batch = 2 if toy == "frozen" else 8
    content = {
        "seed_everything": 1,
        "trainer": {
            "default_root_dir": str(root / "run"), "accelerator": "cpu", "devices": processes, "max_epochs": EPOCHS,
            "strategy": "ddp" if processes > 1 else "auto", "log_every_n_steps": 1, "enable_model_summary": False,
            "num_sanity_val_steps": 0,
        },
        "model": {
            "class_path": task,
            "init_args": {"architecture": architecture, "optimizer": {"lr": 0.02}, "schedule": {"name": "constant"}},
        },
        "data": {
            "class_path": f"{data.__module__}.{data.__qualname__}", "init_args": {"batch_size": batch // processes},
        },
    }  # fmt: skip
    path = root / "recipe.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def run(processes: int, root: Path, *arguments: str) -> str:
    """Run ``hqzoo``; return what it printed."""
    outputs = run_cli(processes, root / "printed", *arguments)
    assert [each.code for each in outputs] == [0] * processes, outputs
    return outputs[0].out


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("toy", TOYS)
def test_interrupted_resumed_tested_and_loaded(toy: str, processes: int, tmp_path: Path) -> None:
    path = recipe(toy, tmp_path, processes)
    callback = {"class_path": "tests.cli.conftest.Interrupt", "init_args": {"hook": "on_train_batch_end"}}
    press = ["-c", str(path), f"--trainer.callbacks={json.dumps([callback])}"]
    interrupted = run_cli(processes, tmp_path / "printed", "fit", *press)
    assert interrupted[0].code == 130, interrupted
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert 0 < torch.load(last, weights_only=True)["global_step"] < 4

    run(processes, tmp_path, "fit", "-c", str(path), "--ckpt_path", "last")
    whole = recipe(toy, tmp_path / "whole", processes)
    run(processes, tmp_path, "fit", "-c", str(whole))
    files = [root / "run" / "checkpoints" / "last.ckpt" for root in (tmp_path, tmp_path / "whole")]
    first, second = (torch.load(file, weights_only=True)["state_dict"] for file in files)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)

    assert "parameters" in run(processes, tmp_path, "test", "-c", str(path), "--ckpt_path", "last")
    report = hqzoo.tasks.Report.from_dict(json.loads((tmp_path / "run" / "test.json").read_text()))
    metric = TOYS[toy][-1]
    assert 0 <= report.score(metric) <= 1
    with np.load(tmp_path / "run" / "test.npz") as samples:
        assert len(samples["name"]) == {"labels": 21, "sensors": 13, "frozen": 2}[toy]

    task = hqzoo.load(last)
    assert type(task).__module__ in ("hqzoo.tasks.classification", "hqzoo.tasks.segmentation", "tests.toys.sensors")
    assert not any("backbone.module" in name for name in first)
    images = {name: torch.zeros(1, *shape) for name, shape in {"image": (3, 32, 32)}.items()}
    if toy != "sensors":
        assert task(images).shape[:2] == (1, 3)


def compare(toy: str, processes: int, root: Path, seeds: tuple[int, ...]) -> None:
    path = recipe(toy, root, processes)
    chosen = ["--controls", "quantum", "constant", "zero", "--seeds", *map(str, seeds)]
    code = main(["compare", "-c", str(path), *chosen, "--out", str(root / "table")])
    assert code == 0
    table = read_table(root / "table" / "table.yaml")
    results = read_cells(table, root / "table")
    rows = ("quantum", "constant", "zero")
    assert {row: sorted(cells) for row, cells in results.items()} == {
        row: [(0, seed) for seed in seeds] for row in rows
    }
    report = (root / "table" / "report.md").read_text()
    metric = results["quantum"][0, 0].report.metrics[0]
    assert metric.name == TOYS[toy][-1]
    assert metric.heading in report or metric.name in report
    summary = json.loads((root / "table" / "summary.json").read_text())
    assert [(each["row"], each["against"]) for each in summary["comparisons"]] == [
        ("quantum", "constant"), ("quantum", "zero"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "toy", ["labels", *(pytest.param(toy, marks=pytest.mark.slow) for toy in ("sensors", "frozen"))]
)
def test_compared_with_two_controls(toy: str, tmp_path: Path) -> None:
    compare(toy, 1, tmp_path, seeds=(0, 1))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("toy", TOYS)
def test_compared_on_two_processes(toy: str, tmp_path: Path) -> None:
    """Every run starts two processes of its own, each of which imports everything anew."""
    compare(toy, 2, tmp_path, seeds=(0,))
