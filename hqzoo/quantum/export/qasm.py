"""OpenQASM 3: a circuit as a program with its data and weights as ``input float``, and back.

Observables are no part of the language: they travel as ``pragma hqzoo ...`` lines, which other tools skip. Reading
takes what :func:`to_qasm` writes, in any layout, and refuses every other statement by name.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle, as_angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.export.readout import observable_from_text, observable_to_text
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Observable

__all__ = ["from_qasm", "to_qasm"]

# OpenQASM name: base gate and number of controls that the name implies.
_NAMES: dict[str, tuple[str, int]] = {
    "id": ("I", 0), "x": ("X", 0), "y": ("Y", 0), "z": ("Z", 0), "h": ("H", 0), "s": ("S", 0), "t": ("T", 0),
    "rx": ("RX", 0), "ry": ("RY", 0), "rz": ("RZ", 0), "p": ("PhaseShift", 0), "swap": ("SWAP", 0),
    "cx": ("X", 1), "cy": ("Y", 1), "cz": ("Z", 1), "ch": ("H", 1), "crx": ("RX", 1), "cry": ("RY", 1),
    "crz": ("RZ", 1), "cp": ("PhaseShift", 1), "cswap": ("SWAP", 1), "ccx": ("X", 2),
    "u3_phased": ("U3", 0), "rxx": ("IsingXX", 0), "ryy": ("IsingYY", 0), "rzz": ("IsingZZ", 0),
}  # fmt: skip
_BY_GATE = {gate: name for name, gate in _NAMES.items()}

# What stdgates.inc lacks. Its own u3 carries no phase, which a control would make visible.
_DEFINITIONS = {
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
    used = {name for gate in circuit.gates if (name := _BY_GATE[gate.name, 0]) in _DEFINITIONS}
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    lines += [definition for name, definition in _DEFINITIONS.items() if name in used]
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


def from_qasm(text: str) -> Circuit:
    """Return the circuit that :func:`to_qasm` wrote: equal as a value.

    Raises:
        CircuitError: If a statement is none that ``to_qasm`` writes, with its line; or if the program reads nothing.
    """
    inputs: set[str] = set()
    gates: list[Gate] = []
    observables: list[Observable] = []
    n_wires = 0
    for line, statement in _statements(text):
        word = statement.split(maxsplit=1)[0]
        try:
            if word == "pragma":
                observables += _pragma(statement)
            elif word in ("OPENQASM", "include", "gate"):
                _check_header(statement)
            elif found := re.fullmatch(r"input\s+float(?:\[\d+\])?\s+((?:data|weight)_\d+)", statement):
                inputs.add(found[1])
            elif found := re.fullmatch(r"qubit\[(\d+)\]\s+q", statement):
                n_wires = int(found[1])
            else:
                gates.append(_gate(statement, inputs))
        except CircuitError as error:
            raise CircuitError(f"Line {line}: {error}") from None
    circuit = Circuit(n_wires, gates, observables)
    idle = len(inputs) - circuit.n_data - circuit.n_weights
    if idle:
        raise CircuitError(f"{idle} of the inputs {sorted(inputs)} are used by no gate.")
    return circuit


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of the first line and the text of every statement, without comments and semicolons."""
    text = re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    # A pragma ends with its line, a gate definition with its brace, everything else with a semicolon.
    pattern = re.compile(r"\s*(?:#?(pragma[^\n]*)|(gate\b[^{;]*\{[^}]*\})|([^;]+);|(\S[^;]*)$)")
    position = 0
    while found := pattern.match(text, position):
        statement = found.group(found.lastindex or 0).strip()
        line = 1 + text.count("\n", 0, found.start(found.lastindex or 0))
        if found.lastindex == 4:
            raise CircuitError(f"Line {line}: '{statement}' does not end in a semicolon.")
        yield line, statement
        position = found.end()


def _check_header(statement: str) -> None:
    def tight(code: str) -> str:
        return re.sub(r"\s+", "", code)

    known = ["OPENQASM 3", "OPENQASM 3.0", "OPENQASM 3.1", 'include "stdgates.inc"', *_DEFINITIONS.values()]
    if tight(statement) not in {tight(code) for code in known}:
        raise CircuitError(f"'{statement}' is not one of the declarations that hqzoo writes.")


def _pragma(statement: str) -> list[Observable]:
    """Return the observable of a pragma of ours, nothing for those of others."""
    words = statement.split(maxsplit=2)
    if words[1:2] != ["hqzoo"]:
        return []
    return [observable_from_text(words[2] if len(words) > 2 else "")]


_CALL = re.compile(r"((?:ctrl\s*(?:\(\s*\d+\s*\))?\s*@\s*)*)(\w+)\s*(?:\((.*)\))?\s+(q\s*\[.*\])", re.DOTALL)


def _gate(statement: str, inputs: set[str]) -> Gate:
    found = _CALL.fullmatch(statement)
    if found is None or found[2] not in _NAMES:
        raise CircuitError(
            f"'{statement}' cannot be read. Known are calls of {', '.join(_NAMES)} on q[...], with or without 'ctrl @'."
        )
    modifiers, name, angles, operands = found.groups()
    base, implied = _NAMES[name]
    n_controls = implied + sum(int(count or 1) for count in re.findall(r"ctrl\s*(?:\(\s*(\d+)\s*\))?", modifiers))
    wires = tuple(int(index) for index in re.findall(r"q\s*\[\s*(\d+)\s*\]", operands))
    values = tuple(_affine(part, inputs) for part in angles.split(",")) if angles is not None else ()
    return Gate(base, wires[n_controls:], values, wires[:n_controls])


def _affine(text: str, inputs: set[str]) -> Angle:
    """Return an expression in the inputs, numbers and pi as an angle."""
    try:
        tree = ast.parse(text.strip().replace("π", "pi"), mode="eval")
    except SyntaxError:
        raise CircuitError(f"'{text.strip()}' is no expression.") from None
    return _walk(tree.body, text, inputs)


def _walk(node: ast.expr, text: str, inputs: set[str]) -> Angle:
    match node:
        case ast.Constant(value=int() | float() as number):
            return as_angle(float(number))
        case ast.Name(id="pi"):
            return as_angle(math.pi)
        case ast.Name(id=name) if name in inputs:
            kind, index = name.rsplit("_", 1)
            return feature(int(index)) if kind == "data" else weight(int(index))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_walk(operand, text, inputs)
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _walk(left, text, inputs), _walk(right, text, inputs)
            match operator:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult() if a.is_constant or b.is_constant:
                    return b * a.constant if a.is_constant else a * b.constant
                case ast.Div() if b.is_constant and b.constant:
                    return a / b.constant
    raise CircuitError(f"'{text.strip()}' is not affine in the inputs that the program declares.")
