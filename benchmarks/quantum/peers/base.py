"""What a peer is, and what peers share: angles, registers, and programs on torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:  # the list of peers must not load torch
    from benchmarks.quantum.cases import Inputs
    from hqzoo.quantum import Circuit, Gate
    from hqzoo.quantum.angles import Angle

__all__ = ["Peer", "Program", "TorchProgram", "Unsupported", "evaluate", "paulis", "registers"]

Method = Literal["state vector", "exact"]


class Unsupported(Exception):  # noqa: N818 - a finding that goes into the table, not a mistake
    """The peer cannot compute this case; the message says why."""


class Program(ABC):
    """One circuit on one peer, compiled as far as the peer compiles.

    ``forward`` and ``step`` return once everything has been computed.
    """

    @abstractmethod
    def load(self, given: Inputs) -> None:
        """Put the inputs where the peer computes."""

    @abstractmethod
    def forward(self) -> Any:  # noqa: ANN401 - arrays of the peer's own kind
        """Return the outputs ``(B, n_observables)``."""

    @abstractmethod
    def step(self) -> tuple[Any, Any, Any]:
        """Return the outputs and the gradients of data ``(B, n_data)`` and weights ``(n_weights,)``."""

    def numpy(self, array: Any) -> np.ndarray:  # noqa: ANN401
        """Return an array of the peer's as one of NumPy's."""
        return np.asarray(array)


class TorchProgram(Program):
    """A torch function ``(data, weights) -> outputs`` that autograd differentiates.

    Args:
        function: The function.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, function: Callable[[Any, Any], Any], device: str = "cpu") -> None:
        self.function, self.device = function, device

    def load(self, given: Inputs) -> None:
        """Put the inputs on the device; data and weights ask for gradients."""
        import torch

        self.data, self.weights, self.cotangent = (
            torch.from_numpy(array.copy()).to(self.device) for array in (given.data, given.weights, given.cotangent)
        )
        self.data.requires_grad_()
        self.weights.requires_grad_()

    def forward(self) -> Any:  # noqa: ANN401
        """Run without recording."""
        import torch

        with torch.no_grad():
            return self._done(self.function(self.data, self.weights))

    def step(self) -> tuple[Any, Any, Any]:
        """Run and differentiate."""
        import torch

        outputs = self.function(self.data, self.weights)
        cotangent = self.cotangent.to(outputs.dtype)
        return self._done((outputs, *torch.autograd.grad(outputs, (self.data, self.weights), cotangent)))

    def _done(self, result: Any) -> Any:  # noqa: ANN401
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return result

    def numpy(self, array: Any) -> np.ndarray:  # noqa: ANN401
        """Return a tensor's numbers."""
        result: np.ndarray = array.detach().cpu().numpy()
        return result


@dataclass(frozen=True)
class Peer:
    """A simulator as a row of the table.

    Args:
        name: What it is called on the command line and in the results.
        method: ``state vector`` if it holds all 2^n amplitudes; ``exact`` if it may get by with less.
        build: Returns the program of a circuit on a device (``cpu`` or ``cuda``); raises :class:`Unsupported`.
        imports: Modules that it needs; they are loaded before memory is measured.
        packages: Distributions whose versions go into the results.
        install: What to give to ``pip install``.
        how: How it is written here, in one sentence.
        min_runs: Timed calls at least.
        ours: Whether it is this repository's own.
    """

    name: str
    method: Method
    build: Callable[[Circuit, str], Program]
    imports: tuple[str, ...]
    packages: tuple[str, ...]
    install: str
    how: str
    min_runs: int = 5
    ours: bool = False


def evaluate(angle: Angle, data: Any, weights: Any) -> Any:  # noqa: ANN401 - tensors, arrays and tracers alike
    """Return an angle: a number if it is constant, ``data[..., i]`` shaped if it depends on data, else a scalar."""
    terms = [_times(c, data[..., i]) for i, c in angle.data] + [_times(c, weights[j]) for j, c in angle.weight]
    if angle.constant or not terms:
        terms.append(angle.constant)
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _times(coefficient: float, value: Any) -> Any:  # noqa: ANN401
    return value if coefficient == 1.0 else coefficient * value


def paulis(circuit: Circuit) -> list[tuple[str, int]]:
    """Return letter and wire of every observable.

    Raises:
        Unsupported: If there are other observables than single Pauli operators.
    """
    from hqzoo.quantum import Pauli

    found = []
    for observable in circuit.observables:
        if not isinstance(observable, Pauli) or len(observable.wires) != 1:
            raise Unsupported(f"written for Pauli operators on one wire, not for {observable}")
        found.append((observable.letters, observable.wires[0]))
    return found


def registers(circuit: Circuit) -> tuple[int, list[list[Gate]]] | None:
    """Return wires and gates of the two registers of a circuit that ends in their overlap, else None.

    Users of the fidelity prepare two states and take their inner product; a peer that shows its states does that.
    """
    from dataclasses import replace

    from hqzoo.quantum import Overlap

    if len(circuit.observables) != 1 or not isinstance(circuit.observables[0], Overlap):
        return None
    overlap = circuit.observables[0]
    split = []
    for wires in (overlap.wires_a, overlap.wires_b):
        place = {wire: position for position, wire in enumerate(wires)}
        gates = [gate for gate in circuit.gates if set(gate.support) & set(wires)]
        if any(set(gate.support) - set(wires) for gate in gates):
            raise Unsupported("a gate acts across the two registers")
        split.append(
            [
                replace(g, wires=tuple(place[w] for w in g.wires), controls=tuple(place[w] for w in g.controls))
                for g in gates
            ]
        )
    return len(overlap.wires_a), split
