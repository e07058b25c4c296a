"""The plan of the ``statevector`` engine: independent parts of a circuit, their steps, and how they are read out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import torch

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.statevector.gates import COMPLEX, Elementary
from hqzoo.quantum.engines.statevector.layout import Applied, Bits, Item, Read, Rearranged, lay_out
from hqzoo.quantum.engines.statevector.schedule import Block, Move, Queues, cost, overhead, schedule, seen_gates
from hqzoo.quantum.observables import Overlap, Pauli, Probabilities
from hqzoo.quantum.pauli import PauliString, from_letters, support

__all__ = ["Component", "connected_wires", "estimate", "parity_of_y", "plan_state", "table_bytes"]

READ_WIRES = 4  # wires of a reduced density matrix
TABLE_ENTRIES = 2**22  # signs of diagonal observables that are worth keeping


@dataclass
class Component:
    """Wires that gates connect, simulated on their own.

    Args:
        wires: The wires.
        is_complex: Whether amplitudes have an imaginary part.
        has_data: Whether the state differs from sample to sample.
        runs: The first single-qubit gates of every wire.
        starts: Groups of wires whose first blocks act before the product of the groups is taken.
        left: Wires of the groups that come first in the product.
        first: Order of the bits after that product.
        items: What happens then, read-outs of density matrices at the end.
        last: Order of the bits of the final state.
        strings: Pauli strings to be read.
        from_amplitudes: Numbers of the strings that are read from the amplitudes.
        tail: Permutations that act on the signs of diagonal observables instead of the state.
    """

    wires: Bits
    is_complex: bool
    has_data: bool
    runs: dict[int, list[Elementary]]
    starts: list[Block]
    left: frozenset[int] = frozenset()
    first: Bits = ()
    items: list[Item] = field(default_factory=list)
    last: Bits = ()
    strings: list[PauliString] = field(default_factory=list)
    from_amplitudes: list[int] = field(default_factory=list)
    tail: list[Elementary] = field(default_factory=list)

    @property
    def n_bits(self) -> int:
        """Bits of the state, the imaginary one included."""
        return len(self.wires) + self.is_complex

    @property
    def keeps_signs(self) -> bool:
        """Whether a table of the signs of all strings is small enough to be kept."""
        return len(self.strings) << len(self.wires) <= TABLE_ENTRIES


def parity_of_y(string: PauliString) -> int:
    """Return 1 for an odd number of Y, whose matrix is imaginary."""
    return (string[0] & string[1]).bit_count() % 2


@lru_cache(maxsize=64)
def plan_state(circuit: Circuit) -> tuple[Component, ...]:
    """Return the independent parts of a circuit that its observables see."""
    ops = seen_gates(circuit)
    groups = _connected(circuit, ops)
    return tuple(_component(circuit, wires, [op for op in ops if op.wires[0] in wires]) for wires in groups)


def connected_wires(circuit: Circuit) -> list[tuple[int, ...]]:
    """Return the wires of the independent parts, without a plan of how each is simulated, which takes its time."""
    return _connected(circuit, seen_gates(circuit))


def _connected(circuit: Circuit, ops: list[Elementary]) -> list[tuple[int, ...]]:
    leader = {wire: wire for observable in circuit.observables for wire in observable.wires}
    leader |= {wire: wire for op in ops for wire in op.wires}

    def find(wire: int) -> int:
        while leader[wire] != wire:
            wire = leader[wire]
        return wire

    def join(wires: Iterable[int]) -> None:
        first, *others = wires
        for other in others:
            leader[find(other)] = find(first)

    for op in ops:
        join(op.wires)
    for observable in circuit.observables:
        if isinstance(observable, Overlap):
            join(observable.wires_a)
            join(observable.wires_b)
    for observable in circuit.observables:
        if isinstance(observable, Overlap):
            parts = [
                {wire for wire in leader if find(wire) == find(wires[0])}
                for wires in (observable.wires_a, observable.wires_b)
            ]
            if parts != [set(observable.wires_a), set(observable.wires_b)]:
                join(observable.wires)  # correlated registers, or parts of larger ones
    found: dict[int, list[int]] = {}
    for wire in sorted(leader):
        found.setdefault(find(wire), []).append(wire)
    return [tuple(wires) for wires in found.values()]


def _component(circuit: Circuit, wires: tuple[int, ...], ops: list[Elementary]) -> Component:
    mask = sum(1 << wire for wire in wires)
    strings: dict[PauliString, None] = {}
    whole = False
    for observable in circuit.observables:
        if isinstance(observable, Pauli):
            x, z = from_letters(observable.letters, observable.wires)
            strings.setdefault((x & mask, z & mask))
        else:
            whole |= isinstance(observable, Overlap) and bool(set(wires).intersection(observable.wires))
    strings.pop((0, 0), None)
    probabilities = any(isinstance(o, Probabilities) and set(o.wires) & set(wires) for o in circuit.observables)
    diagonal = not whole and not any(x for x, _ in strings)
    if diagonal:
        ops = _without_last_phases(ops)
    queues = Queues(wires, ops)
    runs = {wire: queues.fresh(wire) for wire in wires}
    for run in runs.values():
        queues.take(run)
    starts, steps = schedule(queues)
    # The expectation value of an imaginary matrix in a real state is 0, and needs no care in a complex one.
    is_complex = not all(op.is_real for op in ops) or any(map(parity_of_y, strings))
    has_data = any(op.has_data for op in ops)
    component = Component(wires, is_complex, has_data, runs, _groups(wires, starts), strings=list(strings))
    reads: list[Read] = []
    if diagonal and steps and isinstance(steps[-1], Move) and component.keeps_signs:
        cut = steps[:-1]
        component.tail = steps[-1].ops
    else:
        cut = steps
    amplitudes = _price_of_amplitudes(cut, component)
    steps_read, found, left_over, price = _density_matrices(steps, component)
    if not whole and not probabilities and component.strings and (price < amplitudes):
        steps, reads, component.from_amplitudes = steps_read, found, left_over
        component.tail = []
    else:
        steps, component.from_amplitudes = cut, list(range(len(strings)))
    _lay_out(component, steps, reads)
    return component


def _without_last_phases(ops: list[Elementary]) -> list[Elementary]:
    """Drop diagonal gates that no other gate follows: probabilities do not see them."""
    kept: list[Elementary] = []
    followed: set[int] = set()
    for op in reversed(ops):
        if op.is_diagonal and followed.isdisjoint(op.wires):
            continue
        kept.append(op)
        followed.update(op.wires)
    return kept[::-1]


def _groups(wires: Bits, starts: list[Block]) -> list[Block]:
    """Add groups of untouched wires to the first blocks, largest first."""
    taken = {wire for block in starts for wire in block.wires}
    free = [wire for wire in wires if wire not in taken]
    groups = [*starts, *(Block(tuple(free[k : k + 4]), []) for k in range(0, len(free), 4))]
    return sorted(groups, key=lambda block: (-len(block.wires), block.wires))


def _lay_out(component: Component, steps: list[Block | Move], reads: list[Read]) -> None:
    left: set[int] = set()
    for group in component.starts:  # halves of about equal size
        if len(left) < len(component.wires) / 2 and len(component.starts) > 1 and group is not component.starts[-1]:
            left |= set(group.wires)
    component.left = frozenset(left)
    if component.is_complex:
        left.add(COMPLEX)
    right = set(component.wires) - left
    every = frozenset(left | right)
    cells = [frozenset(left), frozenset(right)] if len(component.starts) > 1 else [every]
    cells = [cell for cell in cells if cell]
    component.first, component.last, component.items = lay_out(cells, steps, reads, every)


def _price_of_amplitudes(steps: list[Block | Move], component: Component) -> float:
    """Return what it costs to apply all blocks and read strings from products of amplitudes."""
    launch = overhead(len(component.wires))
    masks: dict[tuple[int, int], int] = {}
    for string in component.strings:
        key = (string[0], parity_of_y(string))
        masks[key] = masks.get(key, 0) + 1
    return _price(steps, launch) + sum(0.3 + 0.02 * count + 1.2 * launch for count in masks.values())


def _price(steps: Iterable[Block | Move], launch: float) -> float:
    return sum(
        (cost(2 ** (len(step.wires) + (not step.is_real))) if isinstance(step, Block) else 0.45) + launch
        for step in steps
    )


def _density_matrices(
    steps: list[Block | Move], component: Component
) -> tuple[list[Block | Move], list[Read], list[int], float]:
    """Leave the last blocks to the observables: return the other steps, read-outs, strings left over, and the price."""
    launch = overhead(len(component.wires))
    tails = _last_blocks(steps)
    wires_of = [{w for w in component.wires if support(string) >> w & 1} for string in component.strings]
    changed = True
    while changed:  # a string that meets a last block and other wires needs that block applied
        changed = False
        for wires in wires_of:
            for block in list(tails):
                if wires & set(block.wires) and not wires <= set(block.wires):
                    tails.remove(block)
                    changed = True
    reads = [Read(block.wires, block, [], block.is_real) for block in tails]
    left_over: list[int] = []
    for number, wires in sorted(enumerate(wires_of), key=lambda pair: (-len(pair[1]), sorted(pair[1]))):
        read = next((read for read in reads if wires <= set(read.wires)), None)
        if read is None and len(wires) <= READ_WIRES:
            loose = [r for r in reads if r.block is None and len(wires | set(r.wires)) <= READ_WIRES]
            if loose:
                read = loose[0]
                read.wires = tuple(sorted(wires | set(read.wires)))
            else:
                read = Read(tuple(sorted(wires)), None, [], True)
                reads.append(read)
        if read is None:
            left_over.append(number)
            continue
        read.strings.append(number)
        read.is_real &= not parity_of_y(component.strings[number])
    rest = [step for step in steps if not any(step is block for block in tails)]
    price = _price(rest, launch)
    price += sum(cost(2 ** (len(r.wires) + (not r.is_real))) + 2.3 * launch for r in reads)
    price += sum(0.5 + 1.2 * launch for _ in left_over)
    return rest, [read for read in reads if read.strings], sorted(left_over), price


def _last_blocks(steps: list[Block | Move]) -> list[Block]:
    last: list[Block] = []
    followed: set[int] = set()
    for step in reversed(steps):
        if isinstance(step, Move):
            break
        if followed.isdisjoint(step.wires) and not step.has_data:
            last.append(step)
        followed.update(step.wires)
    return last


def estimate(circuit: Circuit) -> tuple[int, int]:
    """Return floating-point operations per sample, forward, and bytes kept per sample for the backward pass.

    Bytes are those of single precision. Both are known before any large tensor is made.
    """
    flops = kept = 0
    for component in plan_state(circuit):
        size = 2**component.n_bits
        kept += 4 * 2 * size
        flops += 2 * size + 2 * size * len(component.from_amplitudes)
        for item in component.items:
            if isinstance(item, Applied):
                flops += 2 * size * 2 ** len(item.bits)
    return flops, kept


def table_bytes(circuit: Circuit, dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes that the ``statevector`` engine takes while it is built, without making a large tensor.

    They are tables of where amplitudes go when bits change places, which it keeps, and what the largest of these needs
    for a moment.
    """
    number, index = torch.finfo(dtype).bits // 8, 8
    kept = largest = 0
    for component in plan_state(circuit):
        size = 2**component.n_bits
        for item in {item.key: item for item in component.items if isinstance(item, Rearranged)}.values():
            signed = any((op.moves()[1] < 0).any() for op in item.ops)
            kept += 2 * size * (4 + number * signed)
        kept += index * size * sum(bool(item.order) for item in component.items if isinstance(item, Applied))
        others = (read for read in circuit.observables if not isinstance(read, Pauli))
        kept += index * size * sum(not set(component.wires).isdisjoint(read.wires) for read in others)
        largest = max(largest, 4 * index * size)
    return kept + largest
