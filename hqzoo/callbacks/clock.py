"""How long training steps take, how much of that is waiting for data, and the memory that training takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from hqzoo._lightning import pl
from hqzoo._memory import PeakMemory

__all__ = ["StepClock"]

WARM_UP = 3


class StepClock(pl.Callback):
    """Time every training step: the wait for its batch, and all the rest.

    The first three steps of a run, where everything is slower, are left out if there are more.

    Args:
        now: Clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._waits: list[float] = []
        self._steps: list[float] = []
        self._end_of_last = 0.0
        self._start = 0.0
        self._memory: PeakMemory | None = None
        self._queues = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure memory from here on."""
        self._memory = PeakMemory(pl_module.device)
        self._queues = pl_module.device.type != "cpu"

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start anew: what lies between two epochs is not waiting."""
        self._end_of_last = self._now()

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,  # noqa: ANN401 - Lightning's own signature
        batch_idx: int,
    ) -> None:
        """Note that the batch is there."""
        self._start = self._now()
        self._waits.append(self._start - self._end_of_last)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Note that the step is done."""
        self._end_of_last = self._now()
        self._steps.append(self._end_of_last - self._start)

    def report(self) -> dict[str, Any]:
        """Return ``steps`` timed, ``step_ms`` (median, without the wait), ``waiting_share`` and ``peak_mb``.

        The share is of all step time. On a GPU work is queued, so that steps are timed right on average only: there
        ``step_ms`` is their mean. ``peak_mb`` is what was allocated there at most, or, on CPUs, how far the process
        grew from the start of training (10^6 bytes; images that the data module keeps and libraries' buffers included).
        """
        first = WARM_UP if len(self._steps) > WARM_UP else 0
        steps, waits = self._steps[first:], self._waits[first : len(self._steps)]
        if not steps:
            return {"steps": 0}
        report: dict[str, Any] = {
            "steps": len(steps),
            "step_ms": round(1e3 * (statistics.fmean if self._queues else statistics.median)(steps), 3),
            "waiting_share": round(sum(waits) / (sum(waits) + sum(steps)), 4),
        }
        if self._memory and (peak := self._memory.megabytes()) is not None:
            report["peak_mb"] = round(peak, 1)
        return report
