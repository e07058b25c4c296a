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
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.density_pieces import Step
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.noise import Channel
from hqzoo.quantum.pauli import conjugate, from_letters, rotations

__all__ = [
    "COMPLEX", "MAX_GATE_WIRES", "Angles", "GateMatrix", "PauliPicture", "Picture", "PlanePicture", "Turn",
    "pauli_letter",
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
        one = reduce(np.matmul, (channel.transfer() for channel in reversed(channels)))
        return np.asarray(reduce(np.kron, [one] * n_wires))


class PlanePicture(Picture):
    """Amplitudes of a pure state; the last axis holds their real and imaginary parts."""

    base, axes, factor = 2, (COMPLEX,), 0.5

    def turn(self, letters: str) -> Turn:
        """Return ``cos - i sin A``, half the angle of the rotation each."""
        matrix = self.unitary(-1j * reduce(np.kron, [_LETTERS[letter] for letter in letters]))
        source = np.argmax(np.abs(matrix), axis=1)
        return Turn(source, np.ones(len(matrix)), matrix[np.arange(len(matrix)), source])

    def unitary(self, matrix: NDArray[np.complex128]) -> Matrix:
        """Return the matrix on real and imaginary parts."""
        return np.kron(matrix.real, np.eye(2)) + np.kron(matrix.imag, [[0.0, -1.0], [1.0, 0.0]])

    def channels(self, channels: tuple[Channel, ...], n_wires: int) -> Matrix | None:
        """Return None: which Kraus operator acts is drawn."""
        return None


def pauli_letter(letter: str) -> NDArray[np.complex128]:
    """Return the matrix of I, X, Y or Z."""
    return _LETTERS[letter]


@lru_cache(maxsize=8)
def _strings(n_wires: int) -> NDArray[np.complex128]:
    return np.stack([reduce(np.kron, chosen) for chosen in product(_LETTERS.values(), repeat=n_wires)])


class Angles(Engine):
    """All angles of a circuit that are not constant, each once.

    Args:
        circuit: The circuit; its numbers of data and weights are those of the inputs.
        dtype: Precision.
    """

    offset: Tensor
    of_data: Tensor
    of_weights: Tensor

    def __init__(self, circuit: Circuit, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self._sizes = (circuit.n_data, circuit.n_weights)
        self._numbers: dict[Angle, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, angle: Angle) -> int:
        """Return the number of an angle."""
        return self._numbers.setdefault(angle, len(self._numbers))

    def finish(self) -> None:
        """Keep the affine map from data and weights to angles."""
        n_data, n_weights = self._sizes
        of_data, of_weights = torch.zeros(n_data, len(self)), torch.zeros(n_weights, len(self))
        of_data, of_weights = of_data.double(), of_weights.double()
        for angle, column in self._numbers.items():
            for index, coefficient in angle.data:
                of_data[index, column] = coefficient
            for index, coefficient in angle.weight:
                of_weights[index, column] = coefficient
        offset = torch.tensor([angle.constant for angle in self._numbers], dtype=torch.float64)
        for name, value in (("offset", offset), ("of_data", of_data), ("of_weights", of_weights)):
            self.constant(name, value.to(self.dtype))

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return angles ``(B, n_angles)`` of data ``(B, n_data)`` and weights ``(n_weights,)``, in radians."""
        return self.offset + data @ self.of_data + weights @ self.of_weights


class GateMatrix(Engine):
    """A gate, and in the Pauli picture the channels behind it, as one real matrix.

    Args:
        step: Gate and channels.
        picture: How gates act.
        angles: Where its angles are kept.
        dtype: Precision.

    Raises:
        CircuitError: If the gate has more wires than its matrix can have.
    """

    def __init__(self, step: Step, picture: Picture, angles: Angles, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        wires = step.gate.support
        if len(wires) > MAX_GATE_WIRES:
            raise CircuitError(
                f"{step.gate.label} acts on {len(wires)} wires; with noise a gate can have {MAX_GATE_WIRES}. Take it "
                "apart into smaller gates, as a device does: noise acts after each of them."
            )
        self.wires = (*wires, *picture.axes)
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
            self._keep_turn(turn, angles.add(rotation.angle))
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
    return np.asarray((1 - turn.moved + turn.moved * cos)[:, None] * one + (turn.sign * sin)[:, None] * one[turn.source])


def _with_controls(gate: Gate) -> NDArray[np.complex128]:
    inner = np.array(gate.matrix)
    full = np.eye(len(inner) * 2 ** len(gate.controls), dtype=complex)
    full[-len(inner) :, -len(inner) :] = inner
    return full
