"""Noise as a value: which channels act on a circuit's qubits, and how strongly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.gates import Gate

__all__ = ["CHANNELS", "IDEAL", "Channel", "NoiseModel"]

Matrices = NDArray[np.float64]

_I, _X, _Z = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
_IY = np.array([[0.0, 1.0], [-1.0, 0.0]])  # iY: the phase of a Kraus operator has no effect, and this one is real
_PAULI = np.stack([_I, _X, -1j * _IY, _Z])


def _mixture(p: float, *flips: Matrices) -> Matrices:
    return np.stack([math.sqrt(1 - p) * _I, *(math.sqrt(p / len(flips)) * flip for flip in flips)])


CHANNELS: dict[str, Callable[[float], Matrices]] = {
    "depolarizing": lambda p: _mixture(p, _X, _IY, _Z),
    "bit_flip": lambda p: _mixture(p, _X),
    "phase_flip": lambda p: _mixture(p, _Z),
    "amplitude_damping": lambda p: np.array([[[1, 0], [0, math.sqrt(1 - p)]], [[0, math.sqrt(p)], [0, 0]]]),
    "phase_damping": lambda p: np.array([[[1, 0], [0, math.sqrt(1 - p)]], [[0, 0], [0, math.sqrt(p)]]]),
}
"""Real Kraus operators ``(k, 2, 2)`` by name and probability. ``depolarizing``: one of X, Y, Z, each with a third of
the probability (complete at 3/4); ``amplitude_damping``: an excited qubit decays with this probability."""


def _check_probability(name: str, value: float, most: float) -> None:
    if not 0.0 <= value <= most:
        raise CircuitError(f"{name}={value}: the probability must be between 0 and {most:g}.")


@dataclass(frozen=True)
class Channel:
    """A noise channel on one qubit.

    Args:
        name: A key of :data:`CHANNELS`.
        probability: In [0, 1].

    Raises:
        CircuitError: If the name is unknown or the probability is none.
    """

    name: str
    probability: float

    def __post_init__(self) -> None:
        if self.name not in CHANNELS:
            raise CircuitError(unknown_name("noise channel", self.name, CHANNELS))
        _check_probability(self.name, self.probability, 1.0)

    def kraus(self) -> Matrices:
        """Return real Kraus operators ``(k, 2, 2)``: ``rho -> sum(K rho K^T)``."""
        return CHANNELS[self.name](self.probability)

    def transfer(self) -> Matrices:
        """Return the channel's ``4 x 4`` matrix on the coefficients of I, X, Y and Z of a density matrix."""
        images = np.einsum("kab,qbc,kdc->qad", self.kraus(), _PAULI, self.kraus())
        return np.asarray(np.einsum("pad,qda->pq", _PAULI, images).real) / 2

    def __str__(self) -> str:
        return f"{self.name}={self.probability:.6g}"


@dataclass(frozen=True)
class NoiseModel:
    """Channels that act after every gate, on each wire that the gate touched, and errors of the readout.

    Where noise acts is a CHOICE: the published circuits are noiseless. Wires are disturbed independently of each other,
    idle wires not at all.

    Args:
        one_qubit: Channels after gates on one wire, in the order of time.
        two_qubit: Channels after gates on two or more wires; None: the same.
        readout: Probability in [0, 1/2] that a measured bit is read wrongly; a Pauli string of ``k`` letters shrinks by
            ``(1 - 2 * readout)^k``.

    Raises:
        CircuitError: If a probability is none.
    """

    one_qubit: tuple[Channel, ...] = ()
    two_qubit: tuple[Channel, ...] | None = None
    readout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "one_qubit", tuple(self.one_qubit))
        same = self.one_qubit if self.two_qubit is None else tuple(self.two_qubit)
        object.__setattr__(self, "two_qubit", same)
        _check_probability("readout", self.readout, 0.5)

    @classmethod
    def of(cls, **probabilities: float | tuple[float, float]) -> NoiseModel:
        """Return a model by names: ``NoiseModel.of(depolarizing=0.01, amplitude_damping=(0.001, 0.01), readout=0.02)``.

        Args:
            probabilities: A probability for each channel, or one for gates on one wire and one for gates on more.

        Raises:
            CircuitError: If a name is unknown or a probability is none.
        """
        readout = probabilities.pop("readout", 0.0)
        if isinstance(readout, tuple):
            raise CircuitError(f"readout={readout}: the readout has a single probability.")
        unknown = [name for name in probabilities if name not in CHANNELS]
        if unknown:
            raise CircuitError(unknown_name("noise channel", unknown[0], (*CHANNELS, "readout")))
        pairs = {name: p if isinstance(p, tuple) else (p, p) for name, p in probabilities.items()}
        one, two = (tuple(Channel(name, pair[k]) for name, pair in pairs.items()) for k in (0, 1))
        return cls(one, two, readout)

    @classmethod
    def parse(cls, texts: str | Iterable[str]) -> NoiseModel:
        """Return the model that texts such as ``depolarizing=0.01`` describe.

        Args:
            texts: ``NAME=P``, or ``NAME=P1,P2`` for gates on one wire and on more, in the order of time; names are
                those of :data:`CHANNELS`, and ``readout``.

        Raises:
            CircuitError: If a text is none of these, or names a channel twice.
        """
        found: dict[str, float | tuple[float, float]] = {}
        for text in [texts] if isinstance(texts, str) else texts:
            name, _, value = (part.strip() for part in text.partition("="))
            if name not in (*CHANNELS, "readout"):
                raise CircuitError(unknown_name("noise channel", name, (*CHANNELS, "readout")))
            if name in found:
                raise CircuitError(f"The noise channel '{name}' is given twice: '{text}'.")
            found[name] = _numbers(text, value)
        return cls.of(**found)

    @property
    def is_ideal(self) -> bool:
        """Whether nothing ever happens."""
        channels = (*self.one_qubit, *(self.two_qubit or ()))
        return not self.readout and not any(channel.probability for channel in channels)

    def after(self, gate: Gate) -> tuple[Channel, ...]:
        """Return the channels that act on each wire of a gate, without those that do nothing."""
        channels = self.one_qubit if len(gate.support) == 1 else self.two_qubit or ()
        return tuple(channel for channel in channels if channel.probability)

    def at_readout(self) -> tuple[Channel, ...]:
        """Return the channel on a measured wire that has the effect of readout errors.

        A bit that is read wrongly shrinks the letter that was measured, whichever it was; that is depolarization.
        """
        return (Channel("depolarizing", 1.5 * self.readout),) if self.readout else ()

    def scaled(self, factor: float) -> NoiseModel:
        """Return the model with all probabilities multiplied.

        Raises:
            CircuitError: If a probability would become larger than it can be.
        """

        def scale(channels: Iterable[Channel]) -> tuple[Channel, ...]:
            return tuple(replace(channel, probability=channel.probability * factor) for channel in channels)

        return NoiseModel(scale(self.one_qubit), scale(self.two_qubit or ()), self.readout * factor)

    def to_dict(self) -> Mapping[str, object]:
        """Return plain types, for JSON."""
        return {
            "one_qubit": {channel.name: channel.probability for channel in self.one_qubit},
            "two_qubit": {channel.name: channel.probability for channel in self.two_qubit or ()},
            "readout": self.readout,
        }

    def __str__(self) -> str:
        one, two = self.one_qubit, self.two_qubit or ()
        readout = [f"readout={self.readout:.6g}"] if self.readout else []
        if [channel.name for channel in one] != [channel.name for channel in two]:
            parts = [f"{channel} after one wire" for channel in one] + [f"{channel} after more" for channel in two]
        else:  # as it is parsed
            pairs = zip(one, two, strict=True)
            parts = [str(a) if a == b else f"{a},{b.probability:.6g}" for a, b in pairs]
        return " ".join(parts + readout) or "none"


def _numbers(text: str, value: str) -> float | tuple[float, float]:
    try:
        numbers = tuple(float(part) for part in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise CircuitError(
            f"'{text}' is no noise channel: give NAME=PROBABILITY such as depolarizing=0.01, or two probabilities, "
            "for gates on one wire and on more: depolarizing=0.001,0.01."
        )
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


IDEAL = NoiseModel()
"""No noise."""
