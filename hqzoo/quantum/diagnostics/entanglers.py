"""Gates as the CNOTs that hardware runs; what happens on single qubits between them costs next to nothing."""

from __future__ import annotations

from hqzoo.errors import CircuitError
from hqzoo.quantum.gates import Gate

__all__ = ["Pair", "entanglers"]

Pair = tuple[int, int]


def entanglers(gate: Gate) -> list[Pair]:
    """Return the pairs of wires of the CNOTs (or CZs, which differ by single-qubit gates) that make a gate.

    No ancilla is used. A rotation with m controls takes ``2^m`` CNOTs (uniformly controlled rotation), a phase on k
    qubits ``2^k - 2``, so a Toffoli 6; a controlled U3 takes 2, or with m > 1 controls ``3 * 2^m - 3`` (Bergholm et
    al. 2005, arXiv quant-ph/0410066); a SWAP 3, an Ising rotation 2, any fixed unitary on two wires 3.

    Raises:
        CircuitError: If the gate is a ``Unitary`` on three or more wires, whose count depends on its entries.
    """
    controls, wires = gate.controls, gate.wires
    if gate.matrix is not None:
        if len(gate.support) > 2:
            raise CircuitError(
                f"What a Unitary on the {len(gate.support)} wires {gate.support} costs on hardware is not known; "
                "write it as a product of other gates."
            )
        return [(gate.support[0], gate.support[1])] * 3 if len(gate.support) == 2 else []
    target = wires[-1]
    match gate.name:
        case "SWAP":
            a, b = wires
            if not controls:
                return [(a, b), (b, a), (a, b)]
            return [(b, a), *_phase((*controls, a, b)), (b, a)]
        case "IsingXX" | "IsingYY" | "IsingZZ":
            pair = (wires[0], target)
            return [pair, *_rotation(controls, target), pair]
    if not controls or gate.name == "I":
        return []
    if gate.name in ("X", "Y", "Z", "H") and len(controls) == 1:
        return [(controls[0], target)]
    if gate.name in ("RX", "RY", "RZ"):
        return _rotation(controls, target)
    if gate.name == "U3":
        if len(controls) == 1:
            return [(controls[0], target)] * 2
        return [*_rotation(controls, target)[:-1], *_phase((*controls, target))]
    return _phase((*controls, target))


def _rotation(controls: tuple[int, ...], target: int) -> list[Pair]:
    """Return a rotation of the target with any angle for each state of the controls: CNOTs along a Gray code."""
    if not controls:
        return []
    count = 2 ** len(controls)
    changed = [(k & -k).bit_length() - 1 for k in range(1, count)]  # the bit that changes at step k
    return [(controls[bit], target) for bit in [*changed, len(controls) - 1]]


def _phase(wires: tuple[int, ...]) -> list[Pair]:
    """Return a diagonal gate: a controlled RZ on the last wire, and a diagonal gate on the others."""
    if len(wires) < 2:
        return []
    return [*_rotation(wires[:-1], wires[-1]), *_phase(wires[:-1])]
