"""Noise as part of a circuit: every channel becomes gates on fresh wires that nobody reads (Stinespring's theorem).

The enlarged circuit is a circuit like any other. On the ``cone`` engine, which never looks at what no observable sees,
the fresh wires fold into constants: noise then costs little more than the ideal circuit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import CNOT, CRY, CZ, RY, Gate, I
from hqzoo.quantum.noise import Channel, NoiseModel

__all__ = ["dilate", "noisy_steps"]


def noisy_steps(circuit: Circuit, noise: NoiseModel, ideal_tail: int = 0) -> Iterator[tuple[Gate, tuple[Channel, ...]]]:
    """Yield every gate with the channels that act on its wires; identities carry the errors of the readout.

    Args:
        circuit: The circuit.
        noise: The noise.
        ideal_tail: How many of the last gates are free of noise, such as a change of the measured basis.
    """
    noisy = len(circuit.gates) - ideal_tail
    for number, gate in enumerate(circuit.gates):
        yield gate, noise.after(gate) if number < noisy else ()
    if noise.at_readout():
        for wire in sorted({wire for observable in circuit.observables for wire in observable.wires}):
            yield I(wire), noise.at_readout()


def dilate(circuit: Circuit, noise: NoiseModel, ideal_tail: int = 0) -> Circuit:
    """Return a larger circuit without noise that has the expectation values of the noisy one.

    Args:
        circuit: The circuit.
        noise: The noise.
        ideal_tail: How many of the last gates are free of noise.
    """
    gates, n_wires = [], circuit.n_wires
    for gate, channels in noisy_steps(circuit, noise, ideal_tail):
        gates.append(gate)
        for wire in gate.support:
            for channel in channels:
                added = _gates(channel, wire, n_wires)
                gates += added
                n_wires = max(n_wires, *(1 + max(each.support) for each in added))
    return Circuit(n_wires, gates, circuit.observables)


def _gates(channel: Channel, wire: int, fresh: int) -> list[Gate]:
    """Return a channel as gates on its wire and on fresh wires in ``|0>``."""
    p = channel.probability
    match channel.name:
        case "bit_flip":
            return [RY(_angle(p), fresh), CNOT(fresh, wire)]
        case "phase_flip":
            return [RY(_angle(p), fresh), CZ(fresh, wire)]
        case "phase_damping":
            return [CRY(_angle(p), wire, fresh)]
        case "amplitude_damping":
            return [CRY(_angle(p), wire, fresh), CNOT(fresh, wire)]
        case "depolarizing":
            # Two fresh bits say which letter acts: 00 none, 10 X, 01 Z, 11 Y.
            return [*_letter(p / 3, fresh, fresh + 1), CNOT(fresh, wire), CZ(fresh + 1, wire)]
    raise ValueError(f"{channel.name} has no gates.")


def _letter(each: float, first: int, second: int) -> list[Gate]:
    """Bring two wires from 00 to ``sqrt(each)`` times 01, 10 and 11, the rest being 00."""
    alone = _angle(each / (1 - 2 * each)) if each < 1 / 3 else math.pi  # of the second wire, where the first is 0
    return [RY(_angle(2 * each), first), RY(alone, second), CRY(math.pi / 2 - alone, first, second)]


def _angle(probability: float) -> float:
    """Return the angle whose RY makes ``|0>`` a 1 with this probability."""
    return 2 * math.asin(math.sqrt(min(1.0, probability)))
