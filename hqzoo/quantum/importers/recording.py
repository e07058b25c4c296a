"""What a foreign layer did when it ran once: gates with the numbers of their angles, and what it read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from hqzoo.errors import CircuitError
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Observable, Overlap, Pauli, Probabilities

__all__ = ["Foreign", "Readout", "RecordedGate", "Recording", "controlled", "inverse", "without_phases"]

Foreign = Any
"""Values of libraries without type hints."""
Matrix = tuple[tuple[complex, ...], ...]
PHASE = "phase"  # exp(i angle) on everything: seen by nobody until it is controlled
_NEGATED = {"RX", "RY", "RZ", "PhaseShift", "IsingXX", "IsingYY", "IsingZZ", PHASE}


@dataclass(frozen=True)
class RecordedGate:
    """A gate of :mod:`hqzoo.quantum.gates`, or a global phase, whose angles are the numbers of one run.

    Args:
        name: Base gate, or ``"phase"``.
        wires: Wires of the base gate.
        values: Angles in radians, tensors of one element or numbers.
        controls: Wires that must be 1.
        matrix: Rows of a fixed unitary, for ``Unitary`` only.
    """

    name: str
    wires: tuple[int, ...]
    values: tuple[Any, ...] = ()
    controls: tuple[int, ...] = ()
    matrix: Matrix | None = None

    @property
    def structure(self) -> tuple[Any, ...]:
        """Everything but the numbers of the angles."""
        return self.name, self.wires, len(self.values), self.controls, self.matrix


@dataclass(frozen=True)
class Readout:
    """Outputs as sums of what a circuit reads.

    Args:
        observables: What is read.
        rows: For every output its constant and pairs ``(number of the reading, coefficient)``.
    """

    observables: tuple[Observable, ...]
    rows: tuple[tuple[float, tuple[tuple[int, float], ...]], ...]

    @classmethod
    def collect(cls, parts: Iterable[Probabilities | Overlap | list[tuple[float, Pauli | None]]]) -> Readout:
        """Build from measurements in order: probabilities, overlaps, sums of Pauli strings (None is the identity)."""
        observables: list[Observable] = []
        first: dict[Observable, int] = {}
        rows: list[tuple[float, tuple[tuple[int, float], ...]]] = []
        size = 0
        for part in parts:
            terms = part if isinstance(part, list) else [(1.0, part)]
            constant = sum(c for c, observable in terms if observable is None)
            entries = []
            for coefficient, observable in terms:
                if observable is None:
                    continue
                if observable not in first:
                    first[observable] = size
                    observables.append(observable)
                    size += observable.n_outputs
                entries.append((first[observable], coefficient))
            if isinstance(part, Probabilities):
                rows += [(0.0, ((entries[0][0] + k, 1.0),)) for k in range(2 ** len(part.wires))]
            else:
                rows.append((float(constant), tuple(entries)))
        return cls(tuple(observables), tuple(rows))

    @property
    def is_plain(self) -> bool:
        """Whether the outputs are the readings, in order."""
        return all(row == (0.0, ((k, 1.0),)) for k, row in enumerate(self.rows))


@dataclass(frozen=True)
class Recording:
    """One run of a layer on one sample."""

    n_wires: int
    gates: tuple[RecordedGate, ...]
    readout: Readout

    @property
    def structure(self) -> tuple[Any, ...]:
        """Everything but the numbers of the angles."""
        return self.n_wires, tuple(gate.structure for gate in self.gates), self.readout

    def numbers(self, like: Tensor) -> list[Tensor]:
        """Return the angles of all gates, in order, each of shape ``()``.

        Raises:
            CircuitError: If an angle is not one number.
        """
        numbers = []
        for gate in self.gates:
            for value in gate.values:
                number = value.to(like.dtype) if isinstance(value, Tensor) else like.new_tensor(float(value))
                if number.numel() != 1:
                    raise CircuitError(
                        f"The angle of {gate.name} on wires {gate.wires} has shape {tuple(number.shape)} for one "
                        "sample; every angle must be one number per sample."
                    )
                numbers.append(number.reshape(()))
        return numbers


def controlled(gate: RecordedGate, controls: tuple[int, ...]) -> RecordedGate:
    """Return the gate with further controls; a phase becomes a gate."""
    if gate.name != PHASE:
        return replace(gate, controls=controls + gate.controls)
    return RecordedGate("PhaseShift", controls[-1:], gate.values, controls[:-1])


def inverse(gate: RecordedGate) -> RecordedGate:
    """Return the inverse gate."""
    if gate.name in _NEGATED:
        return replace(gate, values=tuple(-value for value in gate.values))
    if gate.name == "U3":
        theta, phi, lam = gate.values
        return replace(gate, values=(-theta, -lam, -phi))
    if gate.name in ("S", "T"):
        return replace(gate, name="PhaseShift", values=(-math.pi / (2 if gate.name == "S" else 4),))
    if gate.matrix is not None:
        return replace(gate, matrix=tuple(tuple(z.conjugate() for z in column) for column in zip(*gate.matrix)))  # noqa: B905
    return gate


def without_phases(gates: Iterable[RecordedGate]) -> tuple[RecordedGate, ...]:
    """Drop global phases and identities, which no observable sees."""
    return tuple(gate for gate in gates if gate.name not in (PHASE, "I"))


def as_gate(gate: RecordedGate, angles: tuple[Any, ...]) -> Gate:
    """Return the gate with affine angles in place of numbers."""
    return Gate(gate.name, gate.wires, angles, gate.controls, gate.matrix)
