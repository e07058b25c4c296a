"""QCNN: quantum convolution and pooling (Cong et al. 2019, arXiv 1810.03787; Hur et al. 2022, arXiv 2108.00661)."""

from __future__ import annotations

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import CNOT, CRX, CRZ, RY, RZ, U3, Gate, X
from hqzoo.quantum.observables import Pauli

__all__ = ["qcnn"]

_CONVOLUTION, _POOLING = 15, 2  # weights


def qcnn(n_qubits: int = 8) -> Circuit:
    """Return the QCNN of Hur et al. for classical data, with their general SU(4) filter and controlled pooling.

    ``RY(x_i)`` on every wire. Each layer applies one shared two-qubit filter to the ring of wires that are left, then
    pools: of each pair one wire turns the other (RZ where it is 1, RX where it is 0) and is left alone from then on,
    which equals measuring it. The wire that is left last is read: ``<Z>``. Data: one angle a wire, in radians. Weights:
    17 for each of the ``log2(n)`` layers, 15 of the filter and 2 of the pooling.

    Args:
        n_qubits: Wires, a power of two, at least 4; the paper uses 8.

    Raises:
        CircuitError: If the number of qubits is no power of two or below 4.
    """
    if n_qubits < 4 or n_qubits & (n_qubits - 1):
        raise CircuitError(f"n_qubits={n_qubits}: a QCNN halves its wires, give a power of two of at least 4.")
    gates = [RY(feature(wire), wire) for wire in range(n_qubits)]
    wires, offset = list(range(n_qubits)), 0
    while len(wires) > 1:
        for a, b in _ring(wires):
            gates += _filter(a, b, offset)
        # In the last layer the authors keep the second wire.
        kept, given_up = (wires[::2], wires[1::2]) if len(wires) > 2 else (wires[1:], wires[:1])
        for source, target in zip(given_up, kept, strict=True):
            gates += _pool(source, target, offset + _CONVOLUTION)
        wires, offset = kept, offset + _CONVOLUTION + _POOLING
    return Circuit(n_qubits, gates, [Pauli("Z", wires[0])])


def _ring(wires: list[int]) -> list[tuple[int, int]]:
    """Return the pair over the edge, then even, then odd neighbours; two wires are one pair."""
    if len(wires) == 2:
        return [(wires[0], wires[1])]
    even, odd = zip(wires[::2], wires[1::2], strict=True), zip(wires[1:-1:2], wires[2::2], strict=True)
    return [(wires[0], wires[-1]), *even, *odd]


def _filter(a: int, b: int, offset: int) -> list[Gate]:
    """Return a general two-qubit unitary: 15 weights."""
    w = [weight(offset + k) for k in range(_CONVOLUTION)]
    return [
        U3(w[0], w[1], w[2], a),
        U3(w[3], w[4], w[5], b),
        CNOT(a, b),
        RY(w[6], a),
        RZ(w[7], b),
        CNOT(b, a),
        RY(w[8], a),
        CNOT(a, b),
        U3(w[9], w[10], w[11], a),
        U3(w[12], w[13], w[14], b),
    ]


def _pool(source: int, target: int, offset: int) -> list[Gate]:
    return [CRZ(weight(offset), source, target), X(source), CRX(weight(offset + 1), source, target)]
