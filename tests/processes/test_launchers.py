"""Ctrl-C in the real launchers: torchrun, and Lightning's own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes.conftest import checkpoint, fit, recipe, seen
from tests.processes.launch import PATIENCE, free_port

TORCHRUN = ["torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1", "-m", "hqzoo"]


@pytest.mark.slow  # every process imports everything: half a minute and more
@pytest.mark.parametrize("launcher", [TORCHRUN, ["hqzoo"]], ids=["torchrun", "lightning"])
def test_ctrl_c_saves_once_and_another_number_of_processes_goes_on(
    launcher: list[str], images: Path, tmp_path: Path
) -> None:
    path = recipe(images, tmp_path, 2)
    port = ["--master_port", str(free_port())] if launcher is TORCHRUN else []
    command = [sys.executable, "-m", launcher[0], *port, *launcher[1:]]
    process = subprocess.Popen(
        [*command, "fit", "-c", str(path), "--trainer.max_epochs", "4000"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=Path(__file__).parents[2], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "seen1.txt").exists() or (1, 1) not in seen(tmp_path):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the launcher and all that it launched
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert error.count("finishing") == 1, error  # what torchrun hands on is no second Ctrl-C
    assert error.count("Go on with: hqzoo fit") == 1, error
    saved = checkpoint(tmp_path)
    assert sum(map(len, seen(tmp_path).values())) == 4 * saved["global_step"]  # no process ran ahead

    epochs = saved["global_step"] // 5 + 1
    fit(recipe(images, tmp_path, 1), 1, "--ckpt_path", "last", "--trainer.max_epochs", str(epochs))
    batches = seen(tmp_path)
    assert list(batches) == [(epoch, index) for epoch in range(epochs) for index in range(5)]
    assert {len(set(samples)) for samples in batches.values()} == {4}
