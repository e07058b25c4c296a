"""Which gates of a circuit are applied together: blocks of a few wires, and rearrangements of the whole state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.state_gates import Elementary, elementaries

__all__ = ["Block", "Move", "Queues", "cost", "overhead", "schedule", "seen_gates", "start_groups"]

BLOCK_WIRES = 4
MAX_DATA_MONOMIALS = 16  # products of cosines and sines in one entry of a matrix that differs from sample to sample
RUN_ANGLES = 4  # angles of the gates that make a wire's initial state
MOVE_COST = 0.45


@dataclass
class Block:
    """Gates that are multiplied into one matrix.

    Args:
        wires: The wires, sorted.
        ops: The gates in the order of time.
    """

    wires: tuple[int, ...]
    ops: list[Elementary]

    @property
    def has_data(self) -> bool:
        """Whether the matrix differs from sample to sample."""
        return any(op.has_data for op in self.ops)

    @property
    def is_real(self) -> bool:
        """Whether real and imaginary plane stay apart."""
        return all(op.is_real for op in self.ops)


@dataclass
class Move:
    """Gates that only permute amplitudes and flip signs, on any wires."""

    ops: list[Elementary]


def cost(size: int) -> float:
    """Return the time of a product with a ``size x size`` matrix, in passes of about 0.4 ns per number (measured)."""
    return 0.15 + 0.02 * size


def overhead(n_wires: int) -> float:
    """Return the time of launching an operation in the same unit: what counts for small states."""
    return 0.15 * 2.0 ** max(0, 12 - n_wires)


def seen_gates(circuit: Circuit) -> list[Elementary]:
    """Return the gates in the past light cone of the observables, in the order of time."""
    live = {wire for observable in circuit.observables for wire in observable.wires}
    kept = []
    for gate in reversed(circuit.gates):
        if live.intersection(gate.support):
            live.update(gate.support)
            kept.append(gate)
    return [item for gate in reversed(kept) for item in elementaries(gate)]


class Queues:
    """The gates that wait on every wire; a gate is ready when it comes first on all of its wires."""

    def __init__(self, wires: Iterable[int], ops: list[Elementary]) -> None:
        self.waiting: dict[int, list[Elementary]] = {wire: [] for wire in wires}
        for op in ops:
            for wire in op.wires:
                self.waiting[wire].append(op)
        self.position = dict.fromkeys(self.waiting, 0)
        self.n_wires = len(self.position)

    def ready(self, wire: int, position: dict[int, int] | None = None) -> Elementary | None:
        """Return the gate that is ready on a wire."""
        position = self.position if position is None else position
        head = self._head(wire, position)
        if head is None or any(self._head(other, position) is not head for other in head.wires):
            return None
        return head

    def _head(self, wire: int, position: dict[int, int]) -> Elementary | None:
        queue, place = self.waiting[wire], position[wire]
        return queue[place] if place < len(queue) else None

    def take(self, ops: list[Elementary]) -> None:
        """Remove gates that were ready, in this order."""
        for op in ops:
            for wire in op.wires:
                self.position[wire] += 1

    def fresh(self, wire: int) -> list[Elementary]:
        """Return the first gates on a wire as far as they act on it alone."""
        run: list[Elementary] = []
        for op in self.waiting[wire]:
            if len(op.wires) > 1 or sum(o.angle is not None for o in [*run, op]) > RUN_ANGLES:
                break
            run.append(op)
        return run

    def inside(self, wires: tuple[int, ...], data: bool) -> Block:
        """Return what can be done on these wires alone, with data angles or with weights."""
        position, ops, monomials = dict(self.position), [], 1
        progress = True
        while progress:
            progress = False
            for wire in wires:
                op = self.ready(wire, position)
                while op is not None and set(op.wires) <= set(wires):
                    if op.angle is not None:
                        if op.has_data != data or (data and monomials * len(op.matrices) > MAX_DATA_MONOMIALS):
                            break
                        monomials *= len(op.matrices)
                    ops.append(op)
                    for other in op.wires:
                        position[other] += 1
                    progress = True
                    op = self.ready(wire, position)
        return Block(tuple(sorted(wires)), ops)

    def moves(self) -> Move:
        """Return all gates that one rearrangement of the state can do."""
        position, ops = dict(self.position), []
        progress = True
        while progress:
            progress = False
            for wire in position:
                op = self.ready(wire, position)
                while op is not None and op.is_classical:
                    ops.append(op)
                    for other in op.wires:
                        position[other] += 1
                    progress = True
                    op = self.ready(wire, position)
        return Move(ops)

    def best_block(self, allowed: Iterable[int], kinds: tuple[bool, ...] = (False, True)) -> tuple[float, Block | None]:
        """Return the block that does most for its cost, and how much."""
        allowed = list(allowed)
        best: tuple[float, Block | None] = (0.0, None)
        for data in kinds:
            for seed in allowed:
                op = self.ready(seed)
                if op is None or not set(op.wires) <= set(allowed) or (len(op.wires) > 1 and seed != min(op.wires)):
                    continue
                if op.is_classical and len(op.wires) > BLOCK_WIRES + 1:
                    continue  # a rearrangement: its matrix would be large
                best = max(best, self._grow(op.wires, data, allowed), key=lambda pair: pair[0])
        return best

    def _grow(self, wires: tuple[int, ...], data: bool, allowed: list[int]) -> tuple[float, Block | None]:
        value, block = self._worth(wires, data)
        best = (value, block)
        limit = 5 if self.n_wires <= 6 else BLOCK_WIRES
        while block is not None and len(wires) < limit:
            options = []
            for wire in allowed:
                op = self.ready(wire)
                new = set() if op is None else set(op.wires) - set(wires)
                options.append(tuple(sorted({*wires, wire, *new})) if new and new <= set(allowed) else ())
                near = self._waiting_with(block, wire)
                options.append(tuple(sorted({*wires, *near})) if near and near <= set(allowed) else ())
            grown = [self._worth(option, data) for option in {*options} if len(wires) < len(option) <= limit]
            if not grown:
                break
            value, block = max(grown, key=lambda pair: pair[0])
            if block is None:
                break
            wires = block.wires
            best = max(best, (value, block), key=lambda pair: pair[0])
        return best

    def _waiting_with(self, block: Block, wire: int) -> set[int]:
        """Return the wires of the gate that stops a block on one of its wires."""
        if wire not in block.wires:
            return set()
        place = self.position[wire] + sum(wire in op.wires for op in block.ops)
        queue = self.waiting[wire]
        return set(queue[place].wires) if place < len(queue) else set()

    def _worth(self, wires: tuple[int, ...], data: bool) -> tuple[float, Block | None]:
        block = self.inside(wires, data)
        if not block.ops:
            return 0.0, None
        bits = len(wires) + (not block.is_real)
        if block.has_data and 4**bits > max(16, 2 ** (self.n_wires + 1)) and len(block.ops) > 1:
            return 0.0, None  # matrices of all samples would outweigh the states
        return len(block.ops) / (cost(2**bits) + overhead(self.n_wires)), block


def start_groups(queues: Queues) -> list[Block]:
    """Return disjoint groups of wires whose first gates are done on small states before the product is taken."""
    free = list(queues.waiting)
    groups: list[Block] = []
    while free:
        moved = len(queues.moves().ops) / (MOVE_COST + overhead(queues.n_wires))
        value, block = queues.best_block(free, kinds=(False,))
        # The matrix of a start block is made for it alone, hence half the worth.
        if block is None or value / 2 < moved or all(len(op.wires) == 1 for op in block.ops):
            break
        queues.take(block.ops)
        groups.append(block)
        free = [wire for wire in free if wire not in block.wires]
    groups += [Block(tuple(free[k : k + BLOCK_WIRES]), []) for k in range(0, len(free), BLOCK_WIRES)]
    return sorted(groups, key=lambda group: group.wires)


def schedule(queues: Queues) -> list[Block | Move]:
    """Return the waiting gates as blocks and rearrangements, the cheapest way to do most coming first."""
    steps: list[Block | Move] = []
    while True:
        move = queues.moves()
        moved = len(move.ops) / (MOVE_COST + overhead(queues.n_wires))
        value, block = queues.best_block(queues.waiting)
        if move.ops and moved >= value:
            steps.append(move)
            queues.take(move.ops)
        elif block is not None:
            steps.append(block)
            queues.take(block.ops)
        else:
            return steps
