"""The initial state: single-qubit gates and first blocks on small states, then one product."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.statevector.blocks import MatrixBank, Slot
from hqzoo.quantum.engines.statevector.evolve import outer
from hqzoo.quantum.engines.statevector.gates import COMPLEX, Elementary
from hqzoo.quantum.engines.statevector.layout import Bits, rearrangement
from hqzoo.quantum.engines.statevector.plan import Component
from hqzoo.quantum.engines.statevector.schedule import Block

__all__ = ["Start"]

MAX_MONOMIALS = 16  # products of cosines and sines in an amplitude of a few wires
MAX_PAIR_MONOMIALS = 64  # the same for two wires, which saves a product of states


class _Group(NamedTuple):
    """Wires whose first block acts on their own state.

    Args:
        vectors: Product states of a few wires each, with their channels: 1 real, 2 complex.
        block: The block, if there is one.
        is_real: Whether the block is.
    """

    vectors: tuple[tuple[Slot, int], ...]
    block: Slot | None
    is_real: bool


class Start(Engine):
    """The state of a component after its first gates.

    Args:
        component: What to prepare.
        bank: Makes the matrices.
        dtype: Precision.
    """

    def __init__(self, component: Component, bank: MatrixBank, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.component = component
        self._groups = [self._group(block, bank) for block in component.starts]
        left = [block for block in component.starts if component.left.issuperset(block.wires)]
        right = [block for block in component.starts if block not in left]
        self._n_left = len(left)
        imaginary = (COMPLEX,) if component.is_complex else ()
        before_left: Bits = (*(wire for block in left for wire in block.wires), *imaginary)
        before_right: Bits = tuple(wire for block in right for wire in block.wires)
        if not left:
            before_left, before_right = (*before_right, *imaginary), ()
        size = len(before_left)
        self._order("rows", before_left, component.first[:size])
        self._order("columns", before_right, component.first[size:])

    def _order(self, name: str, before: Bits, after: Bits) -> None:
        same = before == after
        index = torch.empty(0, dtype=torch.long) if same else torch.tensor(rearrangement([], before, after)[0])
        self.constant(name, index)
        setattr(self, f"_{name}_as_is", same)

    def _group(self, block: Block, bank: MatrixBank) -> _Group:
        vectors: list[tuple[Slot, int]] = []
        ops: list[Elementary] = []
        wires: list[int] = []

        def flush() -> None:
            real = all(op.is_real for op in ops)
            bits = (*wires, *(() if real else (COMPLEX,)))
            vectors.append((bank.add(ops, bits, vector=True), 1 if real else 2))

        for wire in block.wires:
            run = self.component.runs[wire]
            monomials = math.prod(len(op.matrices) for op in [*ops, *run] if op.angle is not None)
            if wires and monomials > (MAX_PAIR_MONOMIALS if len(wires) == 1 else MAX_MONOMIALS):
                flush()
                ops, wires = [], []
            ops, wires = [*ops, *run], [*wires, wire]
        flush()
        if not block.ops:
            return _Group(tuple(vectors), None, True)
        bits = (*block.wires, *(() if block.is_real else (COMPLEX,)))
        return _Group(tuple(vectors), bank.add(block.ops, bits), block.is_real)

    def forward(self, matrices: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return the two factors ``(1 or B, N, C)`` of the state, or the state ``(1 or B, 2^m)`` and None."""
        states = self._group_states(matrices)
        right = _product(states[self._n_left :])
        if self._n_left:
            left = self._complexified(_product(states[: self._n_left]))
            return left, right if self._columns_as_is else right.index_select(1, self.get_buffer("columns"))
        state = self._complexified(right).flatten(1)
        return state if self._rows_as_is else state.index_select(1, self.get_buffer("rows")), None

    def join(self, left: Tensor, right: Tensor | None) -> Tensor:
        """Return the state ``(1 or B, 2^m)`` in the component's first order of bits."""
        if right is None:
            return left
        return outer(left, right, None if self._rows_as_is else self.get_buffer("rows")).flatten(1)

    def _group_states(self, matrices: list[Tensor]) -> list[Tensor]:
        states = _products([_vectors(group.vectors, matrices) for group in self._groups])
        return [_after_block(state, group, matrices) for state, group in zip(states, self._groups, strict=True)]

    def _complexified(self, state: Tensor) -> Tensor:
        if state.shape[2] == 2 or not self.component.is_complex:
            return state
        return torch.cat([state, torch.zeros_like(state)], 2)


def _vectors(slots: tuple[tuple[Slot, int], ...], matrices: list[Tensor]) -> list[Tensor]:
    chosen = [(matrices[slot.family][:, slot.instance], channels) for slot, channels in slots]
    return [vector.reshape(vector.shape[0], -1, channels) for vector, channels in chosen]


def _after_block(state: Tensor, group: _Group, matrices: list[Tensor]) -> Tensor:
    """Apply a group's block to its state ``(1 or B, N, 1 or 2)``."""
    if group.block is None:
        return state
    matrix = matrices[group.block.family][:, group.block.instance].mT
    matrix = matrix[0] if matrix.shape[0] == 1 else matrix  # one product for the whole batch
    if group.is_real:
        return torch.matmul(state.mT, matrix).mT
    if state.shape[2] == 1:
        state = torch.cat([state, torch.zeros_like(state)], 2)
    rows = torch.matmul(state.reshape(state.shape[0], 1, -1), matrix)
    return rows.view(rows.shape[0], -1, 2)


def _products(groups: list[list[Tensor]]) -> list[Tensor]:
    """Return the product of the states of every group, all groups at once where they are alike."""
    flat = [state for group in groups for state in group]
    count = len(groups[0])
    alike = all(state.shape == flat[0].shape for state in flat) and all(len(group) == count for group in groups)
    if count == 1 or not alike or count & (count - 1):
        return [_product(group) for group in groups]
    batch, many = flat[0].shape[0], torch.stack(flat, 1)
    while many.shape[1] > len(groups):
        pairs = many.view(batch * many.shape[1] // 2, 2, *many.shape[2:])
        many = _product([pairs[:, 0], pairs[:, 1]]).view(batch, many.shape[1] // 2, -1, many.shape[3])
    return list(many.unbind(1))


def _product(states: list[Tensor]) -> Tensor:
    """Return the product of states ``(1 or B, N, 1 or 2)`` in the same form."""
    product = states[0]
    for state in states[1:]:
        n, m = product.shape[1], state.shape[1]
        rows = outer(product, state)
        product = rows.view(rows.shape[0], n, -1, m).mT.reshape(rows.shape[0], n * m, -1)
    return product
