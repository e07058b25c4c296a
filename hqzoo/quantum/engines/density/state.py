"""Real vectors with an axis per wire: bringing axes to the front, and matrices onto them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hqzoo.quantum.engines.transforms import full_precision, in_forward_mode, in_transform

__all__ = ["Frame", "in_segments"]

Run = Callable[[Tensor, Tensor, int, int], Tensor]


@dataclass(frozen=True)
class Frame:
    """In which order a vector's axes lie.

    Args:
        axes: Names of the axes behind the batch, in order.
        base: Size of an axis.
        sizes: Axes of other sizes.
    """

    axes: tuple[int, ...]
    base: int
    sizes: tuple[tuple[int, int], ...] = ()

    def size(self, axes: tuple[int, ...]) -> int:
        """Return the number of entries over some axes."""
        other = dict(self.sizes)
        total = 1
        for axis in axes:
            total *= other.get(axis, self.base)
        return total

    def with_front(self, axes: tuple[int, ...]) -> Frame:
        """Return the frame that has some axes, in this order, before all others."""
        return Frame((*axes, *(axis for axis in self.axes if axis not in axes)), self.base, self.sizes)

    def front(self, vector: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Frame]:
        """Return ``(B, D, rest)`` with some axes, in this order, as the one of size D, and the new frame."""
        after = self.with_front(axes)
        if after.axes != self.axes:
            grid = vector.reshape(-1, *(self.size((axis,)) for axis in self.axes))
            vector = grid.permute(0, *(1 + self.axes.index(axis) for axis in after.axes))
        return vector.reshape(-1, self.size(axes), self.size(after.axes[len(axes) :])), after


def in_segments(steps: int, run: Run, state: Tensor, angles: Tensor) -> Tensor:
    """Run steps so that the backward pass keeps about ``2 sqrt(steps)`` states and repeats the others.

    Forward mode and the transforms of ``torch.func`` keep all states.

    Args:
        steps: Number of steps.
        run: Takes a state, angles, and the first and last step (exclusive), and returns the state after them.
        state: The first state.
        angles: The angles of all gates.
    """
    plain = in_forward_mode() or (not torch.compiler.is_compiling() and in_transform())
    if plain or not (torch.is_grad_enabled() and (state.requires_grad or angles.requires_grad)):
        return run(state, angles, 0, steps)
    length = max(1, round(steps**0.5))
    for first in range(0, steps, length):
        after = _Segment.apply(state, angles, run, first, min(first + length, steps))  # type: ignore[no-untyped-call]
        state = after
    return state


class _Segment(torch.autograd.Function):
    """Some steps, of which the backward pass knows the first state alone."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, angles: Tensor, run: Run, first: int, last: int) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(state, angles)
        ctx.rest = (run, first, last)
        return run(state, angles, first, last)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:  # noqa: ANN401
        run, first, last = ctx.rest
        again = torch.is_grad_enabled()  # the backward pass is to be differentiated, too
        if again:
            inputs = [tensor.view_as(tensor) for tensor in ctx.saved_tensors]  # ends of this segment's graph
        else:
            needed = ctx.needs_input_grad
            inputs = [each.detach().requires_grad_(need) for each, need in zip(ctx.saved_tensors, needed, strict=False)]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        with full_precision(gradient):
            with torch.enable_grad():
                after = run(*inputs, first, last)
            if not after.requires_grad:
                return None, None, None, None, None
            found = iter(torch.autograd.grad(after, wanted, gradient, allow_unused=True, create_graph=again))
        state, angles = (next(found) if tensor.requires_grad else None for tensor in inputs)
        return state, angles, None, None, None
