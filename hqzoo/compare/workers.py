"""Several processes that fill one table, and end together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hqzoo.compare.cell_files import read_cell
from hqzoo.compare.machine import cores
from hqzoo.compare.runner import Progress, Runner
from hqzoo.compare.table import Cell
from hqzoo.errors import ConfigError, FailedRunsError

__all__ = ["fill_with_workers"]

POLL = 0.5  # seconds
TAIL = 15  # lines of a failed worker's log
FAILED_RUNS = 2  # exit code of a worker that did what it could, see hqzoo.cli


def fill_with_workers(runner: Runner, cells: Sequence[Cell], command: Sequence[str], workers: int) -> None:
    """Let several processes fill the missing cells; each takes the next one that nobody is at.

    Every worker is given its share of the processor's cores, and writes what it has to say to ``logs`` in the table's
    folder. Ctrl-C makes all of them save and end; a second one ends them where they are.

    Args:
        runner: Knows the table and its folder.
        cells: The cells to fill.
        command: What a worker runs: a program that fills these cells by itself.
        workers: Number of processes, at least 1.

    Raises:
        ConfigError: If a finished cell was made with other settings.
        FailedRunsError: If runs fail. If a worker itself breaks down, the others save and end.
        KeyboardInterrupt: If the user wants to stop.
    """
    if workers < 1:
        raise ConfigError(f"--workers {workers}: it takes at least one process.")
    missing = runner.missing(cells)
    progress = Progress(len(cells), len(cells) - len(missing), runner.table.metric)
    logs = [runner.out / "logs" / f"worker-{number}.log" for number in range(1, min(workers, len(missing)) + 1)]
    with _signals_interrupt():
        processes = [_start(command, log, max(1, cores() // len(logs))) for log in logs]
        try:
            _watch(runner, missing, processes, progress)
            failed = {log: process.poll() for log, process in zip(logs, processes, strict=True) if process.poll()}
        finally:
            _end(processes)
    for log, code in failed.items():
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])
        raise FailedRunsError(f"A worker ended with exit code {code}. The end of {log}:\n{tail}")


def _start(command: Sequence[str], log: Path, threads: int) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as file:
        # A session of its own: a terminal's Ctrl-C goes to us alone, and each worker is told once.
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )


def _watch(
    runner: Runner, missing: Sequence[Cell], processes: Sequence[subprocess.Popen[bytes]], progress: Progress
) -> None:
    """Report cells as they appear, until all workers have ended or one has broken down."""
    waiting = list(missing)
    running = True
    while running:
        codes = [process.poll() for process in processes]
        running = None in codes and not set(codes) - {None, 0, FAILED_RUNS}
        for cell in list(waiting):
            result = read_cell(runner.out, cell)
            if result is not None:
                waiting.remove(cell)
                progress.finish(result)
        if running:
            time.sleep(POLL)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the workers that still run to save and end; asked again, to end at once; and then make them."""
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)
        try:
            for process in processes:
                process.wait()
        except KeyboardInterrupt:
            continue
        return


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Make the signals that end a process arrive as KeyboardInterrupt, so that no worker outlives its parent."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: a closed terminal shall not end it
        numbers.append(signal.SIGHUP)
    former = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, former, strict=True):
            signal.signal(number, handler)
