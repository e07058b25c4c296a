"""OpenQASM 2 and 3: from a program to a circuit.

Reading takes what :func:`~hqzoo.quantum.export.to_qasm` writes, in any layout, and programs of standard gates on one
register by others; every other statement is refused by name.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.angles import Angle, as_angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.export.qasm import DEFINITIONS, NAMES
from hqzoo.quantum.export.readout import observable_from_text
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.importers.imported import Imported
from hqzoo.quantum.observables import Observable

__all__ = ["from_qasm"]

_FOREIGN: dict[str, tuple[str, int]] = {
    "u1": ("PhaseShift", 0), "phase": ("PhaseShift", 0), "u": ("U3", 0), "U": ("U3", 0), "u3": ("U3", 0),
    "CX": ("X", 1), "cu1": ("PhaseShift", 1), "cphase": ("PhaseShift", 1), "cu3": ("U3", 1),
}  # fmt: skip
_QUARTERS = {"sdg": -math.pi / 2, "tdg": -math.pi / 4}
_NAMED = NAMES | _FOREIGN
_KNOWN = (*_NAMED, *_QUARTERS, "sx", "sxdg", "u2")
_INCLUDES = ('include "stdgates.inc"', 'include "qelib1.inc"')
_OF_OWN_PHASE = ("u", "U", "u2", "u3")  # on which versions of the language and its library differ


def from_qasm(
    text: str, observables: Sequence[Observable] | None = None, data: Sequence[str] | None = None
) -> Imported:
    """Return an OpenQASM program as a circuit; what :func:`~hqzoo.quantum.export.to_qasm` wrote comes back equal.

    Args:
        text: A program of standard gates on one quantum register, without measurements and definitions of gates.
        observables: What to read; None takes those that ``to_qasm`` noted.
        data: Names of the inputs that are ``data[0]``, ``data[1]``, ...; all others are weights, in the order of their
            declaration. None takes those that are called ``data_0``, ``data_1``, ...

    Raises:
        CircuitError: If a statement has no counterpart, with its line; if an input is used by no gate; or if it is not
            known what to read.
    """
    program = _Program()
    for line, statement in _statements(text):
        with _at(line):
            program.read(line, statement)
    read = program.observables if observables is None else observables
    if not read:
        raise CircuitError("The program does not say what to read: give observables, such as [Pauli('Z', 0)].")
    features, weights = _kinds(program.inputs, data)
    angles = {name: make(k) for names, make in ((features, feature), (weights, weight)) for k, name in enumerate(names)}
    gates: list[Gate] = []
    for line, call in program.calls:
        with _at(line):
            gates += _gates(call, program, angles)
    idle = sorted(set(angles) - {name for name, angle in angles.items() if _used(angle, gates)})
    if idle:
        raise CircuitError(f"{len(idle)} of the inputs {sorted(angles)} are used by no gate: {', '.join(idle)}.")
    return Imported(Circuit(program.n_wires, gates, read), tuple(features), tuple(weights))


@contextmanager
def _at(line: int) -> Iterator[None]:
    try:
        yield
    except CircuitError as error:
        raise CircuitError(f"Line {line}: {error}") from None


def _used(angle: Angle, gates: list[Gate]) -> bool:
    every = [other for gate in gates for other in gate.angles]
    if angle.data:
        return any(i == angle.data[0][0] for other in every for i, _ in other.data)
    return any(j == angle.weight[0][0] for other in every for j, _ in other.weight)


def _kinds(inputs: list[str], data: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the names of the inputs that are data, and of those that are weights, in order."""

    def numbered(kind: str) -> list[str]:
        found = [name for name in inputs if re.fullmatch(rf"{kind}_\d+", name)]
        return sorted(found, key=lambda name: int(name[len(kind) + 1 :]))

    features = numbered("data") if data is None else list(data)
    missing = [name for name in features if name not in inputs]
    if missing:
        raise CircuitError(unknown_name("input", missing[0], inputs))
    rest = [name for name in inputs if name not in features]
    return features, numbered("weight") if set(rest) == set(numbered("weight")) else rest


_CLASSICAL = re.compile(r"creg\s+\w+\s*\[\s*\d+\s*\]|bit(?:\s*\[\s*\d+\s*\])?\s+\w+")
_INPUT = re.compile(r"input\s+(?:float|angle)(?:\s*\[\s*\d+\s*\])?\s+(\w+)")
_QUBIT = re.compile(r"qubit\s*\[\s*(?P<size>\d+)\s*\]\s+(?P<name>\w+)")
_QREG = re.compile(r"qreg\s+(?P<name>\w+)\s*\[\s*(?P<size>\d+)\s*\]")


@dataclass
class _Program:
    """What the statements say."""

    inputs: list[str] = field(default_factory=list)
    calls: list[tuple[int, str]] = field(default_factory=list)
    observables: list[Observable] = field(default_factory=list)
    register: str = "q"
    n_wires: int = 0

    def read(self, line: int, statement: str) -> None:
        word = statement.split(maxsplit=1)[0]
        if word == "pragma":
            self.observables += _pragma(statement)
        elif word in ("OPENQASM", "include", "gate"):
            _check_header(statement)
        elif word == "barrier" or _CLASSICAL.fullmatch(statement):
            return
        elif found := _INPUT.fullmatch(statement):
            self.inputs.append(found[1])
        elif found := _QUBIT.fullmatch(statement) or _QREG.fullmatch(statement):
            if self.n_wires:
                raise CircuitError(f"'{statement}' is a second register of qubits; put all qubits into one.")
            self.register, self.n_wires = found["name"], int(found["size"])
        elif re.search(r"\bmeasure\b", statement):
            raise CircuitError(f"'{statement}' measures; leave measurements out, and give observables.")
        else:
            self.calls.append((line, statement))


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

    known = ["OPENQASM 3", "OPENQASM 3.0", "OPENQASM 3.1", "OPENQASM 2.0", *_INCLUDES, *DEFINITIONS.values()]
    if tight(statement) not in {tight(code) for code in known}:
        raise CircuitError(f"'{statement}' is not one of the declarations that hqzoo writes.")


def _pragma(statement: str) -> list[Observable]:
    """Return the observable of a pragma of ours, nothing for those of others."""
    words = statement.split(maxsplit=2)
    if words[1:2] != ["hqzoo"]:
        return []
    return [observable_from_text(words[2] if len(words) > 2 else "")]


_CALL = re.compile(r"((?:ctrl\s*(?:\(\s*\d+\s*\))?\s*@\s*)*)(\w+)\s*(?:\((.*)\))?\s+(\w+\s*\[.*\])", re.DOTALL)


def _gates(statement: str, program: _Program, angles: Mapping[str, Angle]) -> list[Gate]:
    """Return the gates of a call."""
    found = _CALL.fullmatch(statement)
    if found is None or found[2] not in _KNOWN:
        raise CircuitError(
            f"'{statement}' cannot be read. Known are calls of {', '.join(_KNOWN)} on {program.register}[...], with "
            "or without 'ctrl @'."
        )
    modifiers, name, arguments, operands = found.groups()
    controls = sum(int(count or 1) for count in re.findall(r"ctrl\s*(?:\(\s*(\d+)\s*\))?", modifiers))
    if controls and name in _OF_OWN_PHASE:
        raise CircuitError(
            f"'{statement}': versions of OpenQASM differ on the phase of {name}, which controls make visible."
        )
    wires = _wires(operands, program, statement)
    values = tuple(_affine(part, angles) for part in arguments.split(",")) if arguments is not None else ()
    if name in _QUARTERS:
        return [Gate("PhaseShift", wires[controls:], (*values, as_angle(_QUARTERS[name])), wires[:controls])]
    if name in ("sx", "sxdg"):  # H S H, exactly
        turn = as_angle(math.pi / 2 if name == "sx" else -math.pi / 2)
        parts = (("H", ()), ("PhaseShift", (turn,)), ("H", ()))
        return [Gate(base, wires[controls:], (*values, *own), wires[:controls]) for base, own in parts]
    if name == "u2":
        return [Gate("U3", wires, (as_angle(math.pi / 2), *values))]
    base, implied = _NAMED[name]
    controls += implied
    return [Gate(base, wires[controls:], values, wires[:controls])]


def _wires(operands: str, program: _Program, statement: str) -> tuple[int, ...]:
    wires = []
    for operand in operands.split(","):
        found = re.fullmatch(r"(\w+)\s*\[\s*(\d+)\s*\]", operand.strip())
        if found is None or found[1] != program.register or int(found[2]) >= program.n_wires:
            raise CircuitError(
                f"'{statement}': '{operand.strip()}' is none of the {program.n_wires} qubits of '{program.register}'."
            )
        wires.append(int(found[2]))
    return tuple(wires)


def _affine(text: str, angles: Mapping[str, Angle]) -> Angle:
    """Return an expression in the inputs, numbers and pi as an angle."""
    try:
        tree = ast.parse(text.strip().replace("π", "pi"), mode="eval")
    except SyntaxError:
        raise CircuitError(f"'{text.strip()}' is no expression.") from None
    return _walk(tree.body, text, angles)


def _walk(node: ast.expr, text: str, angles: Mapping[str, Angle]) -> Angle:
    match node:
        case ast.Constant(value=int() | float() as number):
            return as_angle(float(number))
        case ast.Name(id="pi"):
            return as_angle(math.pi)
        case ast.Name(id=name) if name in angles:
            return angles[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_walk(operand, text, angles)
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _walk(left, text, angles), _walk(right, text, angles)
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
