"""Several processes stop behind the same batch, without waiting for each other in every one."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from hqzoo._lightning import pl

__all__ = ["StopVote"]

MOST_BATCHES = 100


class StopVote:
    """Ask all processes now and then whether one of them was told to stop.

    A vote makes the host wait for the accelerator, so it is held about once a second, and at least every hundred
    batches. How many batches these are is settled by the slowest process in the vote before. One process alone needs
    no vote: it stops at once.

    Args:
        seconds: Time from one vote to the next.
        now: Clock, in seconds.

    Attributes:
        asked: Whether this process was told to stop.
        agreed: Whether all processes know of it.
    """

    def __init__(self, seconds: float = 1.0, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._now = now
        self.begin()

    def begin(self) -> None:
        """Forget what was asked; the first batch is voted on."""
        self.asked = self.agreed = False
        self._batches, self._interval, self._since = 0, 1, self._now()

    def after_batch(self, trainer: pl.Trainer) -> bool:
        """Count a batch; return whether all processes agree to stop. Each of them must call it after every batch."""
        self._batches += 1
        if trainer.world_size > 1 and self._batches < self._interval:
            return self.agreed
        return self.hold(trainer)

    def hold(self, trainer: pl.Trainer) -> bool:
        """Vote now; return whether all processes agree to stop. Each of them must call it."""
        if trainer.world_size == 1 or self.agreed:
            self.agreed = self.agreed or self.asked
            return self.agreed
        pace = (self._now() - self._since) / max(1, self._batches)
        ballot = torch.tensor([float(self.asked), pace], device=trainer.strategy.root_device)
        asked, slowest = trainer.strategy.reduce(ballot, reduce_op="max").tolist()
        self.agreed = asked > 0
        self._interval = max(1, min(MOST_BATCHES, int(self.seconds / max(slowest, 1e-9))))
        self._batches, self._since = 0, self._now()
        return self.agreed
