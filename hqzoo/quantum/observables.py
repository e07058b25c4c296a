"""What is read from a circuit: Pauli strings, probabilities, and the overlap of two registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from hqzoo.errors import CircuitError
from hqzoo.quantum.pauli import PauliString, from_letters

__all__ = ["Observable", "Overlap", "Pauli", "PauliSum", "Probabilities", "on_wires"]

PauliSum = tuple[tuple[float, PauliString], ...]
"""Coefficients and Pauli strings; the string ``(0, 0)`` is the identity."""


@dataclass(frozen=True)
class Pauli:
    """A Pauli string such as ``Pauli("Z", 0)`` or ``Pauli("XZ", (0, 3))``; its output is the expectation value.

    Args:
        letters: One of X, Y, Z for every wire.
        wires: The wires, one integer or a sequence without repetition.

    Raises:
        CircuitError: If letters and wires do not fit each other.
    """

    letters: str
    wires: tuple[int, ...]

    def __init__(self, letters: str, wires: int | Sequence[int]) -> None:
        wires = (wires,) if isinstance(wires, int) else tuple(wires)
        if len(letters) != len(wires) or not wires:
            raise CircuitError(f"Pauli('{letters}', {wires}) needs one letter for each of its wires.")
        if set(letters) - set("XYZ"):
            raise CircuitError(f"Pauli('{letters}', {wires}): letters are X, Y and Z.")
        _check_distinct(self, wires)
        pairs = sorted(zip(wires, letters, strict=True))
        object.__setattr__(self, "letters", "".join(letter for _, letter in pairs))
        object.__setattr__(self, "wires", tuple(wire for wire, _ in pairs))

    n_outputs = n_strings = 1

    def sums(self) -> tuple[PauliSum, ...]:
        """Return the one output as a sum of Pauli strings."""
        return (((1.0, from_letters(self.letters, self.wires)),),)

    def __str__(self) -> str:
        return " ".join(f"{letter}{wire}" for letter, wire in zip(self.letters, self.wires, strict=True))


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of all ``2^k`` outcomes of measuring ``k`` wires in the computational basis.

    None is negative, but under zero-noise extrapolation; an impossible outcome may come out as 0 or as a rounding error
    above it. Engines that hold amplitudes know rare outcomes well; ``cone`` computes in double precision for their
    sake. Where density matrices are held (``density``), and on ``cone`` where a device has no double precision (MPS),
    outcomes rarer than about 1e-6 are rounding errors unless ``dtype`` is double.

    Args:
        wires: The wires; the first is the most significant bit of an outcome.

    Raises:
        CircuitError: If there are no wires, or one repeats.
    """

    wires: tuple[int, ...]

    def __init__(self, wires: int | Sequence[int]) -> None:
        wires = (wires,) if isinstance(wires, int) else tuple(wires)
        _check_distinct(self, wires)
        object.__setattr__(self, "wires", wires)

    @property
    def n_outputs(self) -> int:
        """Number of outcomes."""
        return int(2 ** len(self.wires))

    @property
    def n_strings(self) -> int:
        """Number of Pauli strings in all of :meth:`sums` together."""
        return int(4 ** len(self.wires))

    def sums(self) -> tuple[PauliSum, ...]:
        """Return each outcome's projector, a product of ``(1 + Z) / 2`` and ``(1 - Z) / 2``."""
        k = len(self.wires)
        subsets = list(product((0, 1), repeat=k))
        return tuple(
            tuple(
                (
                    (-1.0) ** sum(b * s for b, s in zip(bits, subset, strict=True)) / 2**k,
                    from_letters("".join("IZ"[s] for s in subset), self.wires),
                )
                for subset in subsets
            )
            for bits in subsets
        )

    def __str__(self) -> str:
        return f"probabilities of {self.wires}"


@dataclass(frozen=True)
class Overlap:
    """Expectation value of the swap of two registers: what the ancilla of a SWAP test shows.

    For registers in uncorrelated pure states it is ``|<a|b>|^2``.

    Args:
        wires_a: One register.
        wires_b: The other, as many wires, none of the first.

    Raises:
        CircuitError: If the registers differ in size, are empty, or share a wire.
    """

    wires_a: tuple[int, ...]
    wires_b: tuple[int, ...]

    def __init__(self, wires_a: Sequence[int], wires_b: Sequence[int]) -> None:
        wires_a, wires_b = tuple(wires_a), tuple(wires_b)
        if len(wires_a) != len(wires_b):
            raise CircuitError(f"Overlap({wires_a}, {wires_b}): both registers need the same number of wires.")
        object.__setattr__(self, "wires_a", wires_a)
        object.__setattr__(self, "wires_b", wires_b)
        _check_distinct(self, self.wires)

    n_outputs = 1

    @property
    def n_strings(self) -> int:
        """Number of Pauli strings in :meth:`sums`."""
        return int(4 ** len(self.wires_a))

    @property
    def wires(self) -> tuple[int, ...]:
        """All wires, those of the first register first."""
        return self.wires_a + self.wires_b

    def sums(self) -> tuple[PauliSum, ...]:
        """Return the swap as a sum: ``2^-k`` times all Pauli strings, each on both registers."""
        scale = 2.0 ** -len(self.wires_a)
        letters = ("".join(string) for string in product("IXYZ", repeat=len(self.wires_a)))
        return (tuple((scale, from_letters(string + string, self.wires)) for string in letters),)

    def __str__(self) -> str:
        return f"overlap of {self.wires_a} and {self.wires_b}"


Observable = Pauli | Probabilities | Overlap


def on_wires(observable: Observable, place: Sequence[int] | Mapping[int, int]) -> Observable:
    """Return the observable with every wire ``w`` renamed to ``place[w]``."""

    def moved(wires: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(place[wire] for wire in wires)

    if isinstance(observable, Overlap):
        return Overlap(moved(observable.wires_a), moved(observable.wires_b))
    if isinstance(observable, Probabilities):
        return Probabilities(moved(observable.wires))
    return Pauli(observable.letters, moved(observable.wires))


def _check_distinct(observable: object, wires: tuple[int, ...]) -> None:
    if not wires or len(set(wires)) != len(wires) or min(wires) < 0:
        raise CircuitError(f"{type(observable).__name__} on wires {wires}: wires are distinct and start at 0.")
