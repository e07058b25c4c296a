"""SWAP tests and what they measure: the ancilla's <Z> is the expectation value of the swap of two registers."""

from __future__ import annotations

from dataclasses import replace

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Observable, Overlap, Pauli, on_wires

__all__ = ["fold_swap_tests", "tested_pairs"]


def fold_swap_tests(circuit: Circuit) -> Circuit:
    """Return an equal circuit in which every SWAP test at the end has become an ``Overlap``.

    A SWAP test is an ancilla with H, controlled swaps of disjoint pairs and H, of which Z is read. In the Heisenberg
    picture ``H Z H = X``, the controlled swaps carry ``X`` to ``X`` times the swap of the registers, and the ancilla's
    ``<X>`` before them is 1. So the ancilla can go, and the two registers, no longer joined by it, stay apart.

    A test is left alone if its registers are touched or read after it.
    """
    for ancilla in range(circuit.n_wires):
        pairs = tested_pairs(circuit, ancilla)
        if pairs:
            return fold_swap_tests(_folded(circuit, ancilla, pairs))
    return circuit


def tested_pairs(circuit: Circuit, ancilla: int) -> list[tuple[int, int]]:
    """Return the pairs of wires that an ancilla swaps, or nothing if it makes no SWAP test."""
    own = [gate for gate in circuit.gates if ancilla in gate.support]
    swaps = own[1:-1]
    if not swaps or own[0] != _hadamard(ancilla) or own[-1] != _hadamard(ancilla):
        return []
    if any(gate.name != "SWAP" or gate.controls != (ancilla,) for gate in swaps):
        return []
    wires = {wire for gate in swaps for wire in gate.wires}
    if len(wires) != 2 * len(swaps):
        return []
    last = {wire: gate for gate in circuit.gates for wire in gate.support if wire in wires}
    if any(gate not in swaps for gate in last.values()):
        return []
    read = [observable for observable in circuit.observables if {ancilla, *wires} & set(observable.wires)]
    if not read or any(observable != Pauli("Z", ancilla) for observable in read):
        return []
    return [(gate.wires[0], gate.wires[1]) for gate in swaps]


def _hadamard(wire: int) -> Gate:
    return Gate("H", (wire,))


def _folded(circuit: Circuit, ancilla: int, pairs: list[tuple[int, int]]) -> Circuit:
    number = {old: new for new, old in enumerate(wire for wire in range(circuit.n_wires) if wire != ancilla)}

    def moved(wires: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(number[wire] for wire in wires)

    def read(observable: Observable) -> Observable:
        if observable == Pauli("Z", ancilla):
            return Overlap(*(moved(register) for register in zip(*pairs, strict=True)))
        return on_wires(observable, number)

    gates = [
        replace(gate, wires=moved(gate.wires), controls=moved(gate.controls))
        for gate in circuit.gates
        if ancilla not in gate.support
    ]
    return Circuit(circuit.n_wires - 1, gates, [read(observable) for observable in circuit.observables])
