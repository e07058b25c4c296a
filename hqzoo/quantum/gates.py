"""The gate set: what can stand in a circuit.

A gate is a base gate with any number of control wires, so ``CNOT(0, 1)`` is an ``X`` on wire 1 controlled by wire 0,
and ``controlled(RY(x, 4), 0, 2)`` needs no name of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.angles import Angle, as_angle

__all__ = [
    "CNOT", "CRX", "CRY", "CRZ", "CSWAP", "CZ", "RX", "RY", "RZ", "SWAP", "U3", "CPhase", "Gate", "H", "I", "IsingXX",
    "IsingYY", "IsingZZ", "PhaseShift", "S", "T", "Unitary", "X", "Y", "Z", "controlled",
]  # fmt: skip

BASE_GATES: dict[str, tuple[int, int]] = {  # name: (wires, angles)
    "I": (1, 0), "X": (1, 0), "Y": (1, 0), "Z": (1, 0), "H": (1, 0), "S": (1, 0), "T": (1, 0),
    "RX": (1, 1), "RY": (1, 1), "RZ": (1, 1), "PhaseShift": (1, 1), "U3": (1, 3), "SWAP": (2, 0),
    "IsingXX": (2, 1), "IsingYY": (2, 1), "IsingZZ": (2, 1), "Unitary": (0, 0),
}  # fmt: skip

_CONTROLLED_NAMES = {
    "X": "CNOT",
    "Z": "CZ",
    "RX": "CRX",
    "RY": "CRY",
    "RZ": "CRZ",
    "PhaseShift": "CPhase",
    "SWAP": "CSWAP",
}


@dataclass(frozen=True)
class Gate:
    """One gate of a circuit.

    Args:
        name: Base gate, a key of ``BASE_GATES``.
        wires: Wires the base gate acts on; the first is the most significant bit of a matrix.
        angles: Angles in radians, as many as the base gate takes.
        controls: Wires that must all be 1 for the base gate to act.
        matrix: Rows of a fixed unitary, for ``Unitary`` only.

    Raises:
        CircuitError: If the name is unknown, a wire repeats, or numbers of wires or angles do not fit.
    """

    name: str
    wires: tuple[int, ...]
    angles: tuple[Angle, ...] = ()
    controls: tuple[int, ...] = ()
    matrix: tuple[tuple[complex, ...], ...] | None = None

    def __post_init__(self) -> None:
        if self.name not in BASE_GATES:
            raise CircuitError(unknown_name("gate", self.name, BASE_GATES))
        n_wires, n_angles = BASE_GATES[self.name]
        if self.name != "Unitary" and len(self.wires) != n_wires:
            raise CircuitError(f"{self.name} acts on {n_wires} wire(s), got wires {self.wires}.")
        if len(self.angles) != n_angles:
            raise CircuitError(f"{self.name} takes {n_angles} angle(s), got {len(self.angles)}.")
        if len(set(self.support)) != len(self.support):
            raise CircuitError(f"{self.label} names a wire twice: {self.support}.")
        if any(wire < 0 for wire in self.support):
            raise CircuitError(f"{self.label} names a negative wire: {self.support}; wires start at 0.")
        if (self.matrix is not None) != (self.name == "Unitary"):
            raise CircuitError("A matrix goes with 'Unitary' and with no other gate.")
        if self.matrix is not None:
            _check_unitary(np.array(self.matrix), len(self.wires))

    @property
    def support(self) -> tuple[int, ...]:
        """All wires that the gate touches, controls first."""
        return self.controls + self.wires

    @property
    def label(self) -> str:
        """The gate's usual name, such as ``CNOT``."""
        if len(self.controls) == 1 and self.name in _CONTROLLED_NAMES:
            return _CONTROLLED_NAMES[self.name]
        return "C" * len(self.controls) + self.name

    def __str__(self) -> str:
        inside = ", ".join([str(angle) for angle in self.angles] + [str(wire) for wire in self.support])
        return f"{self.label}({inside})"


def _check_unitary(matrix: np.ndarray, n_wires: int) -> None:
    size = 2**n_wires
    if matrix.shape != (size, size):
        raise CircuitError(f"A unitary on {n_wires} wire(s) is {size}x{size}, got shape {matrix.shape}.")
    worst = float(np.abs(matrix @ matrix.conj().T - np.eye(size)).max())
    if not worst < 1e-6:
        raise CircuitError(f"The matrix is not unitary: U U^dagger differs from the identity by {worst:.2g}.")


def _fixed(name: str, *wires: int) -> Gate:
    return Gate(name, tuple(wires))


def _rotation(name: str, angle: Angle | float, *wires: int) -> Gate:
    return Gate(name, tuple(wires), (as_angle(angle),))


def controlled(gate: Gate, *controls: int) -> Gate:
    """Return ``gate`` with further control wires."""
    return replace(gate, controls=tuple(controls) + gate.controls)


def I(wire: int) -> Gate:  # noqa: E743, N802, D103 - the field's names
    return _fixed("I", wire)


def X(wire: int) -> Gate:  # noqa: N802, D103
    return _fixed("X", wire)


def Y(wire: int) -> Gate:  # noqa: N802, D103
    return _fixed("Y", wire)


def Z(wire: int) -> Gate:  # noqa: N802, D103
    return _fixed("Z", wire)


def H(wire: int) -> Gate:  # noqa: N802
    """Hadamard."""
    return _fixed("H", wire)


def S(wire: int) -> Gate:  # noqa: N802
    """Phase gate, diag(1, i)."""
    return _fixed("S", wire)


def T(wire: int) -> Gate:  # noqa: N802
    """diag(1, exp(i pi/4))."""
    return _fixed("T", wire)


def RX(angle: Angle | float, wire: int) -> Gate:  # noqa: N802
    """exp(-i angle X / 2)."""
    return _rotation("RX", angle, wire)


def RY(angle: Angle | float, wire: int) -> Gate:  # noqa: N802
    """exp(-i angle Y / 2)."""
    return _rotation("RY", angle, wire)


def RZ(angle: Angle | float, wire: int) -> Gate:  # noqa: N802
    """exp(-i angle Z / 2)."""
    return _rotation("RZ", angle, wire)


def PhaseShift(angle: Angle | float, wire: int) -> Gate:  # noqa: N802
    """diag(1, exp(i angle))."""
    return _rotation("PhaseShift", angle, wire)


def U3(theta: Angle | float, phi: Angle | float, lam: Angle | float, wire: int) -> Gate:  # noqa: N802
    """General single-qubit gate, exp(i (phi + lam) / 2) RZ(phi) RY(theta) RZ(lam)."""
    return Gate("U3", (wire,), (as_angle(theta), as_angle(phi), as_angle(lam)))


def CNOT(control: int, target: int) -> Gate:  # noqa: N802
    """X on ``target`` where ``control`` is 1."""
    return controlled(X(target), control)


def CZ(control: int, target: int) -> Gate:  # noqa: N802
    """Z on ``target`` where ``control`` is 1."""
    return controlled(Z(target), control)


def SWAP(first: int, second: int) -> Gate:  # noqa: N802
    """Exchange two wires."""
    return _fixed("SWAP", first, second)


def CSWAP(control: int, first: int, second: int) -> Gate:  # noqa: N802
    """Exchange two wires where ``control`` is 1 (Fredkin)."""
    return controlled(SWAP(first, second), control)


def CRX(angle: Angle | float, control: int, target: int) -> Gate:  # noqa: N802
    """RX on ``target`` where ``control`` is 1."""
    return controlled(RX(angle, target), control)


def CRY(angle: Angle | float, control: int, target: int) -> Gate:  # noqa: N802
    """RY on ``target`` where ``control`` is 1."""
    return controlled(RY(angle, target), control)


def CRZ(angle: Angle | float, control: int, target: int) -> Gate:  # noqa: N802
    """RZ on ``target`` where ``control`` is 1."""
    return controlled(RZ(angle, target), control)


def CPhase(angle: Angle | float, control: int, target: int) -> Gate:  # noqa: N802
    """PhaseShift on ``target`` where ``control`` is 1."""
    return controlled(PhaseShift(angle, target), control)


def IsingXX(angle: Angle | float, first: int, second: int) -> Gate:  # noqa: N802
    """exp(-i angle X X / 2)."""
    return _rotation("IsingXX", angle, first, second)


def IsingYY(angle: Angle | float, first: int, second: int) -> Gate:  # noqa: N802
    """exp(-i angle Y Y / 2)."""
    return _rotation("IsingYY", angle, first, second)


def IsingZZ(angle: Angle | float, first: int, second: int) -> Gate:  # noqa: N802
    """exp(-i angle Z Z / 2)."""
    return _rotation("IsingZZ", angle, first, second)


def Unitary(matrix: np.ndarray, *wires: int) -> Gate:  # noqa: N802
    """A fixed unitary; the first wire is the most significant bit of its rows."""
    rows = tuple(tuple(complex(entry) for entry in row) for row in np.asarray(matrix))
    return Gate("Unitary", tuple(wires), matrix=rows)
