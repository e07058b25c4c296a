"""How long a training step takes, for several tasks side by side."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch

from hqzoo.tasks.base import Task

__all__ = ["median_step_seconds"]


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
    runners = {name: _Stepper(copy.deepcopy(task).train(), batch, bf16) for name, task in tasks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 2):
        for name, runner in runners.items():
            began = time.perf_counter()
            runner.step()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


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
        if self.device.type == "cuda":
            torch.cuda.synchronize()
