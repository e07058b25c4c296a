"""What engines have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

__all__ = ["Engine"]

WITHOUT_DOUBLE = ("mps",)
"""Types of devices that have no double precision."""


class Engine(nn.Module):
    """A function of data and weights with constant tensors that follow a model to its device.

    The constants are no state: they stay out of ``state_dict``, and keep their precision when the model around them
    is cast to another; on a device without double precision they are single ones.

    Args:
        dtype: Precision of the computation.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def constant(self, name: str, value: Tensor) -> None:
        """Keep a tensor under ``self.<name>``."""
        self.register_buffer(name, value, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def moved(tensor: Tensor) -> Tensor:
            device = fn(tensor.new_empty(0, dtype=torch.float32)).device
            if device.type not in WITHOUT_DOUBLE:
                return tensor.to(device)
            self.dtype = torch.float32
            return (tensor.float() if tensor.dtype == torch.float64 else tensor).to(device)

        super()._apply(moved, recurse)  # type: ignore[no-untyped-call]
        return self
