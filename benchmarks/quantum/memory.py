"""Peak memory of this process, in MB, and a limit on what it may take."""

from __future__ import annotations

import ctypes
import gc
import resource
from pathlib import Path

__all__ = ["limit", "peak", "rest"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def rest() -> float:
    """Give freed memory back to the system, start a new peak here, and return what is resident."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        _CLEAR.write_text("5")  # sets the peak to what is resident now
    except OSError:  # not Linux with glibc, or not allowed: the peak stays that of the whole process
        pass
    return _field("VmRSS")


def peak() -> float:
    """Return the most that was resident since :func:`rest`."""
    return _field("VmHWM")


def limit(gigabytes: float) -> None:
    """Let allocations beyond this fail, instead of driving the machine out of memory."""
    size = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _field(name: str) -> float:
    if not _STATUS.exists():  # macOS: the peak of the whole process is all there is
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
