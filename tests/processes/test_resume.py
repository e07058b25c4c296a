"""A run that was interrupted on some number of processes goes on with any other as if it had never stopped."""

import itertools
import shutil
from pathlib import Path

import pytest
import torch

from hqzoo.callbacks import vote
from tests.processes.conftest import EPOCHS, checkpoint, fit, losses, recipe, rows, seen

STEP = 6  # in the middle of the second epoch


@pytest.fixture(autouse=True)
def _frequent_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of milliseconds would end the epoch before the second vote."""
    monkeypatch.setattr(vote, "MOST_BATCHES", 2)


def interrupt(images: Path, root: Path, processes: int, task: str = "ToyTask") -> int:
    """Press Ctrl-C on the last process alone, and return how many steps were done."""
    # Twice, where there are several: torchrun hands on what a terminal sends to all.
    stop = ("Interrupt", {"step": STEP, "rank": processes - 1, "times": processes})
    outputs = fit(recipe(images, root, processes, task, (stop,)), processes, code=130)
    assert [each.code for each in outputs] == [130] + [0] * (processes - 1)  # launchers see one failure, not a race
    assert "Go on with: hqzoo fit" in outputs[0].err
    assert all("Traceback" not in each.err for each in outputs)
    done: int = checkpoint(root)["global_step"]
    assert STEP < done < 5 * EPOCHS
    return done


OTHERS = [pytest.param(*each, marks=pytest.mark.slow) for each in ((2, 2), (1, 2))]


@pytest.mark.parametrize(("before", "after"), [(2, 1), *OTHERS])
def test_interrupted_and_resumed_equals_uninterrupted(
    before: int, after: int, images: Path, whole: Path, tmp_path: Path
) -> None:
    done = interrupt(images, tmp_path, before)
    assert seen(tmp_path) == dict(itertools.islice(seen(whole).items(), done))
    fit(recipe(images, tmp_path, after), after, "--ckpt_path", "last")
    assert seen(tmp_path) == seen(whole)
    assert [row["step"] for row in rows(tmp_path)] == [row["step"] for row in rows(whole)]
    assert losses(tmp_path) == pytest.approx(losses(whole), abs=1e-6)
    first, second = checkpoint(whole), checkpoint(tmp_path)
    for name, value in first["state_dict"].items():
        torch.testing.assert_close(second["state_dict"][name], value, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_every_process_drops_what_it_would_have_dropped(images: Path, tmp_path: Path) -> None:
    fit(recipe(images, tmp_path / "whole", 2, "DropoutTask"), 2)
    interrupt(images, tmp_path / "run", 2, "DropoutTask")
    states = checkpoint(tmp_path / "run")["callbacks"]["Resumable"]["random"]
    assert not torch.equal(states[0]["torch"], states[1]["torch"])
    for copy in ("a", "b"):
        shutil.copytree(tmp_path / "run", tmp_path / copy)
        fit(recipe(images, tmp_path / copy, 1, "DropoutTask"), 1, "--ckpt_path", "last")
    assert rows(tmp_path / "a") == rows(tmp_path / "b")  # on another number of processes: by the rule, whatever happens
    fit(recipe(images, tmp_path / "run", 2, "DropoutTask"), 2, "--ckpt_path", "last")
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
