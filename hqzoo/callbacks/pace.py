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
        self._start = self._last = self._now()
        self._paused_since: float | None = None
        self._batches = self._samples = 0

    def pause(self) -> None:
        """Stop the clock, for a validation within the epoch."""
        self._paused_since = self._now()

    def go_on(self) -> None:
        """Go on after a pause."""
        if self._paused_since is not None:
            self._start += self._now() - self._paused_since
            self._paused_since = None

    def count(self, samples: int) -> None:
        """Count a batch."""
        self._batches, self._samples, self._last = self._batches + 1, self._samples + samples, self._now()

    def report(self, device: torch.device, world: int = 1) -> dict[str, float]:
        """Return batches and samples a second, and the peak of memory until now (10^6 bytes), where they are known.

        Args:
            device: Whose memory.
            world: Processes that see as many samples.
        """
        seconds = self._last - self._start
        found: dict[str, float] = {}
        if self._batches and seconds > 0:
            found["speed/batches_per_second"] = self._batches / seconds
            if self._samples:
                found["speed/samples_per_second"] = world * self._samples / seconds
        if (peak := peak_megabytes(device)) is not None:
            found["memory/peak_mb"] = peak
        return found
