"""Observables as one line of text, for formats that have no word for them."""

from __future__ import annotations

import re

from hqzoo.errors import CircuitError
from hqzoo.quantum.observables import Observable, Overlap, Pauli, Probabilities

__all__ = ["observable_from_text", "observable_to_text"]

_WIRE = re.compile(r"q\[(\d+)\]")


def observable_to_text(observable: Observable) -> str:
    """Return ``expectation X q[0], Z q[3]``, ``probabilities q[0], q[1]`` or ``overlap q[0] with q[1]``."""
    if isinstance(observable, Pauli):
        pairs = zip(observable.letters, observable.wires, strict=True)
        return "expectation " + ", ".join(f"{letter} q[{wire}]" for letter, wire in pairs)
    if isinstance(observable, Probabilities):
        return "probabilities " + _wires(observable.wires)
    return f"overlap {_wires(observable.wires_a)} with {_wires(observable.wires_b)}"


def observable_from_text(text: str) -> Observable:
    """Return the observable that :func:`observable_to_text` wrote.

    Raises:
        CircuitError: If the text is none of the three forms.
    """
    kind, _, rest = text.strip().partition(" ")
    parts = [part.strip() for part in rest.split(",")]
    if kind == "expectation" and all(re.fullmatch(r"[XYZ] q\[\d+\]", part) for part in parts):
        return Pauli("".join(part[0] for part in parts), _indices(rest))
    if kind == "probabilities" and all(_WIRE.fullmatch(part) for part in parts):
        return Probabilities(_indices(rest))
    first, joined, second = rest.partition(" with ")
    if kind == "overlap" and joined:
        return Overlap(_indices(first), _indices(second))
    raise CircuitError(
        f"'{text.strip()}' names no observable. Known: 'expectation X q[0], Z q[3]', 'probabilities q[0], q[1]', "
        "'overlap q[0], q[1] with q[2], q[3]'."
    )


def _wires(wires: tuple[int, ...]) -> str:
    return ", ".join(f"q[{wire}]" for wire in wires)


def _indices(text: str) -> tuple[int, ...]:
    return tuple(int(index) for index in _WIRE.findall(text))
