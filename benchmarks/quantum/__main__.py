"""Measures quantum simulators side by side, cell by cell, and writes the tables and the picture.

    python -m benchmarks.quantum                                 # every case, peer and batch; resumes where it stopped
    python -m benchmarks.quantum --cases hq_unet --peers 'hqzoo*' torchquantum --batches 32
    python -m benchmarks.quantum --peers 'hqzoo*' --redo         # ours once more, after a change
    python -m benchmarks.quantum --report                        # tables and picture of what has been measured
    python -m benchmarks.quantum --quick                         # small circuits, batch 2: does everything run?

A cell is one case on one peer at one batch size, forward or forward and backward, in a fresh process with a time and
a memory limit. Its numbers, gradients of data and weights included, are compared with PennyLane's default.qubit in
double precision before anything is timed. What is not installed, not supported, too slow or too large is a row with
the reason. Run it on a quiet machine: the load is recorded with every cell.

Peers install beside the pinned environment (Python 3.11, torch 2.15) without changing a pin:

    peer                    pip install
    hqzoo*, torchquantum    "hqzoo[torchquantum]"          (Python < 3.13)
    pennylane, lightning    "hqzoo[pennylane]"
    tensorcircuit*          tensorcircuit-ng               (1.10.0; the -jax rows: and jax, 0.10.2)
    quimb                   quimb jax                      (1.15.0)
    fastqml*                fastqml                        (0.2.1)
    pyqtorch                pyqtorch                       (1.7.8)
    deepquantum             deepquantum                    (4.5.0)
    triton-qml              triton-qml                     (0.1.0, GPU only)

Should one of them not fit an environment of yours, give it another interpreter that has torch, numpy and the peer:
--peer-python 'tensorcircuit*=/path/to/python' (repeatable, shell patterns).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.quantum.cases import CASES, SMALL_BATCH
from benchmarks.quantum.measure import MODES, Request
from benchmarks.quantum.peers import PEERS
from benchmarks.quantum.report import write_report
from benchmarks.quantum.session import Cell, Results, Session
from hqzoo.errors import ConfigError, HqzooError, unknown_name

__all__ = ["main"]

FOLDER = Path(__file__).resolve().parents[1] / "results"


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, then report; return the exit code."""
    args = _parser().parse_args(argv)
    before = signal.signal(signal.SIGTERM, _interrupt)  # cells are processes of their own, which must not outlive us
    try:
        _run(args)
    except HqzooError as error:
        print(f"bench quantum: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _run(args: argparse.Namespace) -> None:
    out = args.out or FOLDER / ("quantum-quick.json" if args.quick else "quantum.json")
    if args.report and not out.exists():
        raise ConfigError(f"There is no {out} to report on; measure first.")
    settings = {"device": args.device, "threads": args.threads, "small": args.quick}
    results = Results(out, {} if args.report else settings)
    if not args.report:
        request = Request(
            case="", peer="", batch=0, mode="", truth="", small=args.quick, device=args.device, threads=args.threads,
            seconds=0.0 if args.quick else args.seconds, time_limit=args.time_limit, memory_limit=args.memory_limit,
        )  # fmt: skip
        if (load := os.getloadavg()[0]) > 0.5 and not args.quick:
            print(f"The machine is busy (load {load:.1f}): times will not mean much. The load goes into every cell.")
        pythons = dict(_pair(text) for text in args.peer_python)
        Session(results, request, pythons, lambda line: print(line, flush=True)).run(_cells(args), args.redo)
    write_report(results.content, out)


def _cells(args: argparse.Namespace) -> list[Cell]:
    """Return the chosen cells: small before large, forward before backward, so that hopeless ones can be skipped."""
    return [
        Cell(case, peer, batch, mode)
        for case in _chosen("case", args.cases, CASES)
        for batch in sorted(args.batches or ((SMALL_BATCH,) if args.quick else CASES[case].batches))
        for peer in _chosen("peer", args.peers, PEERS)
        for mode in MODES
    ]


def _chosen(kind: str, patterns: list[str] | None, known: dict[str, object]) -> list[str]:
    """Return the known names that match a pattern, in their own order.

    Raises:
        ConfigError: If a pattern matches nothing.
    """
    for pattern in patterns or ():
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ConfigError(unknown_name(kind, pattern, known))
    return [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def _pair(text: str) -> tuple[str, str]:
    pattern, equals, path = text.partition("=")
    if not equals or not Path(path).exists():
        raise ConfigError(f"--peer-python {text}: give NAME=PATH of an interpreter that exists.")
    _chosen("peer", [pattern], dict(PEERS))
    return pattern, path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench quantum", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cases", nargs="+", metavar="NAME", help=f"of {', '.join(CASES)} (default: all; shell patterns)")
    add("--peers", nargs="+", metavar="NAME", help=f"of {', '.join(PEERS)} (default: all; shell patterns)")
    add("--batches", nargs="+", type=_positive, metavar="N", help="batch sizes (default: those of each case)")
    add("--quick", action="store_true", help="small circuits, batch 2, few calls: times mean nothing")
    add("--out", type=Path, help="results file; Markdown and picture go beside it (default: results/quantum.json)")
    add("--redo", action="store_true", help="measure the chosen cells again")
    add("--report", action="store_true", help="measure nothing, report on what is there")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--threads", type=_positive, default=os.cpu_count() or 1, help="processors of every cell (default: all)")
    add("--seconds", type=float, default=3.0, help="how long calls of a cell are timed (default: 3)")
    add("--time-limit", type=float, default=300.0, help="seconds until a cell is given up (default: 300)")
    add("--memory-limit", type=float, default=_memory(), help="GiB a cell may take (default: 3/4 of the machine's)")
    add("--peer-python", action="append", default=[], metavar="NAME=PATH", help="interpreter of a peer; repeatable")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _memory() -> float:
    """Return three quarters of the machine's memory, in GiB."""
    return round(0.75 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


if __name__ == "__main__":
    sys.exit(main())
