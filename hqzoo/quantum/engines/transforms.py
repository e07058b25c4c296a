"""What autograd is doing around a computation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["full_precision", "in_forward_mode", "in_transform"]


def in_forward_mode() -> bool:
    """Whether derivatives are carried forward (``jvp``, ``jacfwd``, ``hessian``).

    ``torch.compile`` refuses autograd functions that define their own forward mode. Their plain operations, which
    torch knows how to carry forward, are run instead.
    """
    return forward_ad._current_level >= 0


def in_transform() -> bool:
    """Whether a transform of ``torch.func`` is at work (``vmap``, ``grad``, ``jvp``)."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast leaves matrix products on the tensor's device alone."""
    kind = tensor.device.type
    works = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # the device meta has none
    return torch.autocast(kind, enabled=False) if works else nullcontext()
