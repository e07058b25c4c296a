"""FQCNN, MQCNN and COQCNN: the 2x2 quantum convolutions of Kumar et al. behind HQ-UNet's table of baselines.

Laid out as in the authors' public segmentation code (github.com/hrithikkmr527/Quantum_ML, ``models.py``). Pixels in
[0, 1] enter as angles in radians without a factor. A window's pixels are numbered row by row: p0 p1 / p2 p3.
"""

from __future__ import annotations

import math

from hqzoo.quantum.angles import feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import CRX, CRZ, RX, RY, U3, CPhase, Gate, H, controlled
from hqzoo.quantum.observables import Pauli

__all__ = ["coqcnn", "fqcnn", "mqcnn"]

_COLOUR, _KERNEL, _TARGET = 4, 5, 6  # wires; 0..3 hold the position
# Position wires that control the RY of pixels 1, 2 and 3 of a band.
_BANDS = (((0, 2), (1, 3), (0, 1)), ((0, 3), (0, 2), (2, 3)), ((2, 3), (0, 3), (1, 3)))
_U3_CONTROLS = ((4,), (4, 0), (4, 2), (4, 2, 0), (4, 5), (4, 5, 0), (4, 5, 2), (4, 5, 0, 2))


def fqcnn() -> Circuit:
    """Return the FQCNN filter of one band: 7 wires (0-3 position, 4 colour, 5 kernel, 6 target), output ``<Z_4>``.

    Data: the 4 pixels. Weights: ``(8, 3)`` angles θ φ λ of eight controlled U3. All of those are controlled on the wire
    that is read and act elsewhere, so none of the 24 weights changes the output: it is the fixed feature
    ``mean over q in {0,1}^4 of cos(p0 + q0 q2 p1 + q1 q3 p2 + q0 q1 p3)``.
    """
    return Circuit(7, [*_position(), *_band(0), H(_KERNEL), *_kernel(0)], [Pauli("Z", _COLOUR)])


def mqcnn() -> Circuit:
    """Return the MQCNN filter of three bands at once: 7 wires as in :func:`fqcnn`, output ``<Z_4>``.

    Data: 12 pixels, band by band. Weights: ``(3, 8, 3)``, inert as in :func:`fqcnn`. The output is the mean over q of
    the cosine of ``p0 + p4 + p8`` plus the other pixels, each times the two position bits that control it.
    """
    gates = _position()
    for band in range(3):
        gates += _band(band)
    gates.append(H(_KERNEL))
    for band in range(3):
        gates += _kernel(24 * band)
    return Circuit(7, gates, [Pauli("Z", _COLOUR)])


def coqcnn() -> Circuit:
    """Return the COQCNN filter: ancilla 0, pixels of a window on wires 1-4, output ``<Z_0>``.

    Data: 12 pixels, band by band. For every band the pixels are RX angles, controlled X_θ close a ring 1→2→3→4→1, and
    a controlled phase φ couples the ancilla to wire 1. Weights: θ ``(3, 4)``, then φ ``(3,)``. The θ of the last band
    are phases before an ancilla-only read-out: inert. The published code turns all 15 into constants; here they are
    weights, trainable or frozen as the layer around the circuit likes (CHOICE).
    """
    ring = ((1, 2), (2, 3), (3, 4), (4, 1))
    gates = [H(0)]
    for band in range(3):
        gates += [RX(feature(4 * band + k), k + 1) for k in range(4)]
        for k, (control, target) in enumerate(ring):
            # X_θ = [[0, -i exp(iθ/2)], [-i exp(-iθ/2), 0]] = RX(π) RZ(θ)
            gates += [CRZ(weight(4 * band + k), control, target), CRX(math.pi, control, target)]
        gates.append(CPhase(weight(12 + band), 0, 1))
    return Circuit(5, [*gates, H(0)], [Pauli("Z", 0)])


def _position() -> list[Gate]:
    return [H(wire) for wire in range(4)]


def _band(band: int) -> list[Gate]:
    first = 4 * band
    pixels = enumerate(_BANDS[band], start=first + 1)
    return [RY(feature(first), _COLOUR), *(controlled(RY(feature(pixel), _COLOUR), *pair) for pixel, pair in pixels)]


def _kernel(first: int) -> list[Gate]:
    gates = []
    for k, controls in enumerate(_U3_CONTROLS):
        theta, phi, lam = (weight(first + 3 * k + j) for j in range(3))
        gates.append(controlled(U3(theta, phi, lam, _TARGET), *controls))
    return gates
