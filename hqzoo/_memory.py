"""Peak memory: of this process, or of its GPU."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["PeakMemory", "peak", "rest"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """What is taken at most from here on: allocated on the GPU, or, on CPUs, resident beyond what was before.

    Args:
        device: Where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._before = device, 0
        if device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(device)
        else:
            self._before = rest()

    def megabytes(self) -> float | None:
        """Return the peak until now (10^6 bytes); None where the system does not tell."""
        if self._device.type == "cuda":
            import torch

            return torch.cuda.max_memory_allocated(self._device) / 1e6
        most = peak()
        return (most - self._before) / 1e6 if most else None


def rest() -> int:
    """Give freed memory back to the system, start a new peak here, and return the bytes that are resident.

    Where the system does not tell (Windows), it is 0.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        _CLEAR.write_text("5")  # sets the peak to what is resident now
    except OSError:  # not Linux with glibc, or not allowed: the peak stays that of the whole process
        pass
    return _field("VmRSS")


def peak() -> int:
    """Return the most bytes that were resident since :func:`rest`, or 0; on macOS, since the process began."""
    return _field("VmHWM")


def _field(name: str) -> int:
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes
