"""HQF-Net: the experts really are local, global and diagonal."""

import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import circuits, compile_circuit
from tests.quantum.circuits.judge import cells_seen, jacobians, sample


@pytest.mark.parametrize(
    ("expert", "smallest", "largest", "mean", "filters"),
    [("local", 4, 4, 4.0, 16), ("global", 9, 16, 225 / 16, 32), ("diagonal", 2, 8, 5.9, 18)],
)
def test_light_cones_of_the_experts(expert, smallest, largest, mean, filters):
    circuit = circuits.qmoe(expert)
    assert (circuit.n_data, circuit.n_weights, circuit.n_observables) == (48, 8, 32)
    assert sum(gate.label == "CNOT" for gate in circuit.gates) == filters
    cells = cells_seen(circuit, 16)[:16]
    assert (min(cells), max(cells)) == (smallest, largest)
    assert sum(cells) / 16 == pytest.approx(mean, abs=0.05)


def test_pairs_of_the_local_expert_stay_inside_their_block():
    pairs = [gate.support for gate in circuits.qmoe("local").gates if gate.label == "CNOT"]
    assert pairs[:8] == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11), (12, 13), (14, 15)]
    assert pairs[8:] == [(0, 4), (1, 5), (2, 6), (3, 7), (8, 12), (9, 13), (10, 14), (11, 15)]


def test_pairs_of_the_diagonal_expert():
    pairs = [gate.support for gate in circuits.qmoe("diagonal").gates if gate.label == "CNOT"]
    assert pairs[:9] == [(0, 5), (1, 6), (2, 7), (4, 9), (5, 10), (6, 11), (8, 13), (9, 14), (10, 15)]
    assert pairs[9:] == [(1, 4), (2, 5), (3, 6), (5, 8), (6, 9), (7, 10), (9, 12), (10, 13), (11, 14)]


@pytest.mark.parametrize("n_layers", [1, 2])
def test_quantum_skip(n_layers):
    circuit = circuits.qskip(n_layers)
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables) == (8, 8, 8 * n_layers, 8)
    pairs = [gate.support for gate in circuit.gates if gate.label == "CNOT"]
    assert pairs == [(0, 1), (2, 3), (4, 5), (6, 7), (1, 2), (3, 4), (5, 6), (7, 0)] * n_layers
    _, by_weight = jacobians(circuit)
    assert (by_weight.amax(0) > 1e-3).all()


def test_a_global_expert_without_closed_edges_is_hq_unets_own_circuit():
    assert circuits.qmoe("global", periodic=False) == circuits.hq_unet()
    assert circuits.qmoe("global") == circuits.qmoe("global", periodic=True) == circuits.hq_unet(periodic=True)
    for expert in ("local", "diagonal"):
        assert circuits.qmoe(expert, periodic=False) == circuits.qmoe(expert)
        with pytest.raises(CircuitError, match=f"expert='{expert}' does not close over the edge"):
            circuits.qmoe(expert, periodic=True)


@pytest.mark.parametrize("part", ["skip", "local", "global", "diagonal"])
def test_small_pieces_give_what_the_whole_state_gives(part):
    """The engine that is chosen never holds the 2^16 amplitudes of the state vector that it is compared with."""
    circuit = circuits.qskip() if part == "skip" else circuits.qmoe(part)
    inputs, weights = (each.detach().double().requires_grad_() for each in sample(circuit))
    outputs = [compile_circuit(circuit, engine, torch.float64)(inputs, weights) for engine in ("auto", "statevector")]
    torch.testing.assert_close(*outputs, atol=1e-10, rtol=0)
    cotangent = torch.linspace(-1, 1, outputs[0].numel(), dtype=torch.float64).view_as(outputs[0])
    gradients = [torch.autograd.grad(out, (inputs, weights), cotangent) for out in outputs]
    torch.testing.assert_close(*gradients, atol=1e-9, rtol=0)
