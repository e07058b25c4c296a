"""HQ-UNet: the non-pooling quantum convolution of arXiv 2604.27206, and the two-qubit filter it is made of."""

from __future__ import annotations

from typing import Literal

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import CNOT, RX, RY, RZ, Gate
from hqzoo.quantum.observables import Pauli

__all__ = ["encode_product", "hq_unet", "pair_filter"]

_ENCODINGS = {"rx_ry_rz": (RX, RY, RZ), "ry_rz": (RY, RZ), "ry": (RY,), "none": ()}


def hq_unet(
    rows: int = 4,
    cols: int = 4,
    n_layers: int = 1,
    periodic: bool = False,
    encoding: Literal["rx_ry_rz", "ry_rz", "ry", "none"] = "rx_ry_rz",
    readout: Literal["zx", "z", "x"] = "zx",
    passes: Literal["both", "row", "col"] = "both",
    angle_scale: float = 1.0,
) -> Circuit:
    """Return the non-pooling QCNN of HQ-UNet (arXiv 2604.27206, section III-B-2, eq. 1).

    A grid of qubits, ``q = cols * r + c``, is encoded once by single-qubit rotations; then a shared two-qubit filter
    ``F`` sweeps along every row, and an independent one down every column. Data: all RX angles, then all RY, then all
    RZ (48 for 4x4). Weights: 8 per layer, row θ1 θ2 φ1 φ2 then column θ1 θ2 φ1 φ2 (4 for a single pass).
    Outputs: ``<Z_q>`` for all q, then ``<X_q>`` for all q.

    Args:
        rows: Rows of the grid.
        cols: Columns of the grid.
        n_layers: Repetitions of the two passes. The paper mentions none: CHOICE 1.
        periodic: Whether sweeps close over the edge. Not stated: CHOICE False, a convolution with valid padding.
        encoding: Rotations of the encoding; other than the published three they are an announced ablation.
        readout: Observables on every qubit.
        passes: Sweeps per layer.
        angle_scale: Factor on the data, radians per unit. Not stated: CHOICE 1, the literal reading.

    Raises:
        CircuitError: If an option is none of those listed, or the grid is too small for its passes.
    """
    for name, given, known in (
        ("encoding", encoding, _ENCODINGS),
        ("readout", readout, ("zx", "z", "x")),
        ("passes", passes, ("both", "row", "col")),
    ):
        if given not in known:
            raise CircuitError(f"{name}='{given}' is not one of {', '.join(known)}.")
    if min(rows, cols) < (3 if periodic else 2) or n_layers < 1:
        raise CircuitError(
            f"rows={rows}, cols={cols}, n_layers={n_layers}, periodic={periodic}: the grid needs at least "
            f"{3 if periodic else 2} rows and columns, and there must be at least one layer."
        )
    n = rows * cols
    gates = encode_product(n, encoding, angle_scale)
    offset = 0
    for _ in range(n_layers):
        if passes != "col":
            lines = [[cols * r + c for c in range(cols)] for r in range(rows)]
            gates += _sweep(lines, offset, periodic)
            offset += 4
        if passes != "row":
            lines = [[cols * r + c for r in range(rows)] for c in range(cols)]
            gates += _sweep(lines, offset, periodic)
            offset += 4
    return Circuit(n, gates, [Pauli(letter.upper(), q) for letter in readout for q in range(n)])


def _sweep(lines: list[list[int]], offset: int, periodic: bool) -> list[Gate]:
    gates = []
    for line in lines:
        ends = line[1:] + line[:1] if periodic else line[1:]
        for a, b in zip(line, ends, strict=False):
            gates += pair_filter(a, b, offset)
    return gates


def encode_product(n_wires: int, encoding: str = "rx_ry_rz", angle_scale: float = 1.0) -> list[Gate]:
    """Return single-qubit rotations by ``angle_scale * data``: all RX angles, then all RY, then all RZ."""
    return [
        rotation(angle_scale * feature(k * n_wires + wire), wire)
        for k, rotation in enumerate(_ENCODINGS[encoding])
        for wire in range(n_wires)
    ]


def pair_filter(a: int, b: int, offset: int) -> list[Gate]:
    """Return F(θ, φ) of eq. 1 in the order of time: RY(θ1) on a, RY(θ2) on b, CNOT a→b, RY(φ1) on a, RY(φ2) on b.

    Args:
        a: The wire that controls.
        b: The wire that is controlled.
        offset: Index of the weight θ1; θ2, φ1 and φ2 follow.
    """
    return [
        RY(weight(offset), a),
        RY(weight(offset + 1), b),
        CNOT(a, b),
        RY(weight(offset + 2), a),
        RY(weight(offset + 3), b),
    ]
