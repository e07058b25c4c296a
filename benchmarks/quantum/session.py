"""Fills a results file cell by cell, each in a fresh process, and goes on where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.quantum.measure import MODES, Request
from hqzoo.compare.machine import describe_machine
from hqzoo.errors import ConfigError

__all__ = ["Cell", "Results", "Session"]

ROOT = Path(__file__).resolve().parents[2]
AGAIN = ("missing", "failed", "wrong")
"""A later run tries these once more: somebody may have installed or mended something."""
EXHAUSTED = ("timeout", "memory", "skipped")


@dataclass(frozen=True)
class Cell:
    """One case on one peer at one batch size, forward alone or with backward."""

    case: str
    peer: str
    batch: int
    mode: str

    @property
    def key(self) -> str:
        """Its name in the results file."""
        return f"{self.case}/{self.peer}/{self.batch}/{self.mode}"


class Results:
    """A results file: settings, machine, and cells.

    Args:
        path: The file; it is read if it exists.
        settings: What all cells have in common.

    Raises:
        ConfigError: If the file holds cells that were measured under other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.content: dict[str, Any] = {"settings": dict(settings), "machine": {}, "cells": {}}
        if path.exists():
            self.content = json.loads(path.read_text())
            different = {
                name: (self.content["settings"].get(name), value)
                for name, value in settings.items()
                if self.content["settings"].get(name) != value
            }
            if different:
                said = ", ".join(f"{name} {old} (now {new})" for name, (old, new) in different.items())
                raise ConfigError(f"{path} was measured with {said}. Give another --out, or the same settings.")

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """Cells by key."""
        cells: dict[str, dict[str, Any]] = self.content["cells"]
        return cells

    def wants(self, cell: Cell) -> bool:
        """Return whether the cell has to be measured."""
        return self.cells.get(cell.key, {"status": "missing"})["status"] in AGAIN

    def put(self, cell: Cell, record: dict[str, Any]) -> None:
        """Add a cell and write the file, as a whole or not at all."""
        machine = _machine()
        self.content["machine"] = machine
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.cells[cell.key] = {**asdict(cell), **record, "commit": machine["commit"], "finished": now}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.content, indent=1) + "\n")
        partial.replace(self.path)


class Session:
    """Measures cells into a results file.

    Args:
        results: Where they go.
        request: Settings of every cell; case, peer, batch, mode and truth are filled in.
        pythons: Interpreter of the peers whose name matches a pattern; the others run on this one.
        say: Called with one line a cell.
    """

    def __init__(
        self,
        results: Results,
        request: Request,
        pythons: Mapping[str, str] | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.results, self.request, self.say = results, request, say
        self.pythons = dict(pythons or {})

    def run(self, cells: list[Cell], redo: bool = False) -> None:
        """Measure all cells that are not there yet; all of them with ``redo``."""
        wanted = [cell for cell in cells if redo or self.results.wants(cell)]
        with tempfile.TemporaryDirectory(prefix="bench-quantum-") as folder:
            for number, cell in enumerate(wanted, start=1):
                record = self._skip(cell) or self._measure(cell, Path(folder))
                self.results.put(cell, record)
                self.say(f"[{number}/{len(wanted)}] {cell.key}: {_line(record)}")

    def _skip(self, cell: Cell) -> dict[str, Any] | None:
        """Return a record if a smaller task of the same row was too large already."""
        smaller = [
            record
            for record in self.results.cells.values()
            if (record["case"], record["peer"]) == (cell.case, cell.peer)
            and record["status"] in EXHAUSTED
            and record["batch"] <= cell.batch
            and record["mode"] in MODES[: 1 + MODES.index(cell.mode)]
            and (record["batch"], record["mode"]) != (cell.batch, cell.mode)
        ]
        if not smaller:
            return None
        first = min(smaller, key=lambda record: (record["batch"], MODES.index(record["mode"])))
        what = {"timeout": "time", "memory": "memory"}.get(first["status"], "resources")
        return {"status": "skipped", "reason": f"{first['mode']} at batch {first['batch']} was out of {what} already"}

    def _measure(self, cell: Cell, folder: Path) -> dict[str, Any]:
        truth = folder / f"{cell.case}.npz"
        if not truth.exists():
            self._judge(cell.case, truth)
        request = replace(self.request, **asdict(cell), truth=str(truth))
        asked, answer = folder / "request.json", folder / "result.json"
        asked.write_text(json.dumps(asdict(request)))
        answer.unlink(missing_ok=True)
        python = next((path for name, path in self.pythons.items() if fnmatchcase(cell.peer, name)), sys.executable)
        command = [python, "-m", "benchmarks.quantum.measure", str(asked), str(answer)]
        code, last = self._process(command, request.time_limit)
        if code is None:
            return {"status": "timeout", "reason": f"not done within {request.time_limit:g} s"}
        if answer.exists():
            record: dict[str, Any] = json.loads(answer.read_text())
            return record
        if code == -signal.SIGKILL or "bad_alloc" in last or "allocate" in last:
            return {"status": "memory", "reason": f"ended by {code} at {request.memory_limit:g} GiB: {last}"}
        return {"status": "failed", "reason": f"ended with code {code}: {last}"}

    def _judge(self, case: str, truth: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.quantum.oracle", case, str(truth)]
        code, last = self._process(command + (["small"] if self.request.small else []), None)
        if code != 0:
            raise ConfigError(
                f"The judge (PennyLane's default.qubit) could not compute '{case}': {last} "
                'Without it no row can be checked; pip install "hqzoo[pennylane]".'
            )

    def _process(self, command: list[str], limit: float | None) -> tuple[int | None, str]:
        """Run a process with its children; return its exit code (None: out of time) and its last words."""
        threads = str(self.request.threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                command, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(process)
            said.seek(0)
            lines = [line.strip() for line in said.read().splitlines() if line.strip()]
        return code, lines[-1][:300] if lines else "it said nothing."


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it started."""
    with contextlib.suppress(ProcessLookupError):  # all gone
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@cache
def _machine() -> dict[str, str | int | float]:
    return describe_machine()


def _line(record: Mapping[str, Any]) -> str:
    if record["status"] == "ok":
        return f"median {record['median_ms']:.3f} ms, min {record['min_ms']:.3f} ms, peak {record['peak_mb']:.0f} MB"
    return f"{record['status']}: {record['reason']}"
