"""Drawings of circuits: as text and as a figure, gates packed to the left as time allows."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Pauli

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["columns", "draw", "draw_figure"]

_FORMATS = ("pdf", "png", "svg")
# What a gate depends on, with its colour: an Okabe-Ito palette, told apart without red and green.
_COLOURS = {"data": "#56B4E9", "weights": "#E69F00", "data and weights": "#CC79A7", "nothing": "#E8E8E8"}
_ROW_COLUMNS, _WIRE_GAP = 22, 0.8  # columns in a row of a figure; distances in figure units


def columns(circuit: Circuit) -> list[list[Gate]]:
    """Return the gates column by column: each stands as far left as order and the lines it draws allow."""
    free = [0] * circuit.n_wires  # first column that is free on each wire
    packed: list[list[Gate]] = []
    for gate in circuit.gates:
        span = range(min(gate.support), max(gate.support) + 1)
        column = max(free[wire] for wire in span)
        if column == len(packed):
            packed.append([])
        packed[column].append(gate)
        for wire in span:
            free[wire] = column + 1
    return packed


def draw(circuit: Circuit, width: int | None = 120) -> str:
    """Return the circuit as text, one line a wire, ``x0`` for ``data[0]`` and ``w0`` for ``weight[0]``.

    Args:
        circuit: What to draw.
        width: Characters in a line; longer circuits go on below. None never breaks.
    """
    label = [f"{wire:>{len(str(circuit.n_wires - 1))}}: " for wire in range(circuit.n_wires)]
    start = len(label[0]) + 1
    panels: list[list[str]] = [["─"] * circuit.n_wires]
    for gates in columns(circuit):
        cells = _text_column(gates, circuit.n_wires)
        if width is not None and start + len(panels[-1][0]) + len(cells[0]) > width and len(panels[-1][0]) > 1:
            panels.append(["─"] * circuit.n_wires)
        panels[-1] = [line + cell for line, cell in zip(panels[-1], cells, strict=True)]
    letters = _letters(circuit)
    ends = [f"┤ {' '.join(letters[wire])}".rstrip() for wire in range(circuit.n_wires)]
    blocks = [
        [
            head + ("" if number == 0 else "…") + line + (ends[wire] if number == len(panels) - 1 else "…")
            for wire, (head, line) in enumerate(zip(label, panel, strict=True))
        ]
        for number, panel in enumerate(panels)
    ]
    read = wrap("read " + ", ".join(f"<{observable}>" for observable in circuit.observables), width or 10**9)
    return "\n\n".join("\n".join(block) for block in [*blocks, read])


def _text_column(gates: list[Gate], n_wires: int) -> list[str]:
    cells, joins = [""] * n_wires, [" "] * n_wires
    for gate in gates:
        for wire, text in _symbols(gate).items():
            cells[wire] = text
        low, high = min(gate.support), max(gate.support)
        for wire in range(low, high + 1) if low < high else ():
            inside = "├" if wire in gate.support else "┼"
            joins[wire] = "╭" if wire == low else "╰" if wire == high else inside
    width = max(len(cell) for cell in cells)
    return [
        ("─" if join == " " else join) + cell.ljust(width, "─") + "─" for cell, join in zip(cells, joins, strict=True)
    ]


def _symbols(gate: Gate) -> dict[int, str]:
    """Return what stands on each wire of a gate."""
    symbols = dict.fromkeys(gate.controls, "●")
    angles = ",".join(_angle(angle) for angle in gate.angles)
    name = {"SWAP": "×", "PhaseShift": "P", "Unitary": "U"}.get(gate.name, gate.name.removeprefix("Ising"))
    if gate.name == "X" and gate.controls:
        name = "⊕"
    for number, wire in enumerate(gate.wires):
        index = str(number) if gate.name == "Unitary" and len(gate.wires) > 1 else ""  # 0: the most significant bit
        symbols[wire] = f"{name}{index}({angles})" if angles else name + index
    return symbols


def _angle(angle: Angle) -> str:
    terms = [_term(c, f"x{i}") for i, c in angle.data] + [_term(c, f"w{j}") for j, c in angle.weight]
    if angle.constant or not terms:
        terms.append(_number(angle.constant))
    return "+".join(terms).replace("+-", "-")


def _term(coefficient: float, name: str) -> str:
    if abs(coefficient) == 1.0:
        return name if coefficient > 0 else f"-{name}"
    number = _number(coefficient)
    return f"{number}{name}" if number[-1] in "π" else f"{number}·{name}"


def _number(value: float) -> str:
    """Return a number, as a simple multiple of π where it is one."""
    for divisor in (1, 2, 3, 4, 6, 8):
        multiple = value * divisor / math.pi
        if value and abs(multiple - round(multiple)) < 1e-12 and abs(multiple) <= 8:
            top = {1: "π", -1: "-π"}.get(round(multiple), f"{round(multiple)}π")
            return top if divisor == 1 else f"{top}/{divisor}"
    return f"{value:.3g}"


def _letters(circuit: Circuit) -> list[list[str]]:
    """Return the letters of single-qubit observables on each wire."""
    letters: list[list[str]] = [[] for _ in range(circuit.n_wires)]
    for observable in circuit.observables:
        if isinstance(observable, Pauli) and len(observable.wires) == 1:
            letters[observable.wires[0]].append(f"<{observable.letters}>")
    return letters


def draw_figure(circuit: Circuit, path: str | Path) -> None:
    """Draw the circuit with matplotlib; gates are coloured by what their angles depend on.

    Args:
        circuit: What to draw.
        path: File to write, ``.png``, ``.pdf`` or ``.svg``.

    Raises:
        CircuitError: If the file's ending is another, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    path = Path(path)
    if path.suffix.lower().removeprefix(".") not in _FORMATS:
        raise CircuitError(f"A circuit is drawn as {', '.join(_FORMATS)}; the file's name is '{path.name}'.")
    packed = columns(circuit)
    n_rows = max(math.ceil(len(packed) / _ROW_COLUMNS), 1)
    length = max(math.ceil(len(packed) / n_rows), 1)  # rows of equal length
    rows = [packed[k * length : (k + 1) * length] for k in range(n_rows)]
    width = max(sum(_column_width(gates) for gates in row) for row in rows) + 2.5
    height = len(rows) * (circuit.n_wires + 1) * _WIRE_GAP + 0.8
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(-1.0, width - 1.0), ylim=(-height + 0.6, 0.6), aspect="equal")
    axes.set_axis_off()
    for number, row in enumerate(rows):
        _draw_row(axes, circuit, row, -number * (circuit.n_wires + 1) * _WIRE_GAP, number == len(rows) - 1)
    _draw_legend(axes, circuit, -height + 0.95)
    try:
        figure.savefig(path, dpi=120 if len(rows) < 4 else 80)
    except OSError as error:
        raise CircuitError(f"The drawing cannot be written to '{path}': {error.strerror}.") from None


def _column_width(gates: list[Gate]) -> float:
    longest = max(len(text) for gate in gates for text in _symbols(gate).values())
    return 0.45 + 0.11 * max(longest, 2)


def _draw_row(axes: Axes, circuit: Circuit, row: list[list[Gate]], top: float, last: bool) -> None:
    heights = [top - wire * _WIRE_GAP for wire in range(circuit.n_wires)]
    end = sum(_column_width(gates) for gates in row) + 0.2
    for wire, y in enumerate(heights):
        axes.plot((-0.3, end), (y, y), color="black", linewidth=0.8, zorder=0)
        axes.text(-0.4, y, str(wire), ha="right", va="center", fontsize=11)
        read = " ".join(_letters(circuit)[wire]).replace("<", "⟨").replace(">", "⟩") if last else "…"
        axes.text(end + 0.1, y, read, ha="left", va="center", fontsize=11)
    x = 0.0
    for gates in row:
        width = _column_width(gates)
        for gate in gates:
            _draw_gate(axes, gate, x + width / 2, heights, width)
        x += width


def _draw_gate(axes: Axes, gate: Gate, x: float, heights: list[float], width: float) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    ends = [heights[wire] for wire in gate.support]
    if len(ends) > 1:
        axes.plot((x, x), (min(ends), max(ends)), color="black", linewidth=1.0, zorder=1)
    for wire, text in _symbols(gate).items():
        y = heights[wire]
        if text == "●":
            axes.add_patch(Circle((x, y), 0.07, color="black", zorder=3))
        elif text == "×":
            axes.plot(x, y, marker="x", color="black", markersize=7, zorder=3)
        elif text == "⊕":
            axes.add_patch(Circle((x, y), 0.14, facecolor="white", edgecolor="black", linewidth=1.0, zorder=2))
            axes.plot((x - 0.14, x + 0.14), (y, y), color="black", linewidth=1.0, zorder=3)
            axes.plot((x, x), (y - 0.14, y + 0.14), color="black", linewidth=1.0, zorder=3)
        else:
            box = min(0.16 + 0.11 * max(len(text), 2), width - 0.12)
            corner, size = (x - box / 2 + 0.04, y - 0.2), (box - 0.08, 0.4)
            style, colour = "round,pad=0.04,rounding_size=0.06", _COLOURS[_depends_on(gate)]
            axes.add_patch(FancyBboxPatch(corner, *size, style, facecolor=colour, linewidth=0.7, zorder=2))
            axes.text(x, y, text, ha="center", va="center", fontsize=11, zorder=4)


def _depends_on(gate: Gate) -> str:
    names = [
        name
        for name, used in (
            ("data", any(angle.data for angle in gate.angles)),
            ("weights", any(angle.weight for angle in gate.angles)),
        )
        if used
    ]
    return " and ".join(names) or "nothing"


def _draw_legend(axes: Axes, circuit: Circuit, y: float) -> None:
    from matplotlib.patches import Rectangle

    used = {_depends_on(gate) for gate in circuit.gates if set(_symbols(gate).values()) - {"●", "⊕", "×"}}  # in boxes
    x = -0.3
    for name in (name for name in _COLOURS if name in used):
        axes.add_patch(Rectangle((x, y - 0.11), 0.3, 0.22, facecolor=_COLOURS[name], edgecolor="black", linewidth=0.6))
        text = "constant" if name == "nothing" else f"depends on {name}"
        axes.text(x + 0.4, y, text, va="center", fontsize=11)
        x += 0.7 + 0.1 * len(text)
    others = [str(o) for o in circuit.observables if not (isinstance(o, Pauli) and len(o.wires) == 1)]
    if others:
        axes.text(x + 0.2, y, "read " + ", ".join(others), va="center", fontsize=11)
