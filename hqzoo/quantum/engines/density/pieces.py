"""What a noisy circuit's observables can see: past light cones, each a small circuit of its own."""

from __future__ import annotations

from dataclasses import dataclass

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.density.dilation import noisy_steps
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.noise import Channel, NoiseModel

__all__ = ["Piece", "Step", "pieces_of"]


@dataclass(frozen=True)
class Step:
    """A gate, and the channels that act on each of its wires thereafter."""

    gate: Gate
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class Piece:
    """Everything that some observables can see.

    Args:
        wires: The wires, sorted.
        steps: Gates and channels in the order of time.
        observables: Numbers of the observables.
    """

    wires: tuple[int, ...]
    steps: tuple[Step, ...]
    observables: tuple[int, ...]


def pieces_of(circuit: Circuit, noise: NoiseModel, ideal_tail: int = 0) -> tuple[Piece, ...]:
    """Split a circuit into what its observables can see.

    What comes after all that an observable can see preserves the trace, noise included, and has no effect on it. An
    observable whose wires lie among those of a larger piece is read there.

    Args:
        circuit: The circuit.
        noise: The noise.
        ideal_tail: How many of the last gates are free of noise.
    """
    steps = [Step(gate, channels) for gate, channels in noisy_steps(circuit, noise, ideal_tail)]
    cones = [_cone(steps, set(observable.wires)) for observable in circuit.observables]
    pieces: list[tuple[set[int], set[int], list[int]]] = []  # wires, steps, observables
    for number in sorted(range(len(cones)), key=lambda k: -len(cones[k][0])):
        wires, seen = cones[number]
        home = next((piece for piece in pieces if wires <= piece[0]), None)
        if home is None:
            pieces.append((wires, set(seen), [number]))
        else:
            home[1].update(seen)
            home[2].append(number)
    return tuple(
        Piece(tuple(sorted(wires)), tuple(steps[k] for k in sorted(seen)), tuple(sorted(numbers)))
        for wires, seen, numbers in pieces
    )


def _cone(steps: list[Step], wires: set[int]) -> tuple[set[int], set[int]]:
    """Return the wires and the steps that reach observed wires."""
    wires, seen = set(wires), set()
    for number in range(len(steps) - 1, -1, -1):
        support = steps[number].gate.support
        if not wires.isdisjoint(support):
            wires.update(support)
            seen.add(number)
    return wires, seen
