"""What is too large: for an engine, or for the memory of this machine."""

from __future__ import annotations

import os
from pathlib import Path

from hqzoo.errors import CircuitError

__all__ = ["SizeError", "gibibytes", "machine_memory", "refuse_beyond_memory"]

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # what a container may use


class SizeError(CircuitError):
    """A circuit is too large for an engine, or for this machine.

    Args:
        reason: What is too large, and what the limit is.
        mend: What helps. Whoever made the circuit from other numbers says that in words of his own.
    """

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason, mend)
        self.reason, self.mend = reason, mend

    def __str__(self) -> str:
        return f"{self.reason} {self.mend}"


def machine_memory() -> int | None:
    """Return the bytes of memory that this machine or container has, None where they cannot be found out."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without limit
        return total


def refuse_beyond_memory(needed: int, what: str, mend: str) -> None:
    """Raise if something needs more memory than there is.

    Args:
        needed: Bytes.
        what: What needs them, the subject of a sentence.
        mend: What helps.

    Raises:
        SizeError: If there is less.
    """
    there = machine_memory()
    if there is not None and needed > there:
        raise SizeError(f"{what} need about {gibibytes(needed)} of memory; this machine has {gibibytes(there)}.", mend)


def gibibytes(count: int) -> str:
    """Return bytes in words."""
    return f"{count / 2**30:,.1f} GiB"
