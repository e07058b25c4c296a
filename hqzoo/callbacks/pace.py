"""How fast an epoch of training goes, and the memory that it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from hqzoo._memory import peak_megabytes

__all__ = ["Pace"]


class Pace:
    """Counts steps and samples of an epoch by the host's clock, pauses left out; accelerators are not waited for.

    Args:
        now: Clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self.begin()

    def begin(self) -> None:
        """Start anew."""
        self._seconds, self._batches, self._samples = 0.0, 0, 0
        self.go_on()

    def go_on(self) -> None:
        """Leave out what has happened since the last batch, such as a validation within the epoch."""
        self._mark = self._now()

    def count(self, samples: int) -> None:
        """Count a batch, whose step is done."""
        now = self._now()
        self._seconds, self._mark = self._seconds + now - self._mark, now
        self._batches, self._samples = self._batches + 1, self._samples + samples

    def report(self, device: torch.device, world: int = 1) -> dict[str, float]:
        """Return batches and samples a second, and the peak of memory until now (10^6 bytes), where they are known.

        Args:
            device: Whose memory.
            world: Processes that see as many samples.
        """
        found: dict[str, float] = {}
        if self._seconds > 0:
            found["speed/batches_per_second"] = self._batches / self._seconds
            if self._samples:
                found["speed/samples_per_second"] = world * self._samples / self._seconds
        if (peak := peak_megabytes(device)) is not None:
            found["memory/peak_mb"] = peak
        return found
