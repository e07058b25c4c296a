"""Drawings: every gate once, in its place, in lines that fit."""

import matplotlib.image
import pytest
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Overlap, Pauli, circuits, controlled, feature, weight
from hqzoo.quantum.drawing import columns, draw, draw_figure
from hqzoo.quantum.gates import CNOT, RX, RY, SWAP, H
from tests.quantum.oracle import random_circuits


def test_a_small_circuit_reads_as_expected():
    circuit = Circuit(
        3,
        [H(0), RX(3.141592653589793 * feature(0), 1), CNOT(0, 2), controlled(RY(weight(0) - 0.25, 1), 2), SWAP(0, 1)],
        [Pauli("Z", 0), Pauli("XZ", (0, 1))],
    )
    assert draw(circuit) == (
        "0: ──H───────╭●──────────────╭×─┤ <Z>\n"
        "1: ──RX(πx0)─┼──╭RY(w0-0.25)─╰×─┤\n"
        "2: ──────────╰⊕─╰●──────────────┤\n"
        "\n"
        "read <Z0>, <X0 Z1>"
    )


@settings(max_examples=30, deadline=None)
@given(random_circuits())
def test_columns_hold_every_gate_in_order_and_never_cross(circuit):
    packed = columns(circuit)
    assert sorted(map(str, circuit.gates)) == sorted(str(gate) for gates in packed for gate in gates)
    for gates in packed:
        spans = [range(min(g.support), max(g.support) + 1) for g in gates]
        wires = [wire for span in spans for wire in span]
        assert len(wires) == len(set(wires))
    place = {}
    for number, gates in enumerate(packed):
        place.update({id(gate): number for gate in gates})
    for k, gate in enumerate(circuit.gates):
        for later in circuit.gates[k + 1 :]:
            if set(gate.support) & set(later.support) and gate is not later:
                assert place[id(gate)] < place[id(later)]


@settings(max_examples=30, deadline=None)
@given(random_circuits())
def test_lines_of_a_drawing_are_equally_long_and_show_every_control(circuit):
    text = draw(circuit, width=None)
    lines = text.split("\n\n")[0].splitlines()
    assert len(lines) == circuit.n_wires
    assert len({line.index("┤") for line in lines}) == 1
    assert text.count("●") == sum(len(gate.controls) for gate in circuit.gates)


@pytest.mark.parametrize("name", sorted(circuits.named()))
def test_named_circuits_fit_a_terminal(name):
    circuit = circuits.named()[name]()
    text = draw(circuit)
    assert max(map(len, text.splitlines())) <= 120 + len("…┤ <Z> <X>")
    assert text.count("⊕") == sum(gate.name == "X" and bool(gate.controls) for gate in circuit.gates)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_figures_are_written(tmp_path, suffix):
    path = tmp_path / f"circuit.{suffix}"
    draw_figure(circuits.coqcnn(), path)
    assert path.stat().st_size > 5000


def test_a_figure_shows_what_gates_depend_on(tmp_path):
    path = tmp_path / "circuit.png"
    circuit = Circuit(2, [RX(feature(0), 0), RX(weight(0), 1)], [Overlap((0,), (1,))])
    draw_figure(circuit, path)
    pixels = {
        tuple(colour) for colour in (matplotlib.image.imread(path)[..., :3] * 255).round().reshape(-1, 3).tolist()
    }
    assert (0x56, 0xB4, 0xE9) in pixels
    assert (0xE6, 0x9F, 0x00) in pixels


def test_figures_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(CircuitError, match=r"drawn as pdf, png, svg; the file's name is 'c\.bmp'"):
        draw_figure(circuits.qufex(), tmp_path / "c.bmp")
    with pytest.raises(CircuitError, match="cannot be written to"):
        draw_figure(circuits.qufex(), tmp_path / "missing" / "c.png")
