"""HQ-JEPA (arXiv 2605.31068): the fidelity of two encoded registers, as a SWAP test and as what it equals.

The paper states layers of rotations, an IsingZZ ring inside each register, predictor layers on the student register, a
SWAP test with one ancilla, and that both registers are built alike (section 3.6, fig. 5). Which rotations, how many
layers and which parameters are shared is a CHOICE.
"""

from __future__ import annotations

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import CSWAP, RY, RZ, Gate, H, IsingZZ
from hqzoo.quantum.observables import Overlap, Pauli

__all__ = ["fidelity", "swap_test"]


def swap_test(n: int = 5, layers: int = 2, predictor_layers: int = 1) -> Circuit:
    """Return the published circuit: ancilla 0, student register 1..n, teacher register n+1..2n; output ``<Z_0>``.

    For registers in pure states ``<Z_0> = |<student|teacher>|^2`` (eq. 16), the output of :func:`fidelity`, which has
    the same data and weights and needs no ancilla.

    Data, in radians: student ``(layer, wire, RY/RZ)``, ``2 * layers * n`` values; teacher likewise; predictor
    ``(layer, wire, RY/RZ)``. Weights: couplings of the encoding rings ``γ[layer, wire]``, shared by both registers,
    then of the predictor rings ``κ[layer, wire]``. Without predictor layers the last ring cancels in the overlap, so
    its couplings have no effect.

    Args:
        n: Qubits of a register, at least 2. CHOICE 5 (the paper draws 11 qubits).
        layers: Encoding layers L. CHOICE 2.
        predictor_layers: Predictor layers P on the student register. CHOICE 1.

    Raises:
        CircuitError: If a register has fewer than 2 qubits, or a number of layers makes no sense.
    """
    student, teacher = list(range(1, n + 1)), list(range(n + 1, 2 * n + 1))
    gates = _registers(student, teacher, layers, predictor_layers)
    gates += [H(0), *(CSWAP(0, a, b) for a, b in zip(student, teacher, strict=True)), H(0)]
    return Circuit(2 * n + 1, gates, [Pauli("Z", 0)])


def fidelity(n: int = 5, layers: int = 2, predictor_layers: int = 1) -> Circuit:
    """Return the exact equal of :func:`swap_test`: student 0..n-1, teacher n..2n-1, and their overlap as output.

    Args:
        n: Qubits of a register.
        layers: Encoding layers.
        predictor_layers: Predictor layers on the student register.

    Raises:
        CircuitError: As :func:`swap_test`.
    """
    student, teacher = list(range(n)), list(range(n, 2 * n))
    gates = _registers(student, teacher, layers, predictor_layers)
    return Circuit(2 * n, gates, [Overlap(student, teacher)])


def _registers(student: list[int], teacher: list[int], layers: int, predictor_layers: int) -> list[Gate]:
    n = len(student)
    if n < 2 or layers < 1 or predictor_layers < 0:
        raise CircuitError(
            f"n={n}, layers={layers}, predictor_layers={predictor_layers}: a register needs at least 2 qubits and one "
            "layer, and the number of predictor layers is not negative."
        )
    gates = []
    for register, first in ((student, 0), (teacher, 2 * layers * n)):
        for layer in range(layers):
            gates += _layer(register, first + 2 * n * layer, n * layer)
    for layer in range(predictor_layers):
        gates += _layer(student, 4 * layers * n + 2 * n * layer, n * (layers + layer))
    return gates


def _layer(register: list[int], first_data: int, first_weight: int) -> list[Gate]:
    """RY and RZ on every qubit, then the IsingZZ ring."""
    gates = []
    for i, wire in enumerate(register):
        gates += [RY(feature(first_data + 2 * i), wire), RZ(feature(first_data + 2 * i + 1), wire)]
    ring = register[1:] + register[:1]
    return gates + [
        IsingZZ(weight(first_weight + i), a, b) for i, (a, b) in enumerate(zip(register, ring, strict=True))
    ]
