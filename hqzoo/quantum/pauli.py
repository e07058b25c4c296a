"""Pauli strings as bit masks, and the normal form of gates as products of Pauli rotations.

Every gate of the set except a fixed ``Unitary`` is, up to a global phase, a product of rotations
``exp(-i angle P / 2)`` with ``P`` a Pauli string and an affine angle. Engines that understand rotations therefore
understand the whole gate set, multi-controlled forms included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hqzoo.quantum.angles import Angle, as_angle
from hqzoo.quantum.gates import Gate

__all__ = ["PauliString", "Rotation", "conjugate", "from_letters", "rotations", "single_letters", "support"]

PauliString = tuple[int, int]
"""Masks ``(x, z)``: bit ``w`` of ``x`` (``z``) says that the string holds X or Y (Z or Y) on wire ``w``."""


@dataclass(frozen=True)
class Rotation:
    """``exp(-i angle P / 2)``."""

    axis: PauliString
    angle: Angle


def from_letters(letters: str, wires: tuple[int, ...]) -> PauliString:
    """Return the string that holds ``letters[k]`` (I, X, Y or Z) on ``wires[k]``."""
    x = sum(1 << wire for letter, wire in zip(letters, wires, strict=True) if letter in "XY")
    z = sum(1 << wire for letter, wire in zip(letters, wires, strict=True) if letter in "YZ")
    return x, z


def support(string: PauliString) -> int:
    """Return the mask of wires on which the string is not the identity."""
    return string[0] | string[1]


def single_letters(string: PauliString) -> Iterator[tuple[int, PauliString]]:
    """Yield ``(wire, one-letter string)`` for every wire of the support."""
    x, z = string
    rest = x | z
    while rest:
        bit = rest & -rest
        yield bit.bit_length() - 1, (x & bit, z & bit)
        rest ^= bit


def conjugate(axis: PauliString, string: PauliString) -> tuple[PauliString, int] | None:
    """Return what a rotation about ``axis`` mixes into ``string``, or None if the two commute.

    For anticommuting ``A`` and ``P``: ``exp(i t A/2) P exp(-i t A/2) = cos(t) P + sin(t) (i A P)``. The result is the
    string and the sign of ``i A P``.
    """
    (ax, az), (px, pz) = axis, string
    if ((ax & pz).bit_count() + (az & px).bit_count()) % 2 == 0:
        return None
    x, z = ax ^ px, az ^ pz
    # Strings are i^{|x & z|} X^x Z^z; moving Z^az past X^px gives the sign.
    power = (ax & az).bit_count() + (px & pz).bit_count() + 2 * (az & px).bit_count() - (x & z).bit_count()
    return (x, z), 1 if (power + 1) % 4 == 0 else -1


def rotations(gate: Gate) -> list[Rotation]:
    """Return the gate as Pauli rotations in the order of time, equal up to a global phase.

    A control turns ``exp(-i t P/2)`` into rotations about ``P`` and ``Z_c P``, because the projector on ``1`` is
    ``(1 - Z_c) / 2``; ``m`` controls give ``2^m`` commuting rotations. The phase that a base gate carries matters
    once the gate is controlled, where it becomes rotations about Z strings.
    """
    parts, phase = _base(gate)
    if not gate.controls:
        return parts
    result = []
    for part in [*parts, Rotation((0, 0), phase * -2.0)]:
        share = part.angle / 2 ** len(gate.controls)
        for size in range(len(gate.controls) + 1):
            for chosen in combinations(gate.controls, size):
                axis = (part.axis[0], part.axis[1] ^ sum(1 << wire for wire in chosen))
                if axis != (0, 0):
                    result.append(Rotation(axis, share * (-1.0) ** size))
    return result


def _base(gate: Gate) -> tuple[list[Rotation], Angle]:
    """Return rotations in the order of time and the phase ``a`` with ``gate = exp(i a) * product``."""
    wires, angles = gate.wires, gate.angles

    def turn(letters: str, angle: Angle | float) -> Rotation:
        return Rotation(from_letters(letters, wires), as_angle(angle))

    half, quarter = as_angle(math.pi / 2), as_angle(math.pi / 4)
    match gate.name:
        case "I":
            return [], as_angle(0.0)
        case "X" | "Y" | "Z":
            return [turn(gate.name, math.pi)], half
        case "H":
            return [turn("Y", math.pi / 2), turn("X", math.pi)], half
        case "S":
            return [turn("Z", math.pi / 2)], quarter
        case "T":
            return [turn("Z", math.pi / 4)], as_angle(math.pi / 8)
        case "RX" | "RY" | "RZ":
            return [turn(gate.name[1], angles[0])], as_angle(0.0)
        case "PhaseShift":
            return [turn("Z", angles[0])], angles[0] / 2
        case "U3":
            theta, phi, lam = angles
            return [turn("Z", lam), turn("Y", theta), turn("Z", phi)], (phi + lam) / 2
        case "SWAP":
            return [turn(pair, math.pi / 2) for pair in ("XX", "YY", "ZZ")], quarter
        case "IsingXX" | "IsingYY" | "IsingZZ":
            return [turn(gate.name[-2:], angles[0])], as_angle(0.0)
    raise ValueError(f"{gate.name} has no rotation form; engines treat it as a matrix.")


def heisenberg(matrix: np.ndarray, letters: str) -> dict[str, float]:
    """Return ``U^dagger P U`` of a fixed unitary as Pauli letters and real coefficients."""
    n = len(letters)
    evolved = matrix.conj().T @ _dense(letters) @ matrix
    out = {}
    for code in range(4**n):
        name = "".join("IXYZ"[(code >> 2 * (n - 1 - k)) & 3] for k in range(n))
        value = float(np.trace(_dense(name) @ evolved).real) / 2**n
        if abs(value) > 1e-12:
            out[name] = value
    return out


_MATRICES = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}


def _dense(letters: str) -> np.ndarray:
    out = np.eye(1, dtype=complex)
    for letter in letters:
        out = np.kron(out, _MATRICES[letter])
    return out
