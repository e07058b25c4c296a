"""Verbs in a process of their own."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["in_own_process"]


def in_own_process(argv: list[str]) -> int:
    """Run ``hqzoo`` with these arguments in a process of its own, and return its exit code.

    Lightning starts the other processes of a run by starting the whole command line once more: it must be that of the
    run, not of whoever runs it. A Ctrl-C in the terminal reaches that process as well, which saves before it ends.
    """
    process = subprocess.Popen([sys.executable, "-m", "hqzoo", *argv])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
