"""Which gates of a circuit are applied together: blocks of a few wires, and rearrangements of the whole state."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.statevector.gates import Elementary, elementaries

__all__ = ["Block", "Move", "Queues", "cost", "overhead", "schedule", "seen_gates"]

BLOCK_WIRES = 4
MAX_DATA_MONOMIALS = 16  # products of cosines and sines in one entry of a matrix that differs from sample to sample
RUN_ANGLES = 4  # angles of the gates that make a wire's initial state
MOVE_COST = 0.45
BEAM = 6
GROWTHS = 3
ALIKE = 4  # options of equal worth that a path tries
BEAM_OPS = 1200  # longer circuits get a narrower search


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
    def structure(self) -> tuple[object, ...]:
        """Equal for blocks that differ only in their wires and angles."""
        place = {wire: k for k, wire in enumerate(self.wires)}
        return tuple((tuple(place[wire] for wire in op.wires), op.angle is None, *op.key) for op in self.ops)

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
        self._known: dict[tuple[object, ...], tuple[float, Block] | None] = {}  # copies share it

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

    def blocks(self, apart_from: frozenset[int] = frozenset()) -> list[tuple[float, Block]]:
        """Return blocks that could come next, with what each does for its cost."""
        found: dict[tuple[tuple[int, ...], int], tuple[float, Block]] = {}
        ready = {wire: self.ready(wire) for wire in self.waiting}
        for data in (False, True):
            for seed in self.waiting:
                op = ready[seed]
                if op is None or not apart_from.isdisjoint(op.wires) or (len(op.wires) > 1 and seed != min(op.wires)):
                    continue
                if op.is_classical and len(op.wires) > BLOCK_WIRES:
                    continue  # a rearrangement: its matrix would be large
                for value, block in self._grow(op.wires, data, apart_from, ready):
                    found[block.wires, len(block.ops)] = (value, block)
                    inner = _without_last_moves(block)  # a rearrangement that comes anyway can do them
                    found.setdefault((block.wires, len(inner.ops)), (value * len(inner.ops) / len(block.ops), inner))
        return list(found.values())

    def _grow(
        self, wires: tuple[int, ...], data: bool, apart_from: frozenset[int], ready: dict[int, Elementary | None]
    ) -> list[tuple[float, Block]]:
        limit = 5 if self.n_wires <= 6 else BLOCK_WIRES
        seen = {wires}
        current = [pair for pair in [self._worth(wires, data)] if pair is not None]
        results = list(current)
        while current:
            options: set[tuple[int, ...]] = set()
            for _, block in current:
                # Wires of the gates that stop the block, and of any others that are ready.
                nearby = {self._waiting_with(block, wire) for wire in block.wires}
                nearby |= {op.wires for op in ready.values() if op is not None}
                for near in nearby:
                    if near and apart_from.isdisjoint(near):
                        options.add(tuple(sorted({*block.wires, *near})))
            grown = [self._worth(option, data) for option in sorted(options - seen) if len(option) <= limit]
            seen |= options
            current = sorted((pair for pair in grown if pair is not None), key=lambda pair: -pair[0])[:GROWTHS]
            results += current
        return results

    def _waiting_with(self, block: Block, wire: int) -> tuple[int, ...]:
        """Return the wires of the gate that stops a block on one of its wires."""
        place = self.position[wire] + sum(wire in op.wires for op in block.ops)
        queue = self.waiting[wire]
        return queue[place].wires if place < len(queue) else ()

    def _worth(self, wires: tuple[int, ...], data: bool) -> tuple[float, Block] | None:
        wires = tuple(sorted(wires))
        key = (wires, *(self.position[wire] for wire in wires), data)
        if key not in self._known:
            self._known[key] = self._rated(wires, data)
        return self._known[key]

    def _rated(self, wires: tuple[int, ...], data: bool) -> tuple[float, Block] | None:
        block = self.inside(wires, data)
        if not block.ops:
            return None
        bits = len(wires) + (not block.is_real)
        if block.has_data and 4**bits > max(16, 2 ** (self.n_wires + 1)) and len(block.ops) > 1:
            # Matrices of all samples would outweigh the states; a gate that is as large by itself stays alone.
            if set(block.ops[0].wires) != set(wires):
                return None
            block = Block(block.wires, block.ops[:1])
        return len(block.ops) / (cost(2**bits) + overhead(self.n_wires)), block


def _without_last_moves(block: Block) -> Block:
    kept: list[Elementary] = []
    needed: set[int] = set()
    for op in reversed(block.ops):
        if not op.is_classical or not needed.isdisjoint(op.wires):
            kept.append(op)
            needed.update(op.wires)
    return Block(block.wires, kept[::-1]) if kept else block


@dataclass
class _Path:
    """A beginning of a schedule."""

    queues: Queues
    steps: list[Block | Move]
    price: float
    waiting: int
    touched: frozenset[int]
    kinds: frozenset[object]

    def after(self, step: Block | Move) -> _Path:
        """Return the path with one more step."""
        queues = copy(self.queues)
        queues.position = dict(self.queues.position)
        queues.take(step.ops)
        launch, kinds, touched = overhead(queues.n_wires), self.kinds, self.touched
        if isinstance(step, Move):
            price = MOVE_COST + launch
            touched |= {wire for op in step.ops for wire in op.wires}
        else:
            bits = len(step.wires) + (not step.is_real)
            price = launch + (0.1 if touched.isdisjoint(step.wires) else cost(2**bits))
            if step.structure not in kinds:  # matrices of equal structure are made together
                price += launch * (1 + sum(op.angle is not None for op in step.ops) / 4)
                kinds |= {step.structure}
            touched |= set(step.wires)
        return _Path(queues, [*self.steps, step], self.price + price, self.waiting - len(step.ops), touched, kinds)


def schedule(queues: Queues) -> tuple[list[Block], list[Block | Move]]:
    """Return the waiting gates as blocks and rearrangements, found by a beam search for the least cost.

    Returns:
        Blocks on wires that nothing has touched, which act on small states before their product is taken, and what
        follows.
    """
    n_ops = len({id(op) for ops in queues.waiting.values() for op in ops})
    waiting = len({id(op) for wire, ops in queues.waiting.items() for op in ops[queues.position[wire] :]})
    width = max(1, min(BEAM, BEAM_OPS // max(n_ops, 1)))
    beam = [_Path(queues, [], 0.0, waiting, frozenset(), frozenset())]
    finished: list[_Path] = []
    while beam:
        finished += [path for path in beam if not path.waiting]
        following: dict[tuple[int, ...], _Path] = {}
        for path in (path for path in beam if path.waiting):
            for first in _options(path.queues, width):
                new = _with_neighbours(path.after(first), first)
                place = tuple(new.queues.position.values())
                if place not in following or new.price < following[place].price:
                    following[place] = new
        done = min((path.price for path in finished), default=float("inf"))
        # What is left is rated at what the best path has paid per gate.
        rate = min((p.price / (waiting - p.waiting) for p in following.values()), default=0.0)
        ranked = sorted(following.values(), key=lambda p: p.price + rate * p.waiting)
        beam = [path for path in ranked if path.price < done][:width]
    best = min(finished, key=lambda path: path.price)
    return _split_start(best.steps)


def _options(queues: Queues, width: int) -> list[Block | Move]:
    move = queues.moves()
    options: list[tuple[float, Block | Move]] = list(queues.blocks())
    if move.ops:
        options.append((len(move.ops) / (MOVE_COST + overhead(queues.n_wires)), move))
    options.sort(key=lambda pair: -pair[0])
    chosen: list[Block | Move] = []
    equal: dict[float, int] = {}
    for value, step in options:
        equal[value] = equal.get(value, 0) + 1
        if equal[value] <= ALIKE and len(chosen) < 2 * width:
            chosen.append(step)
    return chosen


def _with_neighbours(path: _Path, first: Block | Move) -> _Path:
    """Add blocks on other wires that are about as good, so that a path is judged by a layer and not by a block."""
    if isinstance(first, Move):
        return path
    used = frozenset(first.wires)
    worth = len(first.ops) / len(first.wires)
    while True:
        found = path.queues.blocks(used)
        if not found:
            return path
        _, block = max(found, key=lambda pair: pair[0])
        if len(block.ops) / len(block.wires) < 0.5 * worth:
            return path
        path = path.after(block)
        used |= set(block.wires)


def _split_start(steps: list[Block | Move]) -> tuple[list[Block], list[Block | Move]]:
    start: list[Block] = []
    rest: list[Block | Move] = []
    touched: set[int] = set()
    for step in steps:
        wires = {wire for op in step.ops for wire in op.wires} if isinstance(step, Move) else set(step.wires)
        if isinstance(step, Block) and touched.isdisjoint(wires) and len(wires) > 1:
            start.append(step)
        else:
            rest.append(step)
        touched |= wires
    return start, rest
