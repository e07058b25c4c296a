"""Pretraining: the curves of a table are those of its runs, and parts of a step are timed on the step's own inputs."""

import csv
from pathlib import Path

import torch
from PIL import Image

from benchmarks import pretraining_step
from benchmarks.pretraining_curves import curves, main

TINY = {
    "image_size": 120, "patch": 30, "width": 16, "heads": 2, "depth": 2, "predictor_width": 8, "predictor_depth": 1,
    "other_depth": 1, "fused_width": 8,
}  # fmt: skip


def test_curves_are_those_of_the_runs(tmp_path: Path) -> None:
    for seed in range(2):
        folder = tmp_path / "runs" / f"fidelity-fold0-seed{seed}"
        folder.mkdir(parents=True)
        with (folder / "metrics.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "train/token", "train/health/rank_me", "val/loss"])
            writer.writerows([[0, 1.0 + seed, 3.0, ""], [0, "", "", 9.0], [9, 0.5, 2.0, ""]])
    (tmp_path / "table.yaml").write_text("rows: {fidelity: {label: fidelity loss}, other: }\n")
    assert curves(tmp_path / "runs" / "fidelity-fold0-seed1" / "metrics.csv") == {
        "token": ([1.0, 10.0], [2.0, 0.5]),
        "health/rank_me": ([1.0, 10.0], [3.0, 2.0]),
    }
    assert main([str(tmp_path)]) == 0
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000


def test_steps_and_their_parts_are_timed() -> None:
    rows = {"HQ-JEPA": {"architecture_args": TINY}, "token": {"architecture_args": TINY, "weights": {"fidelity": 0}}}
    found = pretraining_step.measure(4, 1, torch.device("cpu"), rows)
    assert set(found["steps"]) == set(rows)
    assert set(found["parts"]) == {"fidelity loss", "SIGReg"}
    assert min([*found["steps"].values(), *found["parts"].values()]) > 0
