"""A circuit without entanglement: data and weights in their places, qubits on their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Overlap, Pauli, on_wires
from hqzoo.quantum.swap_tests import tested_pairs

__all__ = ["separable"]

_SYMMETRIC = {"IsingXX": "RX", "IsingYY": "RY", "IsingZZ": "RZ"}


def separable(circuit: Circuit) -> Circuit:
    """Return the circuit's product-state twin: as many wires, data, weights and outputs, and no gate on two wires.

    Every state is a product of one-qubit states. What becomes of a gate on several wires is a CHOICE, since no paper
    states it:

    * One that carries an angle turns into rotations by the same angle, so that data and weights keep their places: a
      controlled gate acts on its target without asking (``CRY(θ)`` becomes ``RY(θ)``, a controlled U3 that U3). Gates
      that look alike from each of their wires act on each: ``IsingZZ(θ)`` becomes ``RZ(θ)`` on both, a controlled
      ``PhaseShift(θ)`` a ``PhaseShift(θ)`` on controls and target.
    * One without an angle (CNOT, CZ, Toffoli, a fixed unitary, a controlled SWAP) is left out.
    * ``SWAP`` entangles nothing: it renames wires, and later gates and observables follow.
    * A SWAP test becomes what it measures, the overlap of its registers: now the product of the overlaps of single
      qubits. Its ancilla is left idle.

    An output sees no wires but those that it reads. So data or weights that only entanglement carries there have no
    effect: in ``qcnn``, read on one wire, the data of all others; in ``coqcnn``, read on the ancilla, all data.

    Args:
        circuit: Any circuit.
    """
    circuit = _without_tests(circuit)
    place = list(range(circuit.n_wires))
    gates: list[Gate] = []
    for gate in circuit.gates:
        if gate.name == "SWAP" and not gate.controls:
            a, b = gate.wires
            place[a], place[b] = place[b], place[a]
        else:
            gates += [replace(each, wires=(place[each.wires[0]],)) for each in _local(gate)]
    return Circuit(circuit.n_wires, gates, [on_wires(each, place) for each in circuit.observables])


def _local(gate: Gate) -> Iterator[Gate]:
    """Yield what stands for a gate, each on one wire."""
    if len(gate.support) == 1:
        yield gate
    elif gate.name in _SYMMETRIC:
        for wire in gate.wires:
            yield Gate(_SYMMETRIC[gate.name], (wire,), gate.angles)
    elif gate.name == "PhaseShift":
        for wire in gate.support:
            yield Gate(gate.name, (wire,), gate.angles)
    elif gate.angles:
        yield replace(gate, controls=())


def _without_tests(circuit: Circuit) -> Circuit:
    """Return an equal circuit whose SWAP tests have become overlaps, with all its wires."""
    for ancilla in range(circuit.n_wires):
        pairs = tested_pairs(circuit, ancilla)
        if pairs:
            gates = [gate for gate in circuit.gates if ancilla not in gate.support]
            overlap = Overlap(*zip(*pairs, strict=True))
            read = [overlap if each == Pauli("Z", ancilla) else each for each in circuit.observables]
            circuit = Circuit(circuit.n_wires, gates, read)
    return circuit
