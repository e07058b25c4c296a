"""Circuits as values: wires, gates, observables, and nothing that runs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from hqzoo.errors import CircuitError
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Observable, PauliSum

__all__ = ["Circuit"]


@dataclass(frozen=True)
class Circuit:
    """An immutable circuit that starts in |0...0> and ends in the expectation values of Pauli strings.

    Circuits hash, compare, pickle and print. Engines run them, and nothing else describes a circuit.

    Args:
        n_wires: Number of qubits.
        gates: Gates in the order of time.
        observables: Pauli strings; their expectation values are the outputs, in this order.

    Attributes:
        n_data: Number of data values per sample.
        n_weights: Number of trainable weights.

    Raises:
        CircuitError: If a gate or observable names a wire outside ``0..n_wires-1``, an index of data or weights is
            missing, or there is nothing to read out.
    """

    n_wires: int
    gates: tuple[Gate, ...]
    observables: tuple[Observable, ...]
    n_data: int = field(init=False, repr=False, compare=False)  # no properties: torch.compile cannot fill their cache
    n_weights: int = field(init=False, repr=False, compare=False)

    def __init__(self, n_wires: int, gates: Iterable[Gate], observables: Iterable[Observable]) -> None:
        object.__setattr__(self, "n_wires", int(n_wires))
        object.__setattr__(self, "gates", tuple(gates))
        object.__setattr__(self, "observables", tuple(observables))
        self._check()
        object.__setattr__(self, "n_data", len(self._used("data")))
        object.__setattr__(self, "n_weights", len(self._used("weight")))

    def _check(self) -> None:
        if self.n_wires < 1:
            raise CircuitError(f"A circuit has at least one wire, got n_wires={self.n_wires}.")
        if not self.observables:
            raise CircuitError("A circuit without observables has no output; give at least one Pauli string.")
        for item, wires in [(g, g.support) for g in self.gates] + [(p, p.wires) for p in self.observables]:
            if max(wires) >= self.n_wires:
                raise CircuitError(f"{item} names wire {max(wires)}; the circuit has wires 0..{self.n_wires - 1}.")
        for kind, used in (("data", self._used("data")), ("weight", self._used("weight"))):
            gaps = sorted(set(range(max(used, default=-1) + 1)) - used)
            if gaps:
                raise CircuitError(f"{kind} indices must run from 0 without gaps; no angle uses {kind}{gaps}.")

    def _used(self, kind: str) -> set[int]:
        return {index for gate in self.gates for angle in gate.angles for index, _ in getattr(angle, kind)}

    @property
    def n_observables(self) -> int:
        """Number of outputs per sample."""
        return sum(observable.n_outputs for observable in self.observables)

    @cached_property
    def outputs(self) -> tuple[PauliSum, ...]:
        """Every output as a sum of Pauli strings, which is all that an engine must understand."""
        return tuple(total for observable in self.observables for total in observable.sums())

    def __str__(self) -> str:
        head = (
            f"Circuit: {self.n_wires} wires, {len(self.gates)} gates, {self.n_data} data, "
            f"{self.n_weights} weights, {self.n_observables} observables"
        )
        body = [f"  {gate}" for gate in self.gates]
        return "\n".join([head, *body, "  read " + ", ".join(f"<{p}>" for p in self.observables)])
