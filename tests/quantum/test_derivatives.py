"""Derivatives in every mode of torch, and in the precision that was asked for."""

import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Overlap, Pauli, Probabilities, circuits, compile_circuit, feature, weight
from hqzoo.quantum.engines.density.engine import DensityEngine
from hqzoo.quantum.engines.density.state import in_segments
from hqzoo.quantum.engines.statevector.engine import StatevectorEngine
from hqzoo.quantum.engines.statevector.evolve import Apply, density_matrices, evolve
from hqzoo.quantum.gates import CNOT, RX, RY, H, controlled
from hqzoo.quantum.noise import NoiseModel
from hqzoo.quantum.shots import ShotEngine

NOISE = NoiseModel.of(amplitude_damping=0.1)
MIXED = Circuit(
    3,
    [
        *(RY(feature(wire), wire) for wire in range(3)),
        *(gate for layer in range(3) for gate in (CNOT(0, 1), RX(weight(layer), 1), CNOT(1, 2), H(0))),
        controlled(RX(weight(0) + feature(1), 2), 0),
    ],
    [Pauli("YZ", (0, 2)), Probabilities((1, 0)), Overlap((0,), (1,)), Pauli("X", 2)],
)
ENGINES = {
    "cone": lambda circuit: compile_circuit(circuit, "cone", torch.float64),
    "statevector": lambda circuit: StatevectorEngine(circuit, torch.float64),
    "network": lambda circuit: DensityEngine(circuit, torch.float64, NOISE, "network"),
    "exact": lambda circuit: DensityEngine(circuit, torch.float64, NOISE, "exact"),
}


def sample(circuit, batch=2):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(batch, circuit.n_data, generator=generator, dtype=torch.float64)
    return inputs, torch.rand(circuit.n_weights, generator=generator, dtype=torch.float64) * 3


@pytest.mark.parametrize("circuit", [MIXED, circuits.hq_unet(2, 2, n_layers=2)], ids=["mixed", "hq_unet"])
@pytest.mark.parametrize("name", ENGINES)
def test_forward_mode_and_backward_mode_agree(name, circuit):
    engine = ENGINES[name](circuit)
    inputs, weights = sample(circuit)

    def loss(inputs, weights):
        return engine(inputs, weights).square().sum()

    for argument in (0, 1):
        backward = torch.autograd.functional.hessian(loss, (inputs, weights))[argument][argument]
        assert backward.abs().max() > 0.1
        for transform in (torch.func.hessian, lambda f, n: torch.func.jacrev(torch.func.jacfwd(f, n), n)):
            forward = transform(loss, argument)(inputs, weights)
            torch.testing.assert_close(forward, backward, atol=1e-10, rtol=1e-10)
    tangents = torch.randn_like(inputs), torch.randn_like(weights)
    _, moved = torch.func.jvp(engine, (inputs, weights), tangents)
    _, expected = torch.autograd.functional.jvp(engine, (inputs, weights), tangents)
    torch.testing.assert_close(moved, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", ENGINES)
def test_second_derivatives_pass_torchs_own_check(name):
    leaves = [tensor.requires_grad_() for tensor in sample(MIXED, batch=1)]
    assert torch.autograd.gradgradcheck(ENGINES[name](MIXED), leaves)


def test_gradients_measured_with_shots_are_not_differentiated():
    inputs, weights = sample(MIXED)
    engine = ShotEngine(MIXED, torch.float64, shots=10)
    with pytest.raises(CircuitError, match="shots have no derivatives"):
        torch.autograd.grad(engine(inputs, weights.requires_grad_()).sum(), weights, create_graph=True)


def in_autocast(out, leaves):
    with torch.autocast("cpu", torch.bfloat16):
        return torch.autograd.grad(out, leaves, torch.ones_like(out), retain_graph=True)


@pytest.mark.parametrize("kind", ["evolve", "densities", "segments"])
def test_own_backward_passes_stay_precise_in_autocast(kind):
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(5, 16, generator=generator).requires_grad_()
    matrices = torch.linalg.qr(torch.randn(1, 2, 4, 4, generator=generator))[0].requires_grad_()
    leaves = [state, matrices]
    if kind == "evolve":
        out = evolve(state, (Apply(0, 0, 4, 4, 1), Apply(0, 1, 2, 4, 2)), [matrices], [])
    elif kind == "densities":
        leaves = [state]
        out = torch.cat([each.flatten() for each in density_matrices(state, ((4, 4, 1), (2, 4, 2)))])
    else:

        def run(state, angles, first, last):
            for number in range(first, last):
                state = (angles[0, number] @ state.view(5, 4, 4)).flatten(1)
            return state

        out = in_segments(2, run, state, matrices)
    for found, expected in zip(in_autocast(out, leaves), torch.autograd.grad(out.sum(), leaves), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
