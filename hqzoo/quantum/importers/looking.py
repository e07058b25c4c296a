"""Running a model to look at it, and leaving it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["looking_at"]


@contextmanager
def looking_at(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a model into training or evaluation mode; put modes, buffers and torch's random numbers back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    kept = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    devices = {value.device for value in model.parameters() if value.is_cuda}
    with torch.random.fork_rng(list(devices)):
        model.train(training)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for module, name, buffer, value in kept:
                module._buffers[name] = buffer
                with torch.no_grad():
                    buffer.copy_(value)
