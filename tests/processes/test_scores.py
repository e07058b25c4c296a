"""Scores of a split are those of the whole split, however many processes share it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hqzoo.tasks import Samples
from tests.processes.conftest import checkpoint, fit, recipe, rows
from tests.processes.launch import on_processes, run_cli


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two processes."""
    root = tmp_path_factory.mktemp("run")
    fit(recipe(images, root, 2), 2)
    return root


def report(verb: str, processes: int, images: Path, run: Path, root: Path) -> dict[str, Any]:
    path = recipe(images, root, processes)
    last = str(run / "checkpoints" / "last.ckpt")
    outputs = run_cli(processes, root / "printed", verb, "-c", str(path), "--ckpt_path", last)
    assert [each.code for each in outputs] == [0] * processes, outputs
    assert "Written" in outputs[0].out
    assert all(each.out == "" for each in outputs[1:])
    found: dict[str, Any] = json.loads((root / f"{verb}.json").read_text())
    return found


def same(first: Any, second: Any) -> bool:
    """Compare plain values: counts exactly, sums of probabilities to the last digits of their order of summation."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float):
        return bool(second == pytest.approx(first, abs=1e-12))
    return bool(first == second)


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_scores_of_two_processes_are_those_of_one(verb: str, images: Path, run: Path, tmp_path: Path) -> None:
    one, two = (report(verb, processes, images, run, tmp_path / str(processes)) for processes in (1, 2))
    for key in ("scores", "classes", "details"):
        assert same(one[key], two[key]), (key, one[key], two[key])
    assert one["details"]["confusion"] == two["details"]["confusion"]


def test_scores_during_training_are_those_of_the_checkpoint(images: Path, run: Path, tmp_path: Path) -> None:
    logged = [row for row in rows(run) if row["val/miou"]][-1]
    found = report("validate", 1, images, run, tmp_path)["scores"]
    expected = {name: value for name, value in found.items() if value is not None}
    assert {name: float(logged[f"val/{name}"]) for name in expected} == pytest.approx(expected, abs=1e-7)  # float32
    assert checkpoint(run)["callbacks"]["BestCheckpoint"]["score"] == max(
        float(row["val/miou"]) for row in rows(run) if row["val/miou"]
    )


ROWS = (["a", "b", "c"], [], ["c", "d"])


def gathered(windows: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    torch.distributed.init_process_group("gloo")
    samples, names = Samples(windows), ROWS[torch.distributed.get_rank()]
    if names:
        samples.add(names, hits=torch.tensor([[ord(name), 1] for name in names]))
    return samples.gather(), samples.gather()


@pytest.mark.parametrize(("windows", "counts"), [(False, [1, 1, 1, 1]), (True, [1, 1, 2, 1])])
def test_uneven_rows_are_gathered(windows: bool, counts: list[int]) -> None:
    """Three processes: one has nothing, and a name is on two of them."""
    for found, after in on_processes(3, gathered, windows):
        assert list(found["name"]) == ["a", "b", "c", "d"]
        np.testing.assert_array_equal(found["hits"][:, 1], counts)
        np.testing.assert_array_equal(found["hits"][:, 0], np.multiply([97, 98, 99, 100], counts))
        assert len(after["name"]) == 0
