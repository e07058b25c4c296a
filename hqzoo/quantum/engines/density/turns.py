"""Gates as real matrices on small parts of a real vector: what both ways of simulating noise share.

A density matrix is a real vector of ``4^n`` coefficients, one for each Pauli string; a pure state one of ``2^(n+1)``
numbers, with a bit that tells real from imaginary parts. In both pictures a Pauli rotation mixes every entry with one
other: ``new = kept * old + moved * (cos * old + sin * sign * old[source])``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache, reduce
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.density.pieces import Step
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.noise import Channel
from hqzoo.quantum.pauli import conjugate, from_letters, rotations

__all__ = [
    "COMPLEX", "MAX_GATE_WIRES", "GateMatrix", "PauliPicture", "Picture", "PlanePicture", "Turn",
    "signed_permutation",
]  # fmt: skip

MAX_GATE_WIRES = 5
COMPLEX = -1
"""The axis of a pure state that tells the real from the imaginary part of an amplitude."""

Matrix = NDArray[np.float64]
_LETTERS = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}


class Turn(NamedTuple):
    """A rotation by an angle of one turn about a Pauli string on a gate's wires.

    Args:
        source: Entry that each entry mixes with.
        moved: 1 where an entry mixes, 0 where it is kept.
        sign: Sign of the other entry, 0 where there is none.
    """

    source: NDArray[np.int64]
    moved: Matrix
    sign: Matrix


class Picture(ABC):
    """How gates act on a real vector.

    Attributes:
        base: Entries per wire.
        axes: Axes that every gate touches beside its wires.
        factor: Angle of a turn per angle of the rotation.
    """

    base: int
    axes: tuple[int, ...]
    factor: float

    @abstractmethod
    def turn(self, letters: str) -> Turn:
        """Return a rotation about a Pauli string."""

    @abstractmethod
    def unitary(self, matrix: NDArray[np.complex128]) -> Matrix:
        """Return a fixed unitary."""

    @abstractmethod
    def channels(self, channels: tuple[Channel, ...], n_wires: int) -> Matrix | None:
        """Return channels on each of some wires, or None where they are no matrix in this picture."""


class PauliPicture(Picture):
    """Coefficients ``tr(P rho)`` of all Pauli strings ``P``; every wire has the entries I, X, Y, Z."""

    base, axes, factor = 4, (), 1.0

    def turn(self, letters: str) -> Turn:
        """Return ``<P> -> cos <P> + sin <i A P>`` for strings that anticommute with the axis."""
        wires = tuple(range(len(letters)))
        axis = from_letters(letters, wires)
        strings = [from_letters("".join(names), wires) for names in product("IXYZ", repeat=len(letters))]
        number = {string: k for k, string in enumerate(strings)}
        source = np.arange(len(strings))
        moved, sign = np.zeros(len(strings)), np.zeros(len(strings))
        for k, string in enumerate(strings):
            mixed = conjugate(axis, string)
            if mixed is not None:
                source[k], moved[k], sign[k] = number[mixed[0]], 1.0, mixed[1]
        return Turn(source, moved, sign)

    def unitary(self, matrix: NDArray[np.complex128]) -> Matrix:
        """Return ``tr(P U Q U^dagger) / 2^k``."""
        strings = _strings(len(matrix).bit_length() - 1)
        turned = np.einsum("ab,qbc,dc->qad", matrix, strings, matrix.conj())
        return np.asarray(np.einsum("pad,qda->pq", strings, turned).real) / len(matrix)

    def channels(self, channels: tuple[Channel, ...], n_wires: int) -> Matrix | None:
        """Return their transfer matrices, one after the other, on each wire."""
        one: Matrix = np.eye(4)
        result: Matrix = np.eye(1)
        for channel in channels:
            one = channel.transfer() @ one
        for _ in range(n_wires):
            result = np.kron(result, one).astype(np.float64)
        return result


class PlanePicture(Picture):
    """Amplitudes of a pure state; the last axis holds their real and imaginary parts."""

    base, axes, factor = 2, (COMPLEX,), 0.5

    def turn(self, letters: str) -> Turn:
        """Return ``cos - i sin A``, half the angle of the rotation each."""
        source, sign = signed_permutation(letters, -1j)
        return Turn(source, np.ones(len(source)), sign)

    def unitary(self, matrix: NDArray[np.complex128]) -> Matrix:
        """Return the matrix on real and imaginary parts."""
        return np.kron(matrix.real, np.eye(2)) + np.kron(matrix.imag, [[0.0, -1.0], [1.0, 0.0]])

    def channels(self, channels: tuple[Channel, ...], n_wires: int) -> Matrix | None:
        """Return None: which Kraus operator acts is drawn."""
        return None


def signed_permutation(letters: str, factor: complex = 1.0) -> tuple[NDArray[np.int64], Matrix]:
    """Return what a Pauli string, times a phase, does to real and imaginary parts: entries taken, and their signs."""
    phases = {"I": (1, 1), "X": (1, 1), "Y": (-1j, 1j), "Z": (1, -1)}
    phase, flips = np.array([factor], dtype=complex), 0
    for letter in letters:
        phase, flips = np.kron(phase, phases[letter]), 2 * flips + (letter in "XY")
    taken = np.arange(len(phase)) ^ flips
    if np.any(phase.real):  # a real phase keeps the parts apart
        return (2 * taken[:, None] + np.array([0, 1])).ravel(), np.repeat(phase.real, 2)
    return (2 * taken[:, None] + np.array([1, 0])).ravel(), np.kron(phase.imag, [-1.0, 1.0])


@lru_cache(maxsize=8)
def _strings(n_wires: int) -> NDArray[np.complex128]:
    return np.stack([reduce(np.kron, chosen) for chosen in product(_LETTERS.values(), repeat=n_wires)])


class GateMatrix(Engine):
    """A gate, and in the Pauli picture the channels behind it, as one real matrix.

    Args:
        step: Gate and channels.
        picture: How gates act.
        numbers: Number of every angle so far; new ones are added.
        dtype: Precision.

    Raises:
        CircuitError: If the gate has more wires than its matrix can have.
    """

    def __init__(self, step: Step, picture: Picture, numbers: dict[Angle, int], dtype: torch.dtype) -> None:
        super().__init__(dtype)
        wires = step.gate.support
        if len(wires) > MAX_GATE_WIRES:
            raise CircuitError(
                f"{step.gate.label} acts on {len(wires)} wires; with noise a gate can have {MAX_GATE_WIRES}. Take it "
                "apart into smaller gates, as a device does: noise acts after each of them."
            )
        self._factor = picture.factor
        self._operations: list[tuple[str, int]] = []  # buffer's name and angle, -1 for a fixed matrix
        fixed: Matrix = np.eye(picture.base ** len(wires) * 2 ** len(picture.axes))
        if step.gate.name == "Unitary":
            fixed = picture.unitary(_with_controls(step.gate))
        for rotation in [] if step.gate.name == "Unitary" else rotations(step.gate):
            turn = picture.turn(_letters(rotation.axis, wires))
            if rotation.angle.is_constant:
                fixed = _turned(turn, rotation.angle.constant * picture.factor) @ fixed
                continue
            self._keep(fixed)
            fixed = np.eye(len(fixed))
            self._keep_turn(turn, numbers.setdefault(rotation.angle, len(numbers)))
        if step.channels:
            after = picture.channels(step.channels, len(wires))
            fixed = fixed if after is None else after @ fixed
        self._keep(fixed, always=not self._operations)

    def _keep(self, matrix: Matrix, always: bool = False) -> None:
        if always or not np.array_equal(matrix, np.eye(len(matrix))):
            name = f"fixed_{len(self._operations)}"
            self.constant(name, torch.tensor(matrix).to(self.dtype).unsqueeze(0))
            self._operations.append((name, -1))

    def _keep_turn(self, turn: Turn, angle: int) -> None:
        name = f"turn_{len(self._operations)}"
        self.constant(f"{name}_source", torch.tensor(turn.source))
        factors = np.stack([1 - turn.moved, turn.moved, turn.sign])
        self.constant(name, torch.tensor(factors).to(self.dtype).unsqueeze(-1))
        self._operations.append((name, angle))

    def forward(self, angles: Tensor) -> Tensor:
        """Return the matrix ``(1 or B, D, D)`` of angles ``(B, n_angles)``."""
        matrix: Tensor | None = None
        for name, angle in self._operations:
            buffer = self.get_buffer(name)
            if angle < 0:
                matrix = buffer if matrix is None else buffer @ matrix
                continue
            turn = (angles[:, angle] * self._factor).view(-1, 1, 1)
            kept, moved, sign = buffer
            if matrix is None:
                matrix = torch.eye(len(kept), dtype=buffer.dtype, device=buffer.device).unsqueeze(0)
            other = matrix.index_select(1, self.get_buffer(f"{name}_source"))
            matrix = (kept + moved * turn.cos()) * matrix + sign * turn.sin() * other
        if matrix is None:
            raise RuntimeError("a gate without a matrix")
        return matrix


def _letters(axis: tuple[int, int], wires: tuple[int, ...]) -> str:
    return "".join("IXZY"[(axis[0] >> wire & 1) + 2 * (axis[1] >> wire & 1)] for wire in wires)


def _turned(turn: Turn, angle: float) -> Matrix:
    one = np.eye(len(turn.source))
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(
        (1 - turn.moved + turn.moved * cos)[:, None] * one + (turn.sign * sin)[:, None] * one[turn.source]
    )


def _with_controls(gate: Gate) -> NDArray[np.complex128]:
    inner = np.array(gate.matrix)
    full = np.eye(len(inner) * 2 ** len(gate.controls), dtype=complex)
    full[-len(inner) :, -len(inner) :] = inner
    return full
