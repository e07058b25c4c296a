"""What an import hands over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.importers.recording import Readout
from hqzoo.quantum.importers.recover import Recovered
from hqzoo.quantum.observables import Observable, Probabilities

__all__ = ["Imported", "entries", "imported", "observables_of"]


class Imported(NamedTuple):
    """A circuit that was written with another library, and where its data and weights were there.

    Args:
        circuit: The circuit.
        data: For ``data[0]``, ``data[1]``, ... of the circuit, what they are in the other library: ``"inputs[3]"``.
        weights: The same for its weights. Entries that no gate depends on are in neither.
    """

    circuit: Circuit
    data: tuple[str, ...]
    weights: tuple[str, ...]


def entries(name: str, shape: Sequence[int]) -> list[str]:
    """Return the entries of an array as one would index them, in the order of its flattened values."""
    if not shape:
        return [name]
    return [f"{name}[{', '.join(map(str, index))}]" for index in product(*map(range, shape))]


def imported(recovered: Recovered, data: Sequence[str], weights: Sequence[str]) -> Imported:
    """Return what was recovered as a circuit alone.

    Args:
        recovered: The circuit with what stands in front of it and behind.
        data: Names of all features.
        weights: Names of all entries of the parameters.

    Raises:
        CircuitError: If something stands in front or behind.
    """
    if recovered.curved:
        raise CircuitError(
            f"The angles of {', '.join(dict.fromkeys(recovered.curved))} are not affine in data and weights. Compute "
            "them in front of the circuit and hand them over as data; hqzoo.accelerate does that for a layer."
        )
    observables = observables_of(recovered.readout)
    circuit = Circuit(recovered.circuit.n_wires, recovered.circuit.gates, observables)
    return Imported(
        circuit,
        tuple(data[index] for index in recovered.data_index),
        tuple(weights[index] for index in recovered.weight_index),
    )


def observables_of(readout: Readout) -> tuple[Observable, ...]:
    """Return a read-out as observables, one after the other.

    Raises:
        CircuitError: If an output is a sum of several.
    """
    return tuple(_plain(readout))


def _plain(readout: Readout) -> Iterable[Observable]:
    first: dict[int, Observable] = {}
    position = 0
    for read in readout.observables:
        first[position] = read
        position += read.n_outputs
    rows = list(readout.rows)
    while rows:
        terms = rows[0][1]
        start = terms[0][0] if len(terms) == 1 else -1
        observable = first.get(start)
        size = 1 if observable is None else observable.n_outputs
        if observable is None or rows[:size] != [(0.0, ((start + k, 1.0),)) for k in range(size)]:
            raise CircuitError(
                f"It reads {_said(rows[0], readout)}; a circuit reads Pauli strings, probabilities and overlaps one by "
                "one. Measure the terms apart, and add them up behind the circuit."
            )
        yield observable
        rows = rows[size:]


def _said(row: tuple[float, tuple[tuple[int, float], ...]], readout: Readout) -> str:
    names = [
        f"P{observable.wires}[{k}]" if isinstance(observable, Probabilities) else f"<{observable}>"
        for observable in readout.observables
        for k in range(observable.n_outputs)
    ]
    constant, terms = row
    return " + ".join([f"{c:g} {names[k]}" for k, c in terms] + [f"{constant:g}"] * bool(constant or not terms))
