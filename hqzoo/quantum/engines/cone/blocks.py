"""Splitting a circuit into small blocks of rotations, and what a block does to a Pauli string."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.pauli import (
    PauliString,
    conjugate,
    from_letters,
    heisenberg,
    rotations,
    single_letters,
    support,
)

__all__ = ["Block", "Factor", "Term", "blocks_of", "expand"]


class Factor(NamedTuple):
    """A cosine or sine of an angle.

    Args:
        kind: ``"data"`` or ``"weight"``.
        angle: Number of the angle, -1 for a cosine that is 1.
        function: ``"cos"`` or ``"sin"``.
    """

    kind: str
    angle: int
    function: str


Term = tuple[Factor, ...]
"""A sorted product of factors; terms carry a real coefficient beside them."""

MAX_PARAMETRIC_OPS = 8  # a block's coefficients are sums of up to 2^this products


@dataclass(frozen=True)
class Turn:
    """A rotation whose angle is constant, or one affine form of only data or only weights."""

    axis: PauliString
    kind: str  # "constant", "data" or "weight"
    index: int = 0
    cos: float = 1.0
    sin: float = 0.0


@dataclass(frozen=True)
class Matrix:
    """A fixed unitary on a few wires."""

    wires: tuple[int, ...]
    entries: tuple[tuple[complex, ...], ...]


@dataclass
class Block:
    """Consecutive operations on a few wires, in the order of time."""

    mask: int
    ops: list[Turn | Matrix]
    kinds: set[str] = field(default_factory=set)

    @property
    def parametric(self) -> int:
        """Number of operations with an angle that is not constant."""
        return sum(isinstance(op, Turn) and op.kind != "constant" for op in self.ops)


@dataclass
class Angles:
    """Distinct affine forms, numbered in the order of first use."""

    forms: dict[tuple[tuple[int, float], ...], int] = field(default_factory=dict)

    def index(self, form: tuple[tuple[int, float], ...]) -> int:
        """Return the number of a form."""
        return self.forms.setdefault(form, len(self.forms))


def blocks_of(circuit: Circuit) -> tuple[list[Block], Angles, Angles]:
    """Return the blocks of a circuit in a causal order, and its distinct data and weight angles.

    Blocks hold as many gates as fit on two wires (or on the wires of one larger gate). Gates with data angles and
    gates with weights go to different blocks, so that what depends on the weights alone is computed once a batch.
    """
    data_angles, weight_angles = Angles(), Angles()
    blocks: list[Block | None] = []
    last: dict[int, int] = {}
    for gate in circuit.gates:
        for op in _operations(gate, data_angles, weight_angles):
            _place(op, blocks, last)
    # Renumber without the blocks that later ones have absorbed.
    return [block for block in blocks if block is not None], data_angles, weight_angles


def _operations(gate: Gate, data_angles: Angles, weight_angles: Angles) -> Iterable[Turn | Matrix]:
    if gate.name == "Unitary":
        yield Matrix(gate.support, _with_controls(gate))
        return
    for rotation in rotations(gate):
        angle = rotation.angle
        cos, sin = _exact(angle.constant)
        if (cos, sin) != (1.0, 0.0):
            yield Turn(rotation.axis, "constant", cos=cos, sin=sin)
        if angle.weight:
            yield Turn(rotation.axis, "weight", weight_angles.index(angle.weight))
        if angle.data:
            yield Turn(rotation.axis, "data", data_angles.index(angle.data))


def _with_controls(gate: Gate) -> tuple[tuple[complex, ...], ...]:
    inner = np.array(gate.matrix)
    full = np.eye(len(inner) * 2 ** len(gate.controls), dtype=complex)
    full[-len(inner) :, -len(inner) :] = inner
    return tuple(tuple(complex(entry) for entry in row) for row in full)


def _exact(angle: float) -> tuple[float, float]:
    """Cosine and sine, exact at multiples of a quarter turn so that Clifford gates stay permutations."""
    quarters = angle / (math.pi / 2)
    if abs(quarters - round(quarters)) < 1e-12:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarters) % 4]
    return math.cos(angle), math.sin(angle)


def _place(op: Turn | Matrix, blocks: list[Block | None], last: dict[int, int]) -> None:
    mask = support(op.axis) if isinstance(op, Turn) else sum(1 << wire for wire in op.wires)
    kinds = {op.kind} - {"constant"} if isinstance(op, Turn) else set()
    wires = [wire for wire, _ in single_letters((mask, 0))]
    if not wires:
        return  # a global phase
    before = {last[wire] for wire in wires if wire in last}
    if len(before) == 1 and all(wire in last for wire in wires):
        block = blocks[before.copy().pop()]
        if block is not None and _fits(block, mask, kinds):
            block.ops.append(op)
            block.kinds |= kinds
            return
    new = Block(mask, [op], kinds)
    for index in sorted(before):
        block = blocks[index]
        # A block inside these wires that no other block follows melts into the new one.
        if block is None or block.mask & ~mask or not _fits(block, mask, new.kinds, melt=True):
            continue
        if all(last[wire] == index for wire, _ in single_letters((block.mask, 0))):
            new.ops[:0] = block.ops
            new.kinds |= block.kinds
            blocks[index] = None
    for wire in wires:
        last[wire] = len(blocks)
    blocks.append(new)


def _fits(block: Block, mask: int, kinds: set[str], melt: bool = False) -> bool:
    if len(block.kinds | kinds) > 1 or block.parametric >= MAX_PARAMETRIC_OPS:
        return False
    return melt or mask & ~block.mask == 0


def expand(block: Block, string: PauliString) -> dict[PauliString, dict[Term, float]]:
    """Return ``U^dagger P U`` of a block as Pauli strings with trigonometric polynomials as coefficients."""
    current: dict[PauliString, dict[Term, float]] = {string: {(): 1.0}}
    for op in reversed(block.ops):
        following: dict[PauliString, dict[Term, float]] = {}
        for pauli, polynomial in current.items():
            for target, factor, value in _through(op, pauli):
                _add(following.setdefault(target, {}), polynomial, factor, value)
        cleaned = {pauli: _clean(polynomial) for pauli, polynomial in following.items()}
        current = {pauli: polynomial for pauli, polynomial in cleaned.items() if polynomial}
    return current


def _through(op: Turn | Matrix, pauli: PauliString) -> list[tuple[PauliString, Factor | None, float]]:
    if isinstance(op, Matrix):
        return _through_matrix(op, pauli)
    mixed = conjugate(op.axis, pauli)
    if mixed is None:
        return [(pauli, None, 1.0)]
    target, sign = mixed
    if op.kind == "constant":
        both = [(pauli, None, op.cos), (target, None, sign * op.sin)]
        return [entry for entry in both if entry[2] != 0.0]
    return [(pauli, Factor(op.kind, op.index, "cos"), 1.0), (target, Factor(op.kind, op.index, "sin"), float(sign))]


def _through_matrix(op: Matrix, pauli: PauliString) -> list[tuple[PauliString, Factor | None, float]]:
    mask = sum(1 << wire for wire in op.wires)
    letters = "".join("IXZY"[(pauli[0] >> w & 1) + 2 * (pauli[1] >> w & 1)] for w in op.wires)
    rest = (pauli[0] & ~mask, pauli[1] & ~mask)
    result: list[tuple[PauliString, Factor | None, float]] = []
    for name, value in heisenberg(np.array(op.entries), letters).items():
        inner = from_letters(name, op.wires)
        result.append(((rest[0] | inner[0], rest[1] | inner[1]), None, value))
    return result


def _add(into: dict[Term, float], polynomial: dict[Term, float], factor: Factor | None, value: float) -> None:
    for term, coefficient in polynomial.items():
        key = tuple(sorted((*term, factor))) if factor is not None else term
        into[key] = into.get(key, 0.0) + coefficient * value


def _clean(polynomial: dict[Term, float]) -> dict[Term, float]:
    return {term: value for term, value in polynomial.items() if abs(value) > 1e-14}
