"""One cell of the table, in a process of its own: equal work is checked equal, then timed.

    python -m benchmarks.quantum.measure REQUEST.json RESULT.json

Order: import; note memory; build; first call, on rows that repeat the judge's; compare; warm up; time calls on random
rows. A row whose numbers are wrong gets no time.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.quantum.cases import CASES, Case, inputs
from benchmarks.quantum.oracle import Truth
from benchmarks.quantum.peers import PEERS
from benchmarks.quantum.peers.base import Peer, Unsupported
from hqzoo._memory import peak, rest

__all__ = ["MODES", "Request", "main", "measure"]

MODES = ("forward", "forward+backward")
TOLERANCE = 1e-4
WARM_UP = 2
MAX_RUNS = 1000


@dataclass(frozen=True)
class Request:
    """What to measure.

    Args:
        case: Name of the case.
        peer: Name of the peer.
        batch: Rows of data.
        mode: ``forward`` or ``forward+backward``.
        truth: File with the judge's numbers.
        small: Whether the case's small relative is meant.
        device: ``cpu`` or ``cuda``.
        threads: Threads, and processors, that may be used.
        seconds: How long calls are timed, at least the peer's own minimum of runs.
        time_limit: Seconds until the cell is given up.
        memory_limit: Gigabytes that the process may take.
    """

    case: str
    peer: str
    batch: int
    mode: str
    truth: str
    small: bool = False
    device: str = "cpu"
    threads: int = 1
    seconds: float = 5.0
    time_limit: float = 300.0
    memory_limit: float = 8.0


def measure(request: Request, peer: Peer, case: Case) -> dict[str, Any]:
    """Return the cell: its ``status``, and either times and memory or a reason."""
    started = time.perf_counter()
    if reason := _missing(peer):
        return {"status": "missing", "reason": f"{reason}; pip install {peer.install}"}
    cell: dict[str, Any] = {"versions": _versions(peer), "load_before": _load()}
    truth = Truth.load(Path(request.truth))
    circuit, backward = case.circuit(request.small), request.mode == MODES[1]
    known = truth.rows.tiled(request.batch)
    fresh = inputs(case, circuit, request.batch, seed=1)
    _start_device(request.device)
    imported = _rest()
    try:
        program = peer.build(circuit, request.device)
        program.load(known)
        before = time.perf_counter()
        outputs, *gradients = program.step() if backward else (program.forward(),)
        cell["first_call_s"] = round(time.perf_counter() - before, 4)
    except Unsupported as reason:
        return {**cell, "status": "unsupported", "reason": str(reason)}
    outputs, gradients = program.numpy(outputs), [program.numpy(gradient) for gradient in gradients]
    cell["error"] = truth.error(request.batch, outputs, (gradients[0], gradients[1]) if backward else None)
    if not cell["error"] <= TOLERANCE:
        reason = f"differs from the judge by {cell['error']:.2g}, where {TOLERANCE:g} is allowed"
        return {**cell, "error": min(cell["error"], 1e30), "status": "wrong", "reason": reason}
    del outputs, gradients
    first_peak = peak()
    program.load(fresh)
    resting = _rest()
    call = program.step if backward else program.forward
    for _ in range(WARM_UP):
        call()
    left = request.time_limit - 5 - (time.perf_counter() - started)
    times = _time(call, peer.min_runs, request.seconds, left)
    call_peak = peak()
    cell |= _summary(times) | {
        "status": "ok",
        "peak_mb": round((max(first_peak, call_peak) - imported) / 2**20, 1),
        "call_mb": round((call_peak - resting) / 2**20, 1),
        "load_after": _load(),
    }
    return cell | _device_memory(request.device)


def _time(call: Any, at_least: int, seconds: float, left: float) -> list[float]:  # noqa: ANN401
    """Time calls until both the minimum of runs and the seconds are full, or the cell's time is up."""
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < MAX_RUNS:
        before = time.perf_counter()
        call()
        after = time.perf_counter()
        times.append(after - before)
        spent = after - begin
        if (len(times) >= at_least and spent >= seconds) or spent + times[-1] > left:
            break
    return times


def _summary(times: list[float]) -> dict[str, float | int]:
    """Return statistics in milliseconds."""
    milliseconds = sorted(1000 * value for value in times)
    return {
        "runs": len(times),
        "median_ms": round(statistics.median(milliseconds), 5),
        "min_ms": round(milliseconds[0], 5),
        "max_ms": round(milliseconds[-1], 5),
    }


def _missing(peer: Peer) -> str | None:
    """Import what the peer needs; return what is not installed."""
    for module in peer.imports:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            return f"no module named '{error.name}'"
    return None


def _versions(peer: Peer) -> dict[str, str]:
    found = {}
    for name in peer.packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # imported from a source tree
            found[name] = "not recorded"
    return found


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _start_device(device: str) -> None:
    if device == "cuda":
        import torch

        torch.zeros(1, device=device)
        torch.cuda.reset_peak_memory_stats()


def _device_memory(device: str) -> dict[str, float]:
    if device != "cuda":
        return {}
    import torch

    return {"gpu_mb": round(torch.cuda.max_memory_allocated() / 2**20, 1)}


def _rest() -> int:
    """Start a new peak of memory, and return the bytes that are resident."""
    resident = rest()
    if resident is None:
        raise RuntimeError("Memory is measured on Linux only: the system starts no new peak.")
    return resident


def _limit_memory(gigabytes: float) -> None:
    """Let allocations beyond this fail, instead of driving the machine out of memory."""
    size = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _failure(error: BaseException, request: Request) -> dict[str, Any]:
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    hints = ("can't allocate memory", "not enough memory", "out of memory", "RESOURCE_EXHAUSTED", "bad_alloc")
    if isinstance(error, MemoryError) or any(hint in str(error) for hint in hints):
        return {"status": "memory", "reason": f"more than {request.memory_limit:g} GiB of memory: {text}"}
    return {"status": "failed", "reason": text}


def main() -> None:
    """Measure one cell."""
    request = Request(**json.loads(Path(sys.argv[1]).read_text()))
    if hasattr(os, "sched_setaffinity"):  # binds the libraries that read no variable
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: request.threads])
    if request.device == "cpu":  # CUDA reserves far more address space than it uses
        _limit_memory(request.memory_limit)
    try:
        cell = measure(request, PEERS[request.peer], CASES[request.case])
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is a finding of this cell
        cell = _failure(error, request)
    Path(sys.argv[2]).write_text(json.dumps(cell))


if __name__ == "__main__":
    main()
