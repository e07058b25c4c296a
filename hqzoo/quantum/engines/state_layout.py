"""In which order the bits of a state lie while blocks are applied.

A block is a plain (batched) matrix product when its bits are neighbours. The order of bits is therefore decided late:
a state is kept as cells of neighbouring bits whose inner order is still open, each block narrows them down, and only
when a block cannot be made to fit is the state rearranged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hqzoo.quantum.engines.state_gates import COMPLEX, Elementary
from hqzoo.quantum.engines.state_schedule import Block, Move

__all__ = ["Applied", "Bits", "Item", "Read", "Rearranged", "lay_out", "rearrangement"]

Bits = tuple[int, ...]
"""Wires and ``COMPLEX``, the most significant first."""

SMALL = 11  # bits of states for which any position is as good as another
NARROW = 4  # fewer bits behind a block than this, but not none, make slow products


@dataclass
class Read:
    """A reduced density matrix of the final state, and what is read from it.

    Args:
        wires: Its wires.
        block: A last block on these wires that acts on the observables instead of the state.
        strings: Numbers of the Pauli strings that are read.
        is_real: Whether the real part of the matrix is enough.
    """

    wires: tuple[int, ...]
    block: Block | None
    strings: list[int]
    is_real: bool


@dataclass
class Applied:
    """A block or a read-out on the neighbouring ``bits``; ``left`` and ``right`` count the bits around them."""

    what: Block | Read
    bits: Bits
    left: int
    right: int


@dataclass
class Rearranged:
    """A rearrangement of the state, classical gates included."""

    ops: list[Elementary]
    before: Bits
    after: Bits


Item = Applied | Rearranged
Cells = list[frozenset[int]]


def lay_out(cells: Cells, steps: list[Block | Move | Read], all_bits: frozenset[int]) -> tuple[Bits, list[Item]]:
    """Return the first order of bits, within the given cells, and the steps with their positions."""
    segments: list[tuple[list[Elementary], Cells, list[Block | Read]]] = [([], cells, [])]
    for step in steps:
        if isinstance(step, Move):
            segments.append((step.ops, [all_bits], []))
            continue
        bits = frozenset(step.wires) | (frozenset() if step.is_real else {COMPLEX})
        moves, cells, inside = segments[-1]
        if not inside and cells == [all_bits] and COMPLEX in all_bits - bits:
            cells = [frozenset({COMPLEX}), all_bits - {COMPLEX}]  # in front it widens every product
        narrowed = _narrow(cells, bits, len(all_bits))
        if narrowed is None:
            rest = all_bits - bits
            front = [frozenset({COMPLEX})] if COMPLEX in rest else []
            segments.append(([], [*front, bits, *([rest - {COMPLEX}] if rest - {COMPLEX} else [])], [step]))
        else:
            segments[-1] = (moves, narrowed, [*inside, step])
    items: list[Item] = []
    first = order = _fixed(segments[0][1])
    for number, (moves, cells, inside) in enumerate(segments):
        if number:
            before, order = order, _fixed(cells)
            items.append(Rearranged(moves, before, order))
        for step in inside:
            size = len(step.wires) + (not step.is_real)
            left = min(order.index(bit) for bit in (*step.wires, *(() if step.is_real else (COMPLEX,))))
            items.append(Applied(step, order[left : left + size], left, len(order) - left - size))
    return first, items


def _fixed(cells: Cells) -> Bits:
    return tuple(bit for cell in cells for bit in sorted(cell, key=lambda bit: (bit == COMPLEX, bit)))


def _narrow(cells: Cells, bits: frozenset[int], n_bits: int) -> Cells | None:
    """Return finer cells in which ``bits`` are neighbours, None if there are none."""
    touched = [k for k, cell in enumerate(cells) if cell & bits]
    first, last = touched[0], touched[-1]
    if touched != list(range(first, last + 1)) or any(cells[k] - bits for k in touched[1:-1]):
        return None
    if first == last:
        middle = [cells[first] & bits, cells[first] - bits]
    else:
        middle = [cells[first] - bits, cells[first] & bits, *cells[first + 1 : last]]
        middle += [cells[last] & bits, cells[last] - bits]
    narrowed = [*cells[:first], *(cell for cell in middle if cell), *cells[last + 1 :]]
    behind = sum(len(cell) for cell in narrowed[::-1][: _after(narrowed, bits)])
    if n_bits > SMALL and (0 < behind < NARROW or (behind == 0 and len(bits) < NARROW)):
        return None
    return narrowed


def _after(cells: Cells, bits: frozenset[int]) -> int:
    return next(k for k, cell in enumerate(reversed(cells)) if cell & bits)


def rearrangement(ops: list[Elementary], before: Bits, after: Bits) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ``index, sign`` with ``new[k] = sign[k] * old[index[k]]`` for gates and a change of the bits' order."""
    n = len(before)
    index = np.arange(2**n).reshape([2] * n)
    sign = np.ones([2] * n)
    for op in ops:
        source, flips = op.moves()
        axes = [before.index(wire) for wire in op.wires]
        front = list(range(len(axes)))

        def act(
            grid: NDArray[np.float64], axes: list[int] = axes, front: list[int] = front, source: NDArray[np.int64] = source
        ) -> tuple[NDArray[np.float64], tuple[int, ...]]:
            moved = np.moveaxis(grid, axes, front)
            return moved.reshape(len(source), -1)[source], moved.shape

        flat, shape = act(index)
        index = np.moveaxis(flat.reshape(shape), front, axes)
        flat, shape = act(sign)
        sign = np.moveaxis((flat * flips[:, None]).reshape(shape), front, axes)
    order = [before.index(bit) for bit in after]
    return index.transpose(order).reshape(-1), sign.transpose(order).reshape(-1)
