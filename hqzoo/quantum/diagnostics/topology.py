"""Which qubits of a device can interact, as Qiskit's coupling maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.engines.extras import need

__all__ = ["TOPOLOGIES", "coupling_map"]

TOPOLOGIES: dict[str, Callable[[Any, int], Any]] = {
    "grid": lambda maps, n: maps.from_grid(math.isqrt(n - 1) + 1, math.isqrt(n - 1) + 1),
    "heavy-hex": lambda maps, n: maps.from_heavy_hex(_distance(n)),
    "line": lambda maps, n: maps.from_line(n),
    "ring": lambda maps, n: maps.from_ring(n),
    "all": lambda maps, n: maps.from_full(n),
}
"""Kinds of devices by name; each makes the map of the smallest that holds so many qubits."""


def coupling_map(name: str, n_wires: int) -> Any:  # noqa: ANN401 - Qiskit is an extra
    """Return the ``CouplingMap`` of the smallest device of a kind that holds so many wires.

    Args:
        name: ``grid``: a square grid. ``heavy-hex``: IBM's lattice of hexagons with a qubit on every edge, of odd code
            distance. ``line``, ``ring``. ``all``: every pair interacts, as in ion traps.
        n_wires: Qubits that are needed.

    Raises:
        CircuitError: If there is no such kind, or Qiskit is not installed.
    """
    if name not in TOPOLOGIES:
        raise CircuitError(unknown_name("hardware", name, TOPOLOGIES))
    maps = need("qiskit.transpiler", "qiskit", "The cost on hardware").CouplingMap
    return TOPOLOGIES[name](maps, n_wires)


def _distance(n_wires: int) -> int:
    """Return the smallest code distance whose lattice, of (5 d^2 - 2 d - 1) / 2 qubits, holds so many wires."""
    distance = 1
    while (5 * distance**2 - 2 * distance - 1) // 2 < n_wires:
        distance += 2
    return distance
