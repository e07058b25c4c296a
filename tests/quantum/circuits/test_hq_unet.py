"""HQ-UNet's circuit: light cones and the size of its pieces."""

import pytest
import torch

from hqzoo.quantum import circuits, compile_circuit, plan
from tests.quantum.circuits.judge import cells_seen, jacobians


def test_light_cones_are_those_of_the_specification():
    table = [4, 6, 8, 8, 6, 9, 12, 12, 8, 12, 16, 16, 8, 12, 16, 16]
    assert cells_seen(circuits.hq_unet(), 16) == table * 2  # Z, then X


def test_every_weight_and_every_encoding_angle_matters():
    by_data, by_weight = jacobians(circuits.hq_unet())
    assert (by_weight.amax(0) > 1e-3).all()
    assert (by_data.amax(0) > 1e-3).all()


def test_gate_order_of_the_filter():
    labels = [str(gate) for gate in circuits.hq_unet().gates[48:58]]
    assert labels == [
        "RY(w[0], 0)", "RY(w[1], 1)", "CNOT(0, 1)", "RY(w[2], 0)", "RY(w[3], 1)",
        "RY(w[0], 1)", "RY(w[1], 2)", "CNOT(1, 2)", "RY(w[2], 1)", "RY(w[3], 2)",
    ]  # fmt: skip
    columns = [gate.support for gate in circuits.hq_unet().gates[108:] if gate.label == "CNOT"]
    assert columns == [(4 * r + c, 4 * r + 4 + c) for c in range(4) for r in range(3)]


@pytest.mark.parametrize(
    ("circuit", "largest"),
    [
        (circuits.hq_unet(), 1),
        (circuits.qmoe("local"), 1),
        (circuits.qmoe("diagonal"), 1),
        (circuits.qmoe("global"), 4),
    ],
    ids=["hq_unet", "local", "diagonal", "global"],
)
def test_pieces(circuit, largest):
    found = plan(circuit)
    assert found.engine == "cone"
    assert found.largest_piece <= largest


def test_one_column_weight_is_absorbed_by_a_linear_layer():
    """φ1 of the columns turns (Z, X) of a wire: the span of the outputs does not depend on it."""
    circuit = circuits.hq_unet(2, 2)
    function = compile_circuit(circuit, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(60, 12, generator=generator, dtype=torch.float64)
    weights = torch.rand(8, generator=generator, dtype=torch.float64) * 6
    turned = weights.clone()
    turned[6] += 0.7
    before, after = function(inputs, weights), function(inputs, turned)
    solution = torch.linalg.lstsq(before, after).solution
    assert (before @ solution - after).abs().max() < 1e-9
    assert (before - after).abs().max() > 0.05
