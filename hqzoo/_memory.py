"""Memory: the peak of this process or of its GPU, and what autograd keeps."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["PeakMemory", "kept_for_backward", "peak", "peak_megabytes", "rest"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """What is taken at most from here on: allocated on the GPU, or, on CPUs, resident beyond what was before.

    Args:
        device: Where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before: int | None = None
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
        return None if self._before is None else (peak() - self._before) / 1e6


@contextmanager
def kept_for_backward() -> Iterator[dict[int, int]]:
    """Note what autograd keeps for the backward pass: bytes by the address of their storage, parameters among them.

    Outputs must stay alive inside, so that no two storages share an address. First derivatives only.
    """
    from torch.autograd.graph import saved_tensors_hooks

    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # a node that kept its own output would keep itself, and all of its graph, for ever

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept


def rest() -> int | None:
    """Give freed memory back to the system, start a new peak here, and return the bytes that are resident.

    Returns None where peaks cannot be started anew, as on systems other than Linux.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it; without, freed memory may hide a small peak
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return None
    return _field("VmRSS")


def peak() -> int:
    """Return the most bytes that were resident since :func:`rest`, where it returned some."""
    return _field("VmHWM")


def peak_megabytes(device: torch.device) -> float | None:
    """Return the most that was allocated on a GPU, or, on CPUs, resident in this process, since peaks were last reset.

    In 10^6 bytes; None where the system does not tell.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 1e6
    return peak() / 1e6 if _STATUS.is_file() else None


def _field(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
