"""Ctrl-C in the real program, in the middle of an epoch, and on again."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from hqzoo._lightning import pl
from hqzoo.cli import main
from tests.cli.conftest import recipe, write_recipe

PATIENCE = 300.0  # seconds; a loaded machine imports torch slowly


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from hqzoo.cli import main; sys.exit(main())", *arguments]


class PressCtrlC(pl.Callback):
    """Presses Ctrl-C in the first batch of whatever is not training."""

    def press(self, *_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    on_test_batch_start = on_validation_batch_start = on_predict_batch_start = press


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def rows(root: Path) -> list[dict[str, str]]:
    path = root / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def interrupt_after(steps: int, root: Path, number: signal.Signals, *arguments: str) -> tuple[int, str]:
    """Run a command in a process group of its own and signal the whole group once so many rows are written.

    A terminal sends Ctrl-C to the group as well: data workers receive it too.
    """
    process = subprocess.Popen(
        command(*arguments), env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE
    while len([row for row in rows(root) if row.get("train/loss")]) < steps:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, number)
    _, error = process.communicate(timeout=PATIENCE)
    return process.returncode, error


@pytest.fixture(scope="module")
def settings(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of forty steps."""
    content = recipe(folder, Path("unset"))
    content["trainer"]["max_epochs"] = 2
    content["data"]["init_args"]["crops_per_epoch"] = 80
    return write_recipe(content, tmp_path_factory.mktemp("recipe") / "recipe.yaml")


@pytest.fixture(scope="module")
def whole(settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run without interruption."""
    root = tmp_path_factory.mktemp("whole")
    assert main(["fit", "-c", str(settings), "--trainer.default_root_dir", str(root)]) == 0
    return root


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGINT, "2"), pytest.param(signal.SIGTERM, "0", marks=pytest.mark.slow)]
)
def test_interrupted_and_resumed_equals_uninterrupted(
    number: signal.Signals, workers: str, settings: Path, whole: Path, tmp_path: Path
) -> None:
    root = tmp_path / "run"
    options = ["--trainer.default_root_dir", str(root), "--data.init_args.num_workers", workers]
    code, error = interrupt_after(50, root, number, "fit", "-c", str(settings), *options)
    assert code == 130, error
    assert "Traceback" not in error
    assert f"Go on with: hqzoo fit -c {root / 'config.yaml'} --ckpt_path last" in error
    assert sorted(path.name for path in (root / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    done = torch.load(root / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert 50 <= done < 80

    assert main(["fit", "-c", str(root / "config.yaml"), "--ckpt_path", "last"]) == 0
    assert rows(root) == rows(whole)
    assert [row["step"] for row in rows(root) if row["train/loss"]] == [str(step) for step in range(80)]
    first, second = (
        torch.load(each / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for each in (root, whole)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("verb", ["test", "validate", "predict"])
def test_ctrl_c_ends_the_other_verbs_too(
    verb: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lightning makes an exit code of 1 of it, and a process that is deaf to the next Ctrl-C."""
    listening = signal.getsignal(signal.SIGINT)
    content = yaml.safe_load((whole / "config.yaml").read_text())
    content["trainer"]["callbacks"] = [{"class_path": f"{__name__}.PressCtrlC"}]
    settings = write_recipe(content, tmp_path / "recipe.yaml")
    arguments = ["-c", str(settings), "--ckpt_path", str(whole / "checkpoints" / "last.ckpt")]
    assert main([verb, *arguments, "--trainer.default_root_dir", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) == listening
    assert not (tmp_path / f"{verb}.json").exists()
