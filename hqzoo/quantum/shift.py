"""Parameter-shift rules: exact derivatives of expectation values from values at other angles.

A gate ``exp(-i a G)`` makes expectation values trigonometric polynomials in ``a`` whose frequencies are differences of
eigenvalues of ``G``; values at as many pairs of shifted angles as there are frequencies give the derivative (Wierichs
et al., Quantum 6, 677, 2022). Unlike finite differences the shifts are large, so shot noise is not magnified; and as
gates stay gates, noise acts where it did.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from hqzoo.quantum.angles import Angle, feature
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.affine import AffineAngles
from hqzoo.quantum.gates import Gate

__all__ = ["GateAngles", "ShiftRule", "shift_rule"]

ShiftRule = tuple[tuple[float, float], ...]
"""Pairs ``(c, s)``: the derivative is ``sum(c * f(a + s))``."""

# Frequency 1: two eigenvalues, 1 apart.
TWO_TERMS: ShiftRule = ((0.5, math.pi / 2), (-0.5, -math.pi / 2))
# Frequencies 1/2 and 1: eigenvalues -1/2, 0 and 1/2.
_NEAR, _FAR = ((math.sqrt(2) + sign) / (4 * math.sqrt(2)) for sign in (1, -1))
FOUR_TERMS: ShiftRule = (
    (_NEAR, math.pi / 2),
    (-_NEAR, -math.pi / 2),
    (-_FAR, 3 * math.pi / 2),
    (_FAR, -3 * math.pi / 2),
)


def shift_rule(gate: Gate, place: int) -> ShiftRule:
    """Return the rule for one angle of a gate.

    With controls, a Pauli rotation acts on a part of the states alone: ``m`` controls make it ``2^m`` commuting
    rotations (:func:`hqzoo.quantum.pauli.rotations`), whose signs add up to eigenvalues 0 and ±1/2. Phases have the
    eigenvalues 0 and 1, however many controls they have.

    Args:
        gate: The gate.
        place: Which of its angles.
    """
    is_phase = gate.name == "PhaseShift" or (gate.name == "U3" and place > 0)
    return FOUR_TERMS if gate.controls and not is_phase else TWO_TERMS


class GateAngles(AffineAngles):
    """All angles of gates that are not constant, each on its own, and the circuit that takes them as its data.

    Args:
        circuit: The circuit.
        dtype: Precision.

    Attributes:
        circuit: The circuit whose data are these angles; it has no weights.
        rules: Shift rule of each angle.
    """

    def __init__(self, circuit: Circuit, dtype: torch.dtype) -> None:
        angles: list[Angle] = []
        gates: list[Gate] = []
        rules: list[ShiftRule] = []
        for gate in circuit.gates:
            inputs = list(gate.angles)
            for place, angle in enumerate(gate.angles):
                if not angle.is_constant:
                    inputs[place] = feature(len(angles))
                    angles.append(angle)
                    rules.append(shift_rule(gate, place))
            gates.append(replace(gate, angles=tuple(inputs)))
        super().__init__(angles, circuit, dtype)
        self.circuit = Circuit(circuit.n_wires, gates, circuit.observables)
        self.rules = tuple(rules)

    def needed(self, of_data: bool, of_weights: bool) -> list[int]:
        """Return the angles that depend on data or weights, whichever is asked for."""
        depends = torch.zeros(len(self.rules), dtype=torch.bool, device=self.offset.device)
        for asked, matrix in ((of_data, self.of_data), (of_weights, self.of_weights)):
            if asked:
                depends |= (matrix != 0).any(0)
        return [int(k) for k in depends.nonzero().flatten()]
