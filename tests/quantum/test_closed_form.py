"""The finding of benchmarks/hq_unet_closed_form.md: what the published circuit is, and where that ends.

The classical network is written out here from the derivation, without anything of the quantum floor.
"""

import math

import numpy as np
import pytest
import torch

from hqzoo.quantum import Circuit, Pauli, circuits, compile_circuit, plan
from hqzoo.quantum.circuits import hq_unet


def turn(x, z, angle):
    """RY on the Bloch vector: a plane rotation of (<X>, <Z>)."""
    return np.cos(angle) * x + np.sin(angle) * z, np.cos(angle) * z - np.sin(angle) * x


def classical(inputs: np.ndarray, weights: np.ndarray, side: int = 4, periodic: bool = False) -> np.ndarray:
    """Rotations of 16 points in the plane and two products per filter: (B, 48) -> (B, 32)."""
    f1, f2, f3 = inputs.reshape(-1, 3, side, side).transpose(1, 0, 2, 3)
    x = np.cos(f3) * np.sin(f2) * np.cos(f1) + np.sin(f3) * np.sin(f1)
    z = np.cos(f2) * np.cos(f1)
    for axis, (theta1, theta2, phi1, phi2) in ((2, weights[:4]), (1, weights[4:])):
        for step in range(side if periodic else side - 1):
            a = (slice(None),) * axis + (step,)
            b = (slice(None),) * axis + ((step + 1) % side,)
            xa, za = turn(x[a], z[a], theta1)
            xb, zb = turn(x[b], z[b], theta2)
            # CNOT on uncorrelated qubits: the control's X times the target's, the target's Z times the control's.
            x[a], z[a] = turn(xa * xb, za, phi1)
            x[b], z[b] = turn(xb, za * zb, phi2)
    return np.concatenate([z.reshape(len(z), -1), x.reshape(len(x), -1)], axis=1)


def both(circuit: Circuit, side: int, periodic: bool = False, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(-1, 1, (8, circuit.n_data))
    weights = rng.uniform(0, 2 * math.pi, circuit.n_weights)
    exact = compile_circuit(circuit, dtype=torch.float64)(torch.tensor(inputs), torch.tensor(weights)).numpy()
    return exact, classical(inputs, weights[:8], side, periodic)


@pytest.mark.parametrize("seed", range(5))
def test_one_layer_is_a_classical_multiplicative_network(seed):
    exact, network = both(hq_unet(), 4, seed=seed)
    np.testing.assert_allclose(network, exact, atol=1e-12)


def test_a_second_layer_ends_it():
    exact, _ = both(hq_unet(2, 2, n_layers=2), 2)
    rng = np.random.default_rng(0)
    inputs, weights = rng.uniform(-1, 1, (8, 12)), rng.uniform(0, 2 * math.pi, 16)
    first = classical(inputs, weights[:8], 2)
    # Going through the network twice forgets the correlations that the first layer left.
    x, z = first[:, 4:].reshape(8, 2, 2), first[:, :4].reshape(8, 2, 2)
    for axis, (theta1, theta2, phi1, phi2) in ((2, weights[8:12]), (1, weights[12:])):
        a, b = (slice(None),) * axis + (0,), (slice(None),) * axis + (1,)
        xa, za = turn(x[a], z[a], theta1)
        xb, zb = turn(x[b], z[b], theta2)
        x[a], z[a] = turn(xa * xb, za, phi1)
        x[b], z[b] = turn(xb, za * zb, phi2)
    twice = np.concatenate([z.reshape(8, -1), x.reshape(8, -1)], axis=1)
    assert np.abs(twice - exact).max() > 0.05
    assert plan(hq_unet(2, 2, n_layers=2)).largest_piece > 1


def test_closing_the_sweeps_ends_the_tree_but_not_the_small_pieces():
    exact, network = both(hq_unet(3, 3, periodic=True), 3, periodic=True)
    assert 0.05 < np.abs(network - exact).max() < 1.0
    assert 1 < plan(hq_unet(periodic=True)).largest_piece <= 4


def test_correlators_end_it():
    circuit = hq_unet(2, 2)
    pairs = Circuit(circuit.n_wires, circuit.gates, [Pauli("ZZ", (0, 3)), Pauli("Z", 0), Pauli("Z", 3)])
    rng = np.random.default_rng(1)
    inputs = torch.tensor(rng.uniform(-1, 1, (8, 12)))
    weights = torch.tensor(rng.uniform(0, 2 * math.pi, 8))
    together, first, second = compile_circuit(pairs, dtype=torch.float64)(inputs, weights).T
    assert (together - first * second).abs().max() > 0.01
    assert plan(pairs).largest_piece > 1


def test_it_is_not_a_linear_layer():
    """The best linear map of the 48 inputs explains a quarter to a half of the outputs' variance."""
    rng = np.random.default_rng(0)
    function = compile_circuit(circuits.hq_unet(), dtype=torch.float64)
    explained = []
    for _ in range(8):
        inputs = rng.uniform(-1, 1, (4000, 48))
        weights = torch.tensor(rng.uniform(0, 2 * math.pi, 8))
        outputs = function(torch.tensor(inputs), weights).numpy()
        design = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        residual = outputs - design @ np.linalg.lstsq(design, outputs, rcond=None)[0]
        explained.append(1 - residual.var(0).sum() / outputs.var(0).sum())
    assert 0.15 < np.mean(explained) < 0.6
    assert max(explained) < 0.7


def test_seven_of_the_eight_weights_matter_to_a_network_with_a_linear_layer_behind():
    """Turning the column's φ1 turns (<X>, <Z>) of qubits that are read out in both: a linear map of the outputs."""
    circuit = circuits.hq_unet()
    function = compile_circuit(circuit, dtype=torch.float64)
    rng = np.random.default_rng(2)
    inputs = torch.tensor(rng.uniform(-1, 1, (200, 48)))
    weights = torch.tensor(rng.uniform(0, 2 * math.pi, 8))
    moved = weights.clone()
    moved[6] += 0.9
    before, after = function(inputs, weights).numpy(), function(inputs, moved).numpy()
    # Rows 0..2 act as the upper qubit of a column filter once, right before they are read: exactly linear there.
    upper = [*range(4), *range(16, 20)]
    fit = np.linalg.lstsq(before, after[:, upper], rcond=None)[0]
    np.testing.assert_allclose(before @ fit, after[:, upper], atol=1e-9)
