"""In which order the bits of a state lie while blocks are applied.

A block is a plain (batched) matrix product when its bits are neighbours. The order of bits is therefore decided late:
a state is kept as cells of neighbouring bits whose inner order is still open, each block narrows them down, and only
when a block cannot be made to fit is the state rearranged.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqzoo.quantum.engines.statevector.gates import COMPLEX, Elementary
from hqzoo.quantum.engines.statevector.schedule import Block, Move

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
    """A block or a read-out on the neighbouring ``bits``; ``left`` and ``right`` count the bits around them.

    A read-out that fits no common order of bits brings an ``order`` of its own.
    """

    what: Block | Read
    bits: Bits
    left: int
    right: int
    order: Bits | None = None


@dataclass
class Rearranged:
    """A rearrangement of the state, classical gates included."""

    ops: list[Elementary]
    before: Bits
    after: Bits

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for rearrangements that do the same."""
        return self.before, self.after, tuple((op.wires, op.key) for op in self.ops)


Item = Applied | Rearranged
Cells = list[frozenset[int]]


@dataclass
class _Segment:
    """Steps between two rearrangements."""

    moves: list[Elementary]
    cells: Cells
    inside: list[Block | Read]

    def takes(self, step: Block | Read, n_bits: int) -> bool:
        """Add a step if its bits can be neighbours."""
        bits = _bits(step)
        cells = self.cells
        if len(cells) == 1 and COMPLEX in cells[0] - bits:
            cells = [frozenset({COMPLEX}), cells[0] - {COMPLEX}]  # in front it widens every product
        narrowed = _narrow(cells, bits, n_bits)
        if narrowed is None:
            return False
        self.cells = narrowed
        self.inside.append(step)
        return True


def lay_out(
    cells: Cells, steps: list[Block | Move], reads: list[Read], all_bits: frozenset[int]
) -> tuple[Bits, Bits, list[Item]]:
    """Return the first order of bits, within the given cells, the last one, and the steps with their positions."""
    segments = [_Segment([], cells, [])]
    for step in steps:
        if isinstance(step, Move):
            segments.append(_Segment(step.ops, [all_bits], []))
        elif not segments[-1].takes(step, len(all_bits)):
            segments.append(_fresh(step, all_bits))
    apart = _place_reads(segments, reads, all_bits)
    items: list[Item] = []
    first = order = _fixed(segments[0].cells)
    for number, segment in enumerate(segments):
        if number:
            before, order = order, _fixed(segment.cells)
            items.append(Rearranged(segment.moves, before, order))
        items += [_applied(step, order) for step in segment.inside]
    for read in apart:
        own = _fixed(_fresh(read, all_bits).cells)
        applied = _applied(read, own)
        applied.order = own
        items.append(applied)
    return first, order, items


def _place_reads(segments: list[_Segment], reads: list[Read], all_bits: frozenset[int]) -> list[Read]:
    """Add read-outs to the last segment, or to a new one if that takes more; return those that fit neither."""
    trials = [copy(segments[-1]), _Segment([], [all_bits], [])]
    missed: list[list[Read]] = []
    for trial in trials:
        trial.inside = list(trial.inside)
        missed.append([read for read in reads if not trial.takes(read, len(all_bits))])
    if len(missed[1]) < len(missed[0]):
        segments.append(trials[1])
        return missed[1]
    segments[-1] = trials[0]
    return missed[0]


def _fresh(step: Block | Read, all_bits: frozenset[int]) -> _Segment:
    bits = _bits(step)
    rest = all_bits - bits
    others = rest - {COMPLEX}
    cells = [rest & {COMPLEX}, *((others, bits) if len(bits) >= NARROW else (bits, others))]
    return _Segment([], [frozenset(cell) for cell in cells if cell], [step])


def _bits(step: Block | Read) -> frozenset[int]:
    return frozenset(step.wires) | (frozenset() if step.is_real else {COMPLEX})


def _applied(step: Block | Read, order: Bits) -> Applied:
    bits = _bits(step)
    left = min(order.index(bit) for bit in bits)
    return Applied(step, order[left : left + len(bits)], left, len(order) - left - len(bits))


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
        if len(bits) >= NARROW:  # one large product instead of many
            middle.reverse()
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


def rearrangement(ops: list[Elementary], before: Bits, after: Bits) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return ``index, sign`` with ``new[k] = sign[k] * old[index[k]]`` for gates and a change of the bits' order."""
    n = len(before)
    index = np.arange(2**n).reshape([2] * n)
    sign = np.ones([2] * n, dtype=np.int8)
    for op in ops:
        source, flips = op.moves()
        axes = [before.index(wire) for wire in op.wires]
        index = _permuted(index, axes, source)
        sign = _permuted(sign, axes, source, flips.astype(np.int8))
    order = [before.index(bit) for bit in after]
    return index.transpose(order).reshape(-1), sign.transpose(order).reshape(-1)


def _permuted(
    grid: NDArray[Any], axes: list[int], source: NDArray[np.int64], factor: NDArray[np.int8] | None = None
) -> NDArray[Any]:
    front = list(range(len(axes)))
    moved = np.moveaxis(grid, axes, front)
    rows = moved.reshape(len(source), -1)[source]
    if factor is not None:
        rows = rows * factor[:, None]
    return np.moveaxis(rows.reshape(moved.shape), front, axes)
