"""Sums over all processes inside a loss."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["several_processes", "sum_over_processes"]


def several_processes() -> bool:
    """Return whether this process is one of several that work together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum of a tensor of any shape over all processes, with the right gradient; each of them must call it.

    The accelerator does not wait for the host. A loss that is a function of such sums is the loss of the whole batch,
    equal on all processes, and the mean over processes that DistributedDataParallel takes of its gradients is the
    gradient of the whole batch. (``dist.all_reduce`` itself would give a share of it.)
    """
    if not several_processes():
        return values
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401 - torch's own context
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ANN401
        # Every process's loss depends on the values of this one.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total
