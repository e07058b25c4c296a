"""A SWAP router: two-qubit gates brought together on a device where only neighbours interact."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from hqzoo.quantum.diagnostics.entanglers import Pair
from hqzoo.quantum.diagnostics.topology import Topology

__all__ = ["Routed", "Step", "route"]

LOOK_AHEAD = 20  # gates
FUTURE = 0.5  # what they count beside those that are due
SWAP_CNOTS = 3


@dataclass(frozen=True)
class Step:
    """A two-qubit gate on neighbouring physical qubits: one of the circuit, or a SWAP."""

    qubits: Pair
    is_swap: bool


@dataclass(frozen=True)
class Routed:
    """A routed circuit.

    Args:
        start: Physical qubit of every wire at the beginning.
        end: The same at the end.
        steps: Gates and SWAPs in the order of time.
    """

    start: tuple[int, ...]
    end: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def swaps(self) -> int:
        """Number of SWAPs."""
        return sum(step.is_swap for step in self.steps)

    @property
    def cnots(self) -> int:
        """Number of CNOTs, a SWAP being three."""
        return len(self.steps) + (SWAP_CNOTS - 1) * self.swaps

    @property
    def depth(self) -> int:
        """Layers of CNOTs, when every gate runs as early as it can."""
        free: dict[int, int] = {}
        for step in self.steps:
            begin = max(free.get(qubit, 0) for qubit in step.qubits)
            for qubit in step.qubits:
                free[qubit] = begin + (SWAP_CNOTS if step.is_swap else 1)
        return max(free.values(), default=0)


def route(pairs: Sequence[Pair], device: Topology, n_wires: int) -> Routed:
    """Return the gates with the SWAPs that bring their wires together, an upper bound on what a device needs.

    Gates run as soon as they are due and their wires are neighbours. Otherwise that SWAP is made which brings the
    wires of gates that are due closest, those of the next 20 counting half (the heuristic of SABRE, Li, Ding and Xie
    2019, arXiv 1809.02573). Every placement of the wires that the device suggests is tried, and the best is improved
    by routing backwards and forwards again. Gates are neither merged nor re-ordered where they do not have to wait.

    Args:
        pairs: Wires of the two-qubit gates in the order of time.
        device: The device; connected, with at least ``n_wires`` qubits.
        n_wires: Number of wires.
    """

    def price(routed: Routed) -> tuple[int, int]:
        return routed.cnots, routed.depth

    best = min((_Run(pairs, device, order[:n_wires]).routed() for order in device.orders), key=price)
    for _ in range(3 if best.swaps else 0):
        backwards = _Run(pairs[::-1], device, best.end).routed()
        best = min(best, _Run(pairs, device, backwards.end).routed(), key=price)
    return best


class _Run:
    """One pass over the gates from one placement."""

    def __init__(self, pairs: Sequence[Pair], device: Topology, start: tuple[int, ...]) -> None:
        self.pairs, self.device, self.start = pairs, device, start
        self.where = list(start)  # physical qubit of every wire
        self.holds = {qubit: wire for wire, qubit in enumerate(start)}
        self.waiting: list[deque[int]] = [deque() for _ in start]
        for number, pair in enumerate(pairs):
            for wire in pair:
                self.waiting[wire].append(number)
        self.open = dict.fromkeys(range(len(pairs)))  # gates that have not run, in order
        self.steps: list[Step] = []

    def routed(self) -> Routed:
        patience = 2 * self.device.n_qubits
        since_gate = 0
        while self.open:
            due = self._due()
            ready = [number for number in due if self._distance(number) == 1]
            for number in ready:
                self._apply(number)
            if not ready:
                # A heuristic can run in circles; then the first gate is brought together by the shortest way.
                self._swap(self._best_swap(due if since_gate < patience else due[:1], since_gate < patience))
            since_gate = 0 if ready else since_gate + 1
        return Routed(self.start, tuple(self.where), tuple(self.steps))

    def _due(self) -> list[int]:
        heads = [queue[0] for queue in self.waiting if queue]
        return sorted(number for number in set(heads) if heads.count(number) == 2)

    def _distance(self, number: int) -> int:
        a, b = self.pairs[number]
        return self.device.distances[self.where[a]][self.where[b]]

    def _apply(self, number: int) -> None:
        a, b = self.pairs[number]
        self.steps.append(Step((self.where[a], self.where[b]), is_swap=False))
        self.waiting[a].popleft()
        self.waiting[b].popleft()
        del self.open[number]

    def _best_swap(self, due: list[int], look_ahead: bool) -> Pair:
        busy = {self.where[wire] for number in due for wire in self.pairs[number]}
        later = [number for number, _ in zip(self.open, range(len(due) + LOOK_AHEAD), strict=False)]
        later = [number for number in later if number not in due] if look_ahead else []

        def price(edge: Pair) -> float:
            self._exchange(edge)
            near = sum(self._distance(number) for number in due) / len(due)
            far = sum(self._distance(number) for number in later) / max(len(later), 1)
            self._exchange(edge)
            return near + FUTURE * far

        return min((edge for edge in self.device.edges if not busy.isdisjoint(edge)), key=price)

    def _swap(self, edge: Pair) -> None:
        self._exchange(edge)
        self.steps.append(Step(edge, is_swap=True))

    def _exchange(self, edge: Pair) -> None:
        first, second = (self.holds.pop(qubit, None) for qubit in edge)
        for wire, qubit in ((first, edge[1]), (second, edge[0])):
            if wire is not None:
                self.where[wire], self.holds[qubit] = qubit, wire
