"""Quanvolution (Henderson et al. 2019, arXiv 1904.04767): a random circuit as a fixed convolution filter."""

from __future__ import annotations

import math
from itertools import combinations
from random import Random

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle, as_angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import CNOT, RX, RY, RZ, SWAP, U3, Gate, H, IsingXX, IsingYY, IsingZZ, S, T, controlled
from hqzoo.quantum.observables import Pauli

__all__ = ["quanvolution"]


def quanvolution(
    size: int = 3,
    seed: int = 0,
    connection: float = 0.5,
    trainable: bool = False,
    angle_scale: float = math.pi,
) -> Circuit:
    """Return a random filter over a window of ``size * size`` pixels, one qubit each.

    As in the paper's algorithm, every pair of qubits is joined with some probability by a gate drawn from CNOT, SWAP,
    √SWAP and controlled U; a number of one-qubit gates between 0 and ``2 size^2`` is drawn from RX, RY, RZ, U, P
    (here S), T and H; all of them are put into random order, angles uniform in [0, 2π]. Data: the pixels, row by row.
    Weights: none, or all drawn angles when ``trainable``. Outputs: ``<Z_q>`` of every pixel's qubit.

    The paper encodes a pixel above a threshold as |1>: hand over 0 and 1, which ``RY(π x)`` turns into |0> and |1>
    exactly. It decodes the most likely outcome as its number of ones; the expected number of ones is
    ``sum over q of (1 - <Z_q>) / 2``.

    Args:
        size: Side of the window. CHOICE 3, the paper's experiments.
        seed: Which random filter; the same on every platform.
        connection: Probability that a pair of qubits is joined. The paper gives every pair a
            random probability of its own: CHOICE 0.5 for all, their mean.
        trainable: Whether the drawn angles are weights. The paper keeps them fixed: CHOICE False.
        angle_scale: Radians per unit of the data. CHOICE π, so that 0 and 1 are the paper's two states; values in
            between are what later work feeds in.

    Raises:
        CircuitError: If the window has no pixel or the probability lies outside [0, 1].
    """
    if size < 1 or not 0.0 <= connection <= 1.0:
        raise CircuitError(
            f"size={size}, connection={connection}: a window has at least one pixel, a probability lies in [0, 1]."
        )
    n = size**2
    random = Random(seed)
    drawn = _shuffled(_draw(n, connection, random), random)
    gates = [RY(angle_scale * feature(wire), wire) for wire in range(n)]
    used = 0
    for name, wires, values in drawn:
        angles = [weight(used + k) for k in range(len(values))] if trainable else [as_angle(v) for v in values]
        gates += _build(name, wires, angles)
        used += len(values)
    return Circuit(n, gates, [Pauli("Z", wire) for wire in range(n)])


Drawn = tuple[str, tuple[int, ...], tuple[float, ...]]

_PAIRS = {"CNOT": 0, "SWAP": 0, "SqrtSWAP": 0, "CU": 3}  # number of angles
_SINGLES = {"RX": 1, "RY": 1, "RZ": 1, "U": 3, "P": 0, "T": 0, "H": 0}


def _draw(n: int, connection: float, random: Random) -> list[Drawn]:
    """Draw gates; only ``Random.random`` is used, which Python promises never to change."""

    def one(names: dict[str, int], wires: tuple[int, ...]) -> Drawn:
        name = list(names)[int(random.random() * len(names))]
        return name, wires, tuple(2 * math.pi * random.random() for _ in range(names[name]))

    gates = []
    for a, b in combinations(range(n), 2):
        if random.random() < connection:
            gates.append(one(_PAIRS, (a, b) if random.random() < 0.5 else (b, a)))
    for _ in range(int(random.random() * (2 * n + 1))):
        gates.append(one(_SINGLES, (int(random.random() * n),)))
    return gates


def _shuffled(gates: list[Drawn], random: Random) -> list[Drawn]:
    order = [random.random() for _ in gates]
    return [gates[k] for k in sorted(range(len(gates)), key=order.__getitem__)]


def _build(name: str, wires: tuple[int, ...], angles: list[Angle]) -> list[Gate]:
    if name in ("RX", "RY", "RZ"):
        return [{"RX": RX, "RY": RY, "RZ": RZ}[name](angles[0], *wires)]
    if name in ("P", "T", "H"):
        return [{"P": S, "T": T, "H": H}[name](*wires)]
    if name == "U":
        return [U3(angles[0], angles[1], angles[2], wires[0])]
    if name == "CU":
        return [controlled(U3(angles[0], angles[1], angles[2], wires[1]), wires[0])]
    if name == "SqrtSWAP":  # exp(-i π/8 (XX + YY + ZZ)) up to a phase
        return [ising(math.pi / 4, *wires) for ising in (IsingXX, IsingYY, IsingZZ)]
    return [{"CNOT": CNOT, "SWAP": SWAP}[name](*wires)]
