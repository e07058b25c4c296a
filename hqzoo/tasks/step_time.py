"""How long a training step takes, and the memory that it needs, for several tasks side by side."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from hqzoo._memory import PeakMemory
from hqzoo.tasks.base import Task

__all__ = ["median_seconds", "median_step_seconds", "peak_step_megabytes"]

WARM_UP = 2  # turns


def median_step_seconds(
    tasks: Mapping[str, Task], batch: Mapping[str, Any], repeats: int, bf16: bool = True
) -> dict[str, float]:
    """Return the median seconds of a training step (forward, backward, optimizer) of every task.

    The tasks take turns, so that a machine whose speed drifts is fair to all; the first two turns warm up.
    Copies are trained, the tasks stay as they are.

    Args:
        tasks: Tasks whose model is built.
        batch: One training batch.
        repeats: Timed turns.
        bf16: Whether convolutions run under bfloat16 autocast.
    """
    steppers = {name: _Stepper(copy.deepcopy(task).train(), batch, bf16) for name, task in tasks.items()}
    return median_seconds({name: stepper.step for name, stepper in steppers.items()}, repeats)


def median_seconds(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of every run; they take turns, and the first two turns warm up.

    Args:
        runs: What is timed, by name.
        repeats: Timed turns.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(WARM_UP + repeats):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_step_megabytes(
    tasks: Mapping[str, Task], batch: Mapping[str, Any], repeats: int, bf16: bool = True
) -> dict[str, float | None]:
    """Return what a training step of every task takes at most, in 10^6 bytes: the median of some steps.

    On CPUs that is what becomes resident beyond weights, gradients and the optimizer's state; on GPUs what is
    allocated, the weights of all tasks included. None where the system does not tell.

    Args:
        tasks: See :func:`median_step_seconds`, also for the following.
        batch: See there.
        repeats: Steps of every task that are looked at; one goes before.
        bf16: See there.
    """
    found: dict[str, float | None] = {}
    for name, task in tasks.items():
        stepper = _Stepper(copy.deepcopy(task).train(), batch, bf16)
        stepper.step()
        peaks = [_peak_megabytes(stepper) for _ in range(repeats)]
        known = [peak for peak in peaks if peak is not None]
        found[name] = statistics.median(known) if known else None
    return found


def _peak_megabytes(stepper: _Stepper) -> float | None:
    memory = PeakMemory(stepper.device)
    stepper.step()
    return memory.megabytes()


class _Stepper:
    def __init__(self, task: Task, batch: Mapping[str, Any], bf16: bool) -> None:
        self.task, self.bf16 = task, bf16
        self.device = next(task.parameters()).device
        self.batch = task.transfer_batch_to_device(dict(batch), self.device, 0)
        self.optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=1e-5)

    def step(self) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.task.compute_loss(self.batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
