"""Carrying states through a circuit, and back again for the gradient.

States are real tensors ``(B, 2^m)``. Every step is orthogonal, so the backward pass recomputes each state from the
next one: it holds two states, whatever the depth. It consists of differentiable operations, and for orthogonal
matrices the recomputed states are exact along every direction in which the matrices can move, so it can be
differentiated again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from hqzoo.quantum.engines.transforms import full_precision, in_forward_mode

__all__ = ["Apply", "Shuffle", "density_matrices", "evolve", "outer"]


class Apply(NamedTuple):
    """A matrix on ``size`` neighbouring amplitudes; ``left * size * right`` is the length of the state.

    Args:
        family: Number of the tensor of matrices ``(1 or B, instances, size, size)``.
        instance: The matrix in it.
        left: Product of the dimensions in front.
        size: Dimension of the matrix.
        right: Product of the dimensions behind.
    """

    family: int
    instance: int
    left: int
    size: int
    right: int


class Shuffle(NamedTuple):
    """A permutation with signs.

    Args:
        table: Number of the index ``new = old[index]``; the inverse follows it.
        signs: Number of the signs of ``new``, -1 if there are none; those of ``old`` follow.
    """

    table: int
    signs: int


Step = Apply | Shuffle


def evolve(state: Tensor, steps: tuple[Step, ...], matrices: list[Tensor], tables: list[Tensor]) -> Tensor:
    """Return the state after all steps, ``(B, 2^m)``.

    Args:
        state: ``(B, 2^m)``.
        steps: What happens, in the order of time.
        matrices: Orthogonal matrices ``(1 or B, instances, size, size)``.
        tables: Indices and signs of permutations.
    """
    if not steps:
        return state
    apply = _Evolution.forward if in_forward_mode() else _Evolution.apply
    result: Tensor = apply(state, steps, len(matrices), *matrices, *tables)
    return result


class _Evolution(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(state: Tensor, steps: tuple[Step, ...], n_matrices: int, *tensors: Tensor) -> Tensor:
        matrices, tables = tensors[:n_matrices], tensors[n_matrices:]
        for step in steps:
            if isinstance(step, Apply):
                state = _apply(matrices[step.family][:, step.instance], state, step)
            else:
                state = _shuffle(state, step, tables)
        return state

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
        _, ctx.steps, ctx.n_matrices, *tensors = inputs
        ctx.save_for_backward(output, *tensors)

    @staticmethod
    def backward(ctx: Any, adjoint: Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        with full_precision(adjoint):
            return _Evolution._backward(ctx, adjoint)

    @staticmethod
    def _backward(ctx: Any, adjoint: Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        state, *tensors = ctx.saved_tensors
        n = ctx.n_matrices
        matrices, tables = tensors[:n], tensors[n:]
        grads: dict[tuple[int, int], Tensor] = {}
        batch = state.shape[0]
        pair = torch.cat([state, adjoint])
        first = next((k for k, step in enumerate(ctx.steps) if isinstance(step, Apply)), len(ctx.steps))
        for number in reversed(range(len(ctx.steps))):
            step = ctx.steps[number]
            if number < first:  # no matrix left whose gradient needs the states
                adjoint = _unshuffle(adjoint, step, tables)
                continue
            if isinstance(step, Shuffle):
                pair = _unshuffle(pair, step, tables)
                continue
            matrix = matrices[step.family][:, step.instance]
            back = matrix.mT if matrix.shape[0] == 1 else torch.cat([matrix, matrix]).mT
            before = _apply(back, pair, step)
            key = (step.family, step.instance)
            grad = _outer_sum(pair[batch:], before[:batch], step, shared=matrix.shape[0] == 1)
            grads[key] = grads[key] + grad if key in grads else grad
            pair = before
            adjoint = pair[batch:]
        stacked = [_stack(grads, family, matrix) for family, matrix in enumerate(matrices)]
        return adjoint, None, None, *stacked, *[None] * len(tables)


def _stack(grads: dict[tuple[int, int], Tensor], family: int, matrix: Tensor) -> Tensor | None:
    instances = range(matrix.shape[1])
    if not any((family, k) in grads for k in instances):
        return None
    zero = torch.zeros_like(matrix[:, 0])
    return torch.stack([grads.get((family, k), zero) for k in instances], 1)


def _apply(matrix: Tensor, state: Tensor, step: Apply) -> Tensor:
    """Multiply a matrix ``(1 or B, size, size)`` into states ``(B, N)``."""
    batch, shared = state.shape[0], matrix.shape[0] == 1
    if step.right == 1 and shared:
        return torch.mm(state.reshape(batch * step.left, step.size), matrix[0].mT).view(state.shape)
    if shared:
        many = matrix.expand(batch * step.left, step.size, step.size)
    else:
        many = matrix.unsqueeze(1).expand(batch, step.left, step.size, step.size)
        many = many.reshape(batch * step.left, step.size, step.size)
    return torch.bmm(many, state.reshape(batch * step.left, step.size, step.right)).view(state.shape)


def _outer_sum(adjoint: Tensor, state: Tensor, step: Apply, *, shared: bool) -> Tensor:
    """Return the gradient of a matrix, ``(1 or B, size, size)``."""
    batch = state.shape[0]
    if step.right == 1 and shared:
        rows = batch * step.left
        return torch.mm(adjoint.reshape(rows, step.size).mT, state.reshape(rows, step.size)).unsqueeze(0)
    shape = (batch * step.left, step.size, step.right)
    products = torch.bmm(adjoint.reshape(shape), state.reshape(shape).mT)
    if shared:
        return products.sum(0, keepdim=True)
    return products.view(batch, step.left, step.size, step.size).sum(1)


def _shuffle(state: Tensor, step: Shuffle, tables: Any) -> Tensor:  # noqa: ANN401
    new = state.index_select(1, tables[step.table])
    return new * tables[step.signs] if step.signs >= 0 else new


def _unshuffle(state: Tensor, step: Shuffle, tables: Any) -> Tensor:  # noqa: ANN401
    old = state.index_select(1, tables[step.table + 1])
    return old * tables[step.signs + 1] if step.signs >= 0 else old


def density_matrices(state: Tensor, places: tuple[tuple[int, int, int], ...]) -> tuple[Tensor, ...]:
    """Return reduced density matrices ``(B, size, size)`` of real states ``(B, 2^m)``.

    Args:
        state: The states.
        places: Of each matrix the dimensions in front, its own, and those behind.
    """
    apply = _Densities.forward if in_forward_mode() else _Densities.apply
    result: tuple[Tensor, ...] = apply(state, places)
    return result


class _Densities(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(state: Tensor, places: tuple[tuple[int, int, int], ...]) -> tuple[Tensor, ...]:
        return tuple(_density(state, *place) for place in places)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401
        state, ctx.places = inputs
        ctx.save_for_backward(state)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        (state,) = ctx.saved_tensors
        with full_precision(state):
            return _Densities._gradient(state, ctx.places, grads), None

    @staticmethod
    def _gradient(state: Tensor, places: tuple[tuple[int, int, int], ...], grads: tuple[Tensor, ...]) -> Tensor | None:
        total: Tensor | None = None
        for (left, size, right), grad in zip(places, grads, strict=True):
            both = grad + grad.mT  # the state stands on both sides
            if right == 1:
                first, second = state.reshape(-1, left, size), both
            else:
                first = both.unsqueeze(1).expand(-1, left, -1, -1).reshape(-1, size, size)
                second = state.reshape(-1, size, right)
            if total is None:
                total = torch.bmm(first, second)
            else:
                total = torch.baddbmm(total.reshape(first.shape[0], -1, second.shape[2]), first, second)
        return None if total is None else total.reshape(state.shape)


def _density(state: Tensor, left: int, size: int, right: int) -> Tensor:
    batch = state.shape[0]
    if right == 1:
        rows = state.reshape(batch, left, size)
        return torch.bmm(rows.mT, rows)
    grid = state.reshape(batch * left, size, right)
    return torch.bmm(grid, grid.mT).view(batch, left, size, size).sum(1)


def outer(first: Tensor, second: Tensor, rows: Tensor | None = None) -> Tensor:
    """Return product states of ``(B, N, C)`` and ``(B, M, C)``, where C is 2, or 1 for real states.

    Args:
        first: Real and imaginary parts, or real parts only.
        second: The other factor.
        rows: Order in which the ``N * C`` amplitudes of the first factor come in the result.

    Returns:
        ``(B, N * C, M)``.
    """
    if second.shape[2] == 2:  # rows of [[re, -im], [im, re]], to be multiplied with (re, im) of the second
        if first.shape[2] == 2:
            first = torch.stack([first, torch.stack([-first[..., 1], first[..., 0]], -1)], 3)
        else:
            first = first.unsqueeze(3) * torch.eye(2, dtype=first.dtype, device=first.device)
    wide = first.reshape(first.shape[0], -1, second.shape[2])
    if rows is not None:
        wide = wide.index_select(1, rows)
    batch = max(wide.shape[0], second.shape[0])
    return torch.bmm(wide.expand(batch, -1, -1), second.mT.expand(batch, -1, -1))
