"""Runs functions on several processes, and the command line as torchrun runs it, without importing anything anew."""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.multiprocessing as mp

import hqzoo.cli.fit  # noqa: F401 - what is imported here need not be imported by every process
from hqzoo._lightning import pl
from hqzoo.cli import main
from hqzoo.models import list_models

list_models()

PATIENCE = 240.0  # seconds; a loaded machine is slow


@dataclass(frozen=True)
class Output:
    """What one process made of a command line."""

    code: int
    out: str
    err: str


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(rank: int, world: int, port: int) -> dict[str, str]:
    """Return what torchrun tells its processes."""
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }  # fmt: skip


def on_processes(world: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call ``function(*arguments)`` on every process of a group, and return what each returned.

    Processes are forked: they find torchrun's variables, and everything else as it is here.
    """
    context = mp.get_context("fork")
    port, pipes, processes = free_port(), [], []
    for rank in range(world):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(sender, environment(rank, world, port), function, arguments))
        process.start()
        pipes.append(receiver)
        processes.append(process)
    try:
        found = [pipe.recv() if pipe.poll(PATIENCE) else (False, "no answer") for pipe in pipes]
    finally:
        for process in processes:
            process.join(10)
            if process.is_alive():
                process.kill()
    for rank, (succeeded, result) in enumerate(found):
        assert succeeded, f"process {rank}: {result}"
    return [result for _, result in found]


def _child(pipe: Any, variables: dict[str, str], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ.update(variables)
    pl.utilities.rank_zero_only.rank = int(variables["RANK"])  # what Lightning reads there when it is imported
    try:
        answer = True, function(*arguments)
    except BaseException:  # noqa: BLE001 - told by the parent
        answer = False, traceback.format_exc()
    pipe.send(answer)


def run_cli(world: int, folder: Path, *arguments: str) -> list[Output]:
    """Run ``hqzoo`` with these arguments on every process; what they print goes through files of the folder."""
    return on_processes(world, _cli, folder, arguments)


def _cli(folder: Path, arguments: tuple[str, ...]) -> Output:
    folder.mkdir(parents=True, exist_ok=True)
    out, err = (folder / f"rank{os.environ['RANK']}.{name}" for name in ("out", "err"))
    with _redirected(1, out), _redirected(2, err):
        code = main(list(arguments))
    return Output(code, out.read_text(), err.read_text())


@contextmanager
def _redirected(number: int, path: Path) -> Any:
    with path.open("w") as file:
        os.dup2(file.fileno(), number)
        stream = os.fdopen(os.dup(number), "w")
        with (redirect_stdout if number == 1 else redirect_stderr)(stream):
            yield
        stream.flush()
    sys.stdout.flush()
