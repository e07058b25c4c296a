"""Which qubits of a device can interact: square grids, IBM's heavy hexagons, all with all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from hqzoo.errors import CircuitError, unknown_name

__all__ = ["TOPOLOGIES", "Topology", "topology"]


@dataclass(frozen=True)
class Topology:
    """Physical qubits and the pairs of them that two-qubit gates can act on.

    Args:
        name: Its kind.
        n_qubits: Number of qubits.
        edges: Pairs ``(a, b)`` with ``a < b``.
        orders: Orders of qubits in which it is worth placing a circuit's wires 0, 1, 2, ...
    """

    name: str
    n_qubits: int
    edges: tuple[tuple[int, int], ...]
    orders: tuple[tuple[int, ...], ...]

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """Neighbours of every qubit."""
        found: list[list[int]] = [[] for _ in range(self.n_qubits)]
        for a, b in self.edges:
            found[a].append(b)
            found[b].append(a)
        return tuple(tuple(sorted(others)) for others in found)

    @cached_property
    def distances(self) -> tuple[tuple[int, ...], ...]:
        """Edges on a shortest way from every qubit to every other."""
        return tuple(self._distances_from(start) for start in range(self.n_qubits))

    def _distances_from(self, start: int) -> tuple[int, ...]:
        distance = {start: 0}
        waiting = deque([start])
        while waiting:
            here = waiting.popleft()
            for other in self.neighbours[here]:
                if other not in distance:
                    distance[other] = distance[here] + 1
                    waiting.append(other)
        return tuple(distance[qubit] for qubit in range(self.n_qubits))


def topology(name: str, n_wires: int) -> Topology:
    """Return the smallest device of a kind that holds so many wires.

    Args:
        name: ``grid``: a square grid. ``heavy-hex``: rows of qubits that further qubits bridge at every fourth place,
            in turn, as on IBM's processors. ``all``: every pair interacts, as in ion traps.
        n_wires: Qubits that are needed.

    Raises:
        CircuitError: If there is no such kind.
    """
    if name not in TOPOLOGIES:
        raise CircuitError(unknown_name("hardware", name, TOPOLOGIES))
    return TOPOLOGIES[name](n_wires)


def _all(n: int) -> Topology:
    return Topology("all", n, tuple((a, b) for a in range(n) for b in range(a + 1, n)), (tuple(range(n)),))


def _grid(n: int) -> Topology:
    side = next(side for side in range(1, n + 1) if side * side >= n)
    edges = [(q, q + 1) for q in range(side * side) if (q + 1) % side]
    edges += [(q, q + side) for q in range(side * (side - 1))]
    orders = []
    for columns in range(side, 0, -1):  # wires row by row, in rows of any length that fits
        rows = [[side * r + c for c in range(columns)] for r in range(side)]
        for snake in (False, True):
            kept = [row[::-1] if snake and r % 2 else row for r, row in enumerate(rows)]
            order = [qubit for row in kept for qubit in row][:n]
            if len(order) == n:
                orders.append(tuple(order))
    return Topology("grid", side * side, tuple(sorted(edges)), tuple(dict.fromkeys(orders)))


def _heavy_hex(n: int) -> Topology:
    rows = 2
    while rows * (4 * rows - 3) + _bridges(rows) < n:
        rows += 1
    length = 4 * rows - 3
    edges = [(length * r + c, length * r + c + 1) for r in range(rows) for c in range(length - 1)]
    bridge = rows * length
    for r in range(rows - 1):
        for c in range(2 * (r % 2), length, 4):
            edges += [(length * r + c, bridge), (length * (r + 1) + c, bridge)]
            bridge += 1
    device = Topology("heavy-hex", bridge, tuple(sorted(edges)), ())
    starts = (0, (rows // 2) * length + length // 2)  # a corner, and the middle
    orders = [order[:n] for start in starts for order in (_nearest_first(device, start), _along_paths(device, start))]
    return Topology(device.name, device.n_qubits, device.edges, tuple(orders))


def _bridges(rows: int) -> int:
    return sum(len(range(2 * (r % 2), 4 * rows - 3, 4)) for r in range(rows - 1))


def _nearest_first(device: Topology, start: int) -> tuple[int, ...]:
    return tuple(sorted(range(device.n_qubits), key=lambda qubit: (device.distances[start][qubit], qubit)))


def _along_paths(device: Topology, start: int) -> tuple[int, ...]:
    """Return all qubits depth first, so that consecutive ones mostly are neighbours."""
    order: list[int] = []
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here not in order:
            order.append(here)
            waiting += reversed(device.neighbours[here])
    return tuple(order)


TOPOLOGIES: dict[str, Callable[[int], Topology]] = {"grid": _grid, "heavy-hex": _heavy_hex, "all": _all}
"""Kinds of devices by name."""
