"""Gates as small matrices that are linear in cosines and sines, for engines that hold amplitudes.

A complex amplitude is kept as two real numbers, so a state of ``n`` wires is a real vector over ``n + 1`` bits, and
every gate is an orthogonal matrix on its wires and, unless it is real, on the extra bit ``COMPLEX``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hqzoo.quantum.angles import Angle, as_angle
from hqzoo.quantum.gates import Gate

__all__ = ["COMPLEX", "Elementary", "Matrix", "elementaries", "embed", "pauli_matrix", "real_form"]

COMPLEX = -1
"""The bit that tells the real from the imaginary part of an amplitude."""

MAX_DENSE = 4  # gates on more wires are taken apart

Matrix = NDArray[np.complexfloating[Any, Any]]

_I = np.eye(2, dtype=complex)
_X = np.array([[0, 1], [1, 0]], dtype=complex)
_Y = np.array([[0, -1j], [1j, 0]])
_Z = np.diag([1.0 + 0j, -1.0])
_PAULI: dict[str, Matrix] = {"X": _X, "Y": _Y, "Z": _Z}
_FIXED: dict[str, Matrix] = {
    "I": _I,
    "X": _X,
    "Y": _Y,
    "Z": _Z,
    "H": np.array([[1, 1], [1, -1]]) * (1 / math.sqrt(2) + 0j),
    "S": np.diag([1, 1j]),
    "T": np.diag([1, np.exp(0.25j * math.pi)]),
    "SWAP": np.eye(4, dtype=complex)[[0, 2, 1, 3]],
}


@dataclass(frozen=True, eq=False)
class Elementary:
    """A gate with at most one angle: ``sum(feature * matrix)``.

    Args:
        wires: The wires; the first is the most significant bit of the matrices.
        angle: Argument of the cosine and sine in radians, None for a fixed gate.
        matrices: ``(M,)`` for a fixed gate, ``(M_cos, M_sin)`` or, for controlled rotations, ``(M_cos, M_sin, M_1)``.
            Empty for a Pauli gate with many controls, whose matrix would be large.
        letter: That Pauli gate, X or Z; it acts on the last wire.
    """

    wires: tuple[int, ...]
    angle: Angle | None
    matrices: tuple[Matrix, ...]
    letter: str = ""

    @cached_property
    def key(self) -> tuple[bytes, ...]:
        """Equal for gates that differ only in their wires and angle."""
        return (self.letter.encode(), *((np.round(matrix, 12) + 0.0).tobytes() for matrix in self.matrices))

    @cached_property
    def is_real(self) -> bool:
        """Whether it leaves the real and the imaginary plane apart."""
        return not any(np.any(matrix.imag) for matrix in self.matrices)

    @cached_property
    def is_diagonal(self) -> bool:
        """Whether it only changes phases."""
        return self.letter != "X" and not any(np.any(matrix - np.diag(np.diag(matrix))) for matrix in self.matrices)

    @cached_property
    def is_classical(self) -> bool:
        """Whether it is fixed and only permutes amplitudes and flips their signs."""
        if self.letter:
            return True
        fixed = self.angle is None and self.is_real
        return fixed and bool(np.all((self.matrices[0] == 0) | (np.abs(self.matrices[0]) == 1)))

    @property
    def has_data(self) -> bool:
        """Whether its angle differs from sample to sample."""
        return self.angle is not None and bool(self.angle.data)

    @property
    def is_identity(self) -> bool:
        """Whether it does nothing."""
        return (
            not self.letter
            and self.angle is None
            and bool(np.array_equal(self.matrices[0], np.eye(len(self.matrices[0]))))
        )

    def moves(self) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
        """Return the rows that a classical gate takes its output from, and the signs they get."""
        if not self.letter:
            matrix = self.matrices[0].real
            source = np.argmax(np.abs(matrix), axis=1)
            return source, matrix[np.arange(len(matrix)), source]
        source, sign = np.arange(2 ** len(self.wires)), np.ones(2 ** len(self.wires))
        if self.letter == "X":
            source[-2:] = source[-2:][::-1].copy()
        else:
            sign[-1] = -1.0
        return source, sign


def elementaries(gate: Gate) -> list[Elementary]:
    """Return a gate as elementary ones in the order of time, equal up to a global phase."""
    return [item for item in map(_settle, _split(gate)) if not item.is_identity]


def _split(gate: Gate) -> list[Elementary]:
    if gate.controls and len(gate.support) > MAX_DENSE:
        return _split_wide(gate)
    angles = gate.angles
    match gate.name:
        case "Unitary":
            return [Elementary(gate.support, None, (_controlled(np.array(gate.matrix), gate),))]
        case "RX" | "RY" | "RZ" | "IsingXX" | "IsingYY" | "IsingZZ":
            return [_rotation(gate)]
        case "PhaseShift" if gate.controls:
            ones = np.zeros(2 ** len(gate.support), dtype=complex)
            ones[-1] = 1.0
            return [Elementary(gate.support, angles[0], (np.diag(ones), np.diag(1j * ones), np.diag(1 - ones)))]
        case "PhaseShift":
            return _split(replace(gate, name="RZ"))
        case "U3":
            theta, phi, lam = angles
            named = (("RZ", lam), ("RY", theta), ("RZ", phi))
            parts = [replace(gate, name=name, angles=(angle,)) for name, angle in named]
            if gate.controls:  # the phase that the base gate carries
                rest, last = gate.controls[:-1], gate.controls[-1]
                parts.append(Gate("PhaseShift", (last,), ((phi + lam) / 2,), rest))
            return [item for part in parts for item in _split(part)]
    return [Elementary(gate.support, None, (_controlled(_FIXED[gate.name], gate),))]


def _rotation(gate: Gate) -> Elementary:
    pauli = pauli_matrix(_letters(gate))
    one = np.eye(len(pauli), dtype=complex)
    half = gate.angles[0] / 2
    if not gate.controls:
        return Elementary(gate.wires, half, (one, -1j * pauli))
    acts = _controlled(2 * one, gate) - np.eye(2 ** len(gate.support))
    turns = _controlled(one - 1j * pauli, gate) - np.eye(2 ** len(gate.support))
    return Elementary(gate.support, half, (acts, turns, np.eye(len(acts)) - acts))


def _letters(gate: Gate) -> str:
    return gate.name.removeprefix("Ising").removeprefix("R")


def _controlled(matrix: Matrix, gate: Gate) -> Matrix:
    full = np.eye(len(matrix) * 2 ** len(gate.controls), dtype=complex)
    full[-len(matrix) :, -len(matrix) :] = matrix
    return full


def _split_wide(gate: Gate) -> list[Elementary]:
    """Take a gate with many controls apart into small gates and controlled Pauli gates, which permute amplitudes."""
    controls, wires = gate.controls, gate.wires

    def flip(letter: str, more: tuple[int, ...] = (), target: int = wires[0]) -> Elementary:
        return Elementary((*controls, *more, target), None, (), letter)

    match gate.name:
        case "I":
            return []
        case "X" | "Z":
            return [flip(gate.name)]
        case "Y":
            turn = np.diag([1.0, 1j])
            before, after = (Elementary(wires, None, (matrix,)) for matrix in (turn.conj(), turn))
            return [before, flip("X"), after]
        case "SWAP":
            first, second = wires
            around = Elementary((second, first), None, (np.eye(4, dtype=complex)[[0, 1, 3, 2]],))
            return [around, flip("X", (first,), second), around]
        case "RX" | "RY" | "RZ" | "IsingXX" | "IsingYY" | "IsingZZ":
            # Q exp(i a P) Q = exp(-i a P) for a letter Q that anticommutes with P.
            letter = "Z" if _letters(gate)[0] == "X" else "X"
            plus, minus = (_rotation(Gate(gate.name, wires, (gate.angles[0] * sign,))) for sign in (0.5, -0.5))
            return [flip(letter), minus, flip(letter), plus]
        case "PhaseShift" | "S" | "T":
            quarter = {"S": math.pi / 2, "T": math.pi / 4}.get(gate.name)
            angle = gate.angles[0] if quarter is None else as_angle(quarter)
            rest = Gate("PhaseShift", controls[-1:], (angle / 2,), controls[:-1])
            return [*_split(Gate("RZ", wires, (angle,), controls)), *_split(rest)]
        case "U3":
            theta, phi, lam = gate.angles
            rest = Gate("PhaseShift", controls[-1:], ((phi + lam) / 2,), controls[:-1])
            turns = [Gate(n, wires, (a,), controls) for n, a in (("RZ", lam), ("RY", theta), ("RZ", phi))]
            return [item for part in [*turns, rest] for item in _split(part)]
        case "H":
            back, there = (_rotation(Gate("RY", wires, (as_angle(s * math.pi / 4),))) for s in (-1, 1))
            return [back, flip("Z"), there]
    return _split_unitary(gate)


def _split_unitary(gate: Gate) -> list[Elementary]:
    """Turn a fixed unitary with many controls into its eigenbasis, where it is phases of controlled Z strings."""
    vectors, phases = _eigenbasis(np.array(gate.matrix))
    n = len(gate.wires)
    signs = reduce(np.kron, [np.array([[1.0, 1.0], [1.0, -1.0]])] * n)  # of Z strings on basis states
    items = []
    for subset, coefficient in enumerate(signs @ phases / 2**n):
        wires = tuple(wire for k, wire in enumerate(gate.wires) if subset >> (n - 1 - k) & 1)
        items += _controlled_phases(gate.controls, wires, float(coefficient))
    back, there = (Elementary(gate.wires, None, (matrix,)) for matrix in (vectors.conj().T, vectors))
    return [back, *items, there]


def _eigenbasis(matrix: Matrix) -> tuple[Matrix, NDArray[np.floating[Any]]]:
    """Return orthonormal eigenvectors of a unitary as columns, and the phases of its eigenvalues in radians."""
    real, imaginary = (matrix + matrix.conj().T) / 2, (matrix - matrix.conj().T) / 2j
    # Both parts are Hermitian and commute; almost every sum of them has their common eigenvectors.
    bases = [np.linalg.eigh(math.cos(mix) * real + math.sin(mix) * imaginary)[1] for mix in (0.3, 0.8, 1.1, 1.3)]

    def rest(vectors: Matrix) -> float:
        turned = vectors.conj().T @ matrix @ vectors
        return float(np.abs(turned - np.diag(np.diag(turned))).max())

    vectors = min(bases, key=rest)
    return vectors, np.angle(np.diag(vectors.conj().T @ matrix @ vectors))


def _controlled_phases(controls: tuple[int, ...], wires: tuple[int, ...], phase: float) -> list[Elementary]:
    """Return ``exp(i phase Z...Z)`` where all controls are 1; without wires it is a phase of the controls."""
    if not wires:
        return _split(Gate("PhaseShift", controls[-1:], (as_angle(phase),), controls[:-1]))
    string = pauli_matrix("Z" * len(wires))
    one = np.eye(len(string), dtype=complex)
    plus, minus = (
        Elementary(wires, None, (math.cos(half) * one + 1j * math.sin(half) * string,))
        for half in (phase / 2, -phase / 2)
    )
    first, second = (Elementary((*controls, wires[0]), None, (), "X") for _ in range(2))  # told apart by identity
    return [first, minus, second, plus]


def _settle(item: Elementary) -> Elementary:
    """Evaluate a constant angle, and make a fixed matrix real where a global phase allows it."""
    if item.letter:
        return item
    if item.angle is not None:
        if not item.angle.is_constant:
            return item
        value = item.angle.constant
        features = (math.cos(value), math.sin(value), 1.0)
        parts = [f * m for f, m in zip(features, item.matrices, strict=False)]
        matrix: Matrix = np.sum(parts, axis=0)
    else:
        matrix = item.matrices[0]
    first = matrix.flat[int(np.argmax(np.abs(matrix) > 1e-9))]
    turned = matrix * (abs(first) / first)
    if np.abs(turned.imag).max() < 1e-14:
        matrix = turned.real + 0j
    nearest = np.round(matrix.real) + 1j * np.round(matrix.imag)
    matrix = np.where(np.abs(matrix - nearest) < 1e-15, nearest, matrix)
    return Elementary(item.wires, None, (matrix,))


def pauli_matrix(letters: str) -> Matrix:
    """Return the matrix of a Pauli string, the first letter being the most significant."""
    matrix: Matrix = reduce(np.kron, (_PAULI[letter] for letter in letters))
    return matrix


def real_form(matrix: Matrix) -> NDArray[np.floating[Any]]:
    """Return a matrix ``A + iB`` as a real one, the bit ``COMPLEX`` being the least significant."""
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    return np.kron(matrix.real, np.eye(2)) + np.kron(matrix.imag, turn)


def embed(matrix: NDArray[np.floating[Any]], own: tuple[int, ...], bits: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    """Return a matrix on the bits ``own`` as one on ``bits``, most significant first."""
    rest = tuple(bit for bit in bits if bit not in own)
    full = np.kron(matrix, np.eye(2 ** len(rest)))
    order = [(own + rest).index(bit) for bit in bits]
    n = len(bits)
    grid = full.reshape([2] * (2 * n)).transpose(order + [n + place for place in order])
    return grid.reshape(2**n, 2**n)
