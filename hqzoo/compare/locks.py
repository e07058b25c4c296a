"""Locks between processes that fill one table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]


@contextmanager
def locked(out: Path, name: str) -> Iterator[bool]:
    """Hold a lock of a table's folder; yields False at once if another process holds it.

    The system gives a lock back when its process ends, however it ends. The file that it hangs on stays among the runs:
    who has opened it must find it again.

    Args:
        out: The table's folder.
        name: Name of the lock, such as that of a cell.
    """
    import fcntl

    path = out / "runs" / f".{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
