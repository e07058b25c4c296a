"""OpenQASM 3: a circuit as a program with its data and weights as ``input float``.

Observables are no part of the language: they travel as ``pragma hqzoo ...`` lines, which other tools skip.
"""

from __future__ import annotations

import math

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.export.readout import observable_to_text
from hqzoo.quantum.gates import Gate

__all__ = ["DEFINITIONS", "NAMES", "to_qasm"]

NAMES: dict[str, tuple[str, int]] = {
    "id": ("I", 0), "x": ("X", 0), "y": ("Y", 0), "z": ("Z", 0), "h": ("H", 0), "s": ("S", 0), "t": ("T", 0),
    "rx": ("RX", 0), "ry": ("RY", 0), "rz": ("RZ", 0), "p": ("PhaseShift", 0), "swap": ("SWAP", 0),
    "cx": ("X", 1), "cy": ("Y", 1), "cz": ("Z", 1), "ch": ("H", 1), "crx": ("RX", 1), "cry": ("RY", 1),
    "crz": ("RZ", 1), "cp": ("PhaseShift", 1), "cswap": ("SWAP", 1), "ccx": ("X", 2),
    "u3_phased": ("U3", 0), "rxx": ("IsingXX", 0), "ryy": ("IsingYY", 0), "rzz": ("IsingZZ", 0),
}  # fmt: skip
"""OpenQASM name: base gate and number of controls that the name implies."""
_BY_GATE = {gate: name for name, gate in NAMES.items()}

# What stdgates.inc lacks. Its own u3 carries no phase, which a control would make visible.
DEFINITIONS = {
    "u3_phased": (
        "gate u3_phased(theta, phi, lambda) a { rz(lambda) a; ry(theta) a; rz(phi) a; gphase((phi + lambda) / 2); }"
    ),
    "rxx": "gate rxx(theta) a, b { h a; h b; cx a, b; rz(theta) b; cx a, b; h a; h b; }",
    "ryy": (
        "gate ryy(theta) a, b "
        "{ rx(pi / 2) a; rx(pi / 2) b; cx a, b; rz(theta) b; cx a, b; rx(-pi / 2) a; rx(-pi / 2) b; }"
    ),
    "rzz": "gate rzz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }",
}


def to_qasm(circuit: Circuit) -> str:
    """Return the circuit as an OpenQASM 3 program; ``data_3`` and ``weight_0`` are its inputs, in radians.

    Raises:
        CircuitError: If a gate cannot be said: a ``Unitary`` (the language has no matrices), or an angle that is not
            a finite number.
    """
    calls = [_call(gate) for gate in circuit.gates]
    used = {name for gate in circuit.gates if (name := _BY_GATE[gate.name, 0]) in DEFINITIONS}
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    lines += [definition for name, definition in DEFINITIONS.items() if name in used]
    lines += [f"input float[64] data_{index};" for index in range(circuit.n_data)]
    lines += [f"input float[64] weight_{index};" for index in range(circuit.n_weights)]
    lines += [f"qubit[{circuit.n_wires}] q;", *calls]
    lines += [f"pragma hqzoo {observable_to_text(observable)}" for observable in circuit.observables]
    return "\n".join(lines) + "\n"


def _call(gate: Gate) -> str:
    if gate.matrix is not None:
        raise CircuitError(
            f"Unitary on wires {gate.support} cannot be said in OpenQASM 3, which has no matrices. Write it as a "
            "product of other gates, or export to Qiskit or PennyLane."
        )
    for angle in gate.angles:
        numbers = [angle.constant, *(c for _, c in angle.data + angle.weight)]
        if not all(math.isfinite(number) for number in numbers):
            raise CircuitError(f"{gate} cannot be said in OpenQASM 3: its angle is not a finite number.")
    implied = len(gate.controls) if (gate.name, len(gate.controls)) in _BY_GATE else 0
    left = len(gate.controls) - implied
    prefix = "" if not left else "ctrl @ " if left == 1 else f"ctrl({left}) @ "
    angles = f"({', '.join(_expression(angle) for angle in gate.angles)})" if gate.angles else ""
    return f"{prefix}{_BY_GATE[gate.name, implied]}{angles} {', '.join(f'q[{wire}]' for wire in gate.support)};"


def _expression(angle: Angle) -> str:
    terms = [_term(c, f"data_{i}") for i, c in angle.data] + [_term(c, f"weight_{j}") for j, c in angle.weight]
    if angle.constant or not terms:
        terms.append(repr(float(angle.constant)))  # repr reads back as the same number
    return " + ".join(terms).replace("+ -", "- ")


def _term(coefficient: float, name: str) -> str:
    return name if coefficient == 1.0 else f"-{name}" if coefficient == -1.0 else f"{coefficient!r} * {name}"
