"""HQF-Net (arXiv 2604.06715): the quantum skip connection and the three experts of the quantum bottleneck.

The paper's full text was not available: what is known is that skips are refined by a circuit and that the bottleneck
mixes a local, a global and a directional ("diagonal") circuit. Every gate below is a CHOICE, built from the two-qubit
filter F that the same group published with HQ-UNet.
"""

from __future__ import annotations

from typing import Literal

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.angles import feature
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.circuits.hq_unet import encode_product, hq_unet, pair_filter
from hqzoo.quantum.gates import RY
from hqzoo.quantum.observables import Pauli

__all__ = ["qmoe", "qskip"]

_SKIP_WIRES = 8
_SIDE = 4  # the experts' grid is 4 x 4


def qskip(n_layers: int = 2) -> Circuit:
    """Return the circuit of a quantum skip connection: 8 qubits, one for each channel of a cell.

    ``RY(x_i)`` on every wire; each layer is F on the pairs (0,1) (2,3) (4,5) (6,7), then an independent F on (1,2)
    (3,4) (5,6) (7,0). Data: 8 angles in radians. Weights: 8 a layer, θ1 θ2 φ1 φ2 of the first F, then of the second.
    Outputs: ``<Z_i>``. All of it is a CHOICE.

    Args:
        n_layers: Layers. CHOICE 2.

    Raises:
        CircuitError: If there is no layer.
    """
    if n_layers < 1:
        raise CircuitError(f"n_layers={n_layers}: a quantum skip needs at least one layer.")
    wires = list(range(_SKIP_WIRES))
    gates = [RY(feature(wire), wire) for wire in wires]
    for layer in range(n_layers):
        for start in (0, 1):
            for a in wires[start::2]:
                gates += pair_filter(a, (a + 1) % _SKIP_WIRES, 8 * layer + 4 * start)
    return Circuit(_SKIP_WIRES, gates, [Pauli("Z", wire) for wire in wires])


def qmoe(expert: Literal["local", "global", "diagonal"] = "local", periodic: bool | None = None) -> Circuit:
    """Return one expert of the quantum bottleneck on a 4x4 grid, qubit ``q = 4 * row + column``.

    The encoding, the layout and the outputs are HQ-UNet's: 48 data (all RX, RY, RZ angles), 8 weights (F of the first
    pass, F of the second), outputs all ``<Z_q>`` then all ``<X_q>``. All of it is a CHOICE.

    Args:
        expert: ``local``: horizontal, then vertical pairs inside each 2x2 block. ``global``: row, then column sweeps.
            ``diagonal``: pairs (r, c)→(r+1, c+1), then (r, c)→(r+1, c−1).
        periodic: Whether the sweeps of the global expert close over the edge, CHOICE True; without, it is HQ-UNet's own
            circuit. The others never do: chains of diagonals that close over the edge would meet twice, which ends
            their evaluation in small pieces.

    Raises:
        CircuitError: If there is no such expert, or it cannot close over the edge.
    """
    if expert == "global":
        return hq_unet(_SIDE, _SIDE, periodic=periodic is not False)
    if expert not in ("local", "diagonal"):
        raise CircuitError(unknown_name("expert", expert, ("local", "global", "diagonal")))
    if periodic:
        raise CircuitError(
            f"expert='{expert}' does not close over the edge of the grid: leave out periodic=True, or take "
            "expert='global'."
        )
    gates = encode_product(_SIDE**2)
    for number, step in enumerate(((0, 1), (1, 0)) if expert == "local" else ((1, 1), (1, -1))):
        for a, b in _block_pairs(*step) if expert == "local" else _neighbours(*step):
            gates += pair_filter(a, b, 4 * number)
    return Circuit(_SIDE**2, gates, [Pauli(letter, q) for letter in "ZX" for q in range(_SIDE**2)])


def _neighbours(down: int, right: int) -> list[tuple[int, int]]:
    """Return all pairs of grid cells one step apart, in raster order of the first."""
    cells = [(r, c) for r in range(_SIDE) for c in range(_SIDE)]
    moved = [((r, c), (r + down, c + right)) for r, c in cells]
    return [(_SIDE * r + c, _SIDE * s + d) for (r, c), (s, d) in moved if 0 <= s < _SIDE and 0 <= d < _SIDE]


def _block_pairs(down: int, right: int) -> list[tuple[int, int]]:
    """Return those pairs that lie inside one 2x2 block."""

    def block(q: int) -> tuple[int, int]:
        return q // _SIDE // 2, q % _SIDE // 2

    return [(a, b) for a, b in _neighbours(down, right) if block(a) == block(b)]
