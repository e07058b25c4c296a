"""QuFeX: the pooling-free quantum filter at the bottleneck of Qu-Net (arXiv 2501.13165)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import CNOT, CZ, RX, RY, RZ, Gate, H
from hqzoo.quantum.observables import Pauli

__all__ = ["qufex"]

Rotation = Callable[[Angle, int], Gate]

# kind: rotations of U1 (a0, a1) and of U2 (b0, b1), and the letter that is read
_KINDS: dict[int, tuple[tuple[Rotation, Rotation], tuple[Rotation, Rotation], str]] = {
    1: ((RX, RZ), (RX, RY), "Z"),
    2: ((RY, RX), (RZ, RX), "X"),
}


def qufex(n_qubits: int = 4, kind: Literal[1, 2] = 1, n_layers: int = 1, angle_scale: float = math.pi) -> Circuit:
    """Return a filter of QuFeX, laid out as in the authors' own code for their PH2 experiments.

    Encoding (kind 1: ``RY(π x_i)``; kind 2: ``H`` and ``RZ(π x_i)``); U1, a sweep of two shared rotations and a CNOT
    over even, then odd neighbours; V1, CZ on even neighbours; U2 and V2, the same on wires 0, 2, 4, ... only. No qubit
    is discarded. Data: one value a wire (row, column, channel of the patch; channel fastest). Weights: a0 a1 b0 b1 of
    each layer, whatever the number of qubits. Outputs: ``<Z_i>`` (kind 1) or ``<X_i>`` (kind 2) of every wire.

    In kind 1 the last V2 commutes with everything that is read: it changes no output.

    Args:
        n_qubits: Values of a patch; even, at least 4.
        kind: The authors' filter 1 or 2. A re-implementation by others reads Z in filter 2: the authors read X.
        n_layers: Repetitions of U1 V1 U2 V2, each with weights of its own, after one encoding. CHOICE 1, the
            published circuit; no source repeats it.
        angle_scale: Radians per unit of the data, π as published.

    Raises:
        CircuitError: If ``kind`` is not 1 or 2, the number of qubits is odd or below 4, or there is no layer.
    """
    if kind not in _KINDS:
        raise CircuitError(f"kind={kind!r} is not one of 1, 2.")
    if n_qubits < 4 or n_qubits % 2 or n_layers < 1:
        raise CircuitError(
            f"n_qubits={n_qubits}, n_layers={n_layers}: QuFeX takes an even number of at least 4 qubits, "
            "and at least one layer."
        )
    first, second, letter = _KINDS[kind]
    gates = [H(wire) for wire in range(n_qubits)] if kind == 2 else []
    gates += [(RY if kind == 1 else RZ)(angle_scale * feature(wire), wire) for wire in range(n_qubits)]
    wires = list(range(n_qubits))
    coarse = wires[0 : 4 * (n_qubits // 4) : 2]  # wires 4i and 4i + 2
    for layer in range(n_layers):
        gates += _convolution(wires, first, 4 * layer) + _pooling(wires)
        gates += _convolution(coarse, second, 4 * layer + 2) + _pooling(coarse)
    return Circuit(n_qubits, gates, [Pauli(letter, wire) for wire in wires])


def _pairs(wires: list[int]) -> list[tuple[int, int]]:
    return list(zip(wires[::2], wires[1::2], strict=True))


def _convolution(wires: list[int], rotations: tuple[Rotation, Rotation], offset: int) -> list[Gate]:
    gates = []
    for left, right in _pairs(wires) + _pairs(wires[1:-1]):
        gates += [rotations[0](weight(offset), left), rotations[1](weight(offset + 1), right), CNOT(left, right)]
    return gates


def _pooling(wires: list[int]) -> list[Gate]:
    return [CZ(left, right) for left, right in _pairs(wires)]
