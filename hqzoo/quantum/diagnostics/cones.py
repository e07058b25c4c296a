"""The past light cone of every observable: which wires, data and weights can reach it, and which do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from torch import Tensor

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.diagnostics.dependence import dependence
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Observable, Pauli, Probabilities
from hqzoo.quantum.pauli import PauliString, conjugate, from_letters, rotations

__all__ = ["CausalCone", "causal_cones", "reaching_gates"]

Letters = dict[int, frozenset[str]]  # letters that an observable, carried back, may hold on a wire beside the identity

NEGLIGIBLE = 1e-10
MAX_STRINGS = 256
GENERIC = 1.2345  # an angle at which neither sine nor cosine vanishes


@dataclass(frozen=True)
class CausalCone:
    """What an observable depends on.

    Args:
        observable: The observable.
        wires: Wires whose first gates can reach it.
        data: Data that can reach it by the structure of the circuit: an upper bound.
        weights: Weights likewise.
        data_seen: Data on which it does depend, by its derivatives at random points; None where not computed.
        weights_seen: Weights likewise.
    """

    observable: str
    wires: tuple[int, ...]
    data: tuple[int, ...]
    weights: tuple[int, ...]
    data_seen: tuple[int, ...] | None = None
    weights_seen: tuple[int, ...] | None = None


def causal_cones(circuit: Circuit, numeric: bool = True, seed: int = 0) -> tuple[CausalCone, ...]:
    """Return the causal cone of every observable.

    The structural cone carries the observable back (Heisenberg picture) and keeps, for every wire, the Pauli letters
    that it may hold there; a gate is in the cone if it changes any string of such letters. It therefore knows that a
    final CZ does not reach ``<Z>``, but not of cancellations between gates, which the numeric one sees.

    Args:
        circuit: The circuit.
        numeric: Whether to look at derivatives too, as long as that takes seconds.
        seed: Seed of the random points.
    """
    seen = dependence(circuit, list(_columns(circuit)), seed) if numeric else None
    cones = []
    for number, observable in enumerate(circuit.observables):
        gates, letters = _walk_back(circuit, observable)
        data, weights = _inputs(circuit.gates[position] for position in gates)
        numbers = (_numbers(seen[number].data), _numbers(seen[number].weights)) if seen else (None, None)
        cones.append(CausalCone(str(observable), tuple(sorted(letters)), data, weights, *numbers))
    return tuple(cones)


def reaching_gates(circuit: Circuit) -> set[int]:
    """Return the positions of the gates that can reach some observable by the structure of the circuit."""
    return {position for observable in circuit.observables for position in _walk_back(circuit, observable)[0]}


def _walk_back(circuit: Circuit, observable: Observable) -> tuple[list[int], Letters]:
    """Return the gates in an observable's cone, last first, and the letters that reach the initial state."""
    letters = _letters(observable)
    found = []
    for position in range(len(circuit.gates) - 1, -1, -1):
        gate = circuit.gates[position]
        if letters.keys().isdisjoint(gate.support):
            continue
        before = _carry_back(gate, letters)
        if before is not None:
            letters = {**letters, **before}
            found.append(position)
    return found, {wire: held for wire, held in letters.items() if held}


def _letters(observable: Observable) -> Letters:
    if isinstance(observable, Pauli):
        return {wire: frozenset(letter) for letter, wire in zip(observable.letters, observable.wires, strict=True)}
    letters = frozenset("Z" if isinstance(observable, Probabilities) else "XYZ")
    return dict.fromkeys(observable.wires, letters)


def _carry_back(gate: Gate, letters: Letters) -> Letters | None:
    """Return the letters on the gate's wires before the gate, or None if it changes nothing."""
    wires = gate.support
    held = [("I", *sorted(letters.get(wire, ()))) for wire in wires]
    n_strings = 1
    for choices in held:
        n_strings *= len(choices)
    if gate.matrix is not None or n_strings > MAX_STRINGS:
        return dict.fromkeys(wires, frozenset("XYZ"))
    before: dict[int, set[str]] = {wire: set() for wire in wires}
    changed = False
    for choice in product(*held):
        string = from_letters("".join(choice), wires)
        images = _image(gate, string)
        changed |= images != {string}
        for x, z in images:
            for wire in wires:
                letter = "IXZY"[(x >> wire & 1) + 2 * (z >> wire & 1)]
                before[wire] |= {letter} - {"I"}
    return {wire: frozenset(found) for wire, found in before.items()} if changed else None


def _image(gate: Gate, string: PauliString) -> set[PauliString]:
    """Return the strings that a gate makes of one, at generic values of its data and weights."""
    current = {string: 1.0}
    for rotation in reversed(rotations(gate)):
        angle = _generic(rotation.angle)
        following: dict[PauliString, float] = {}
        for pauli, value in current.items():
            mixed = conjugate(rotation.axis, pauli)
            cos, sin = (1.0, 0.0) if mixed is None else (math.cos(angle), math.sin(angle))
            following[pauli] = following.get(pauli, 0.0) + value * cos
            if mixed is not None:
                target, sign = mixed
                following[target] = following.get(target, 0.0) + value * sin * sign
        current = {pauli: value for pauli, value in following.items() if abs(value) > NEGLIGIBLE}
    return set(current)


def _generic(angle: Angle) -> float:
    terms = [c * GENERIC * math.sqrt(i + 1) for i, c in angle.data]
    terms += [c * GENERIC * math.sqrt(j + 1.5) for j, c in angle.weight]
    return sum(terms, angle.constant)


def _inputs(gates: Iterable[Gate]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the data and the weights in the angles of some gates."""
    angles = [angle for gate in gates for angle in gate.angles]
    data = {i for angle in angles for i, _ in angle.data}
    weights = {j for angle in angles for j, _ in angle.weight}
    return tuple(sorted(data)), tuple(sorted(weights))


def _columns(circuit: Circuit) -> Iterator[slice]:
    """Yield the outputs of every observable."""
    start = 0
    for observable in circuit.observables:
        size = 2 ** len(observable.wires) if isinstance(observable, Probabilities) else 1
        yield slice(start, start + size)
        start += size


def _numbers(truth: Tensor) -> tuple[int, ...]:
    return tuple(int(i) for i in truth.nonzero().flatten())
