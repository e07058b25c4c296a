"""Every engine against PennyLane: values, first and second derivatives."""

import math

import pytest
import torch
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Pauli, circuits, compile_circuit, plan
from hqzoo.quantum.gates import CNOT, RX, RY
from tests.quantum.oracle import pennylane, random_circuits

ENGINES = ("cone", "statevector")
NAMED = {
    "hq_unet_2x3": circuits.hq_unet(2, 3),
    "hq_unet_3x3_periodic": circuits.hq_unet(3, 3, periodic=True),
    "hq_unet_2x2_two_layers": circuits.hq_unet(2, 2, n_layers=2),
    "hq_unet_3x2_ry_rz_x": circuits.hq_unet(3, 2, encoding="ry_rz", readout="x"),
    "hq_unet_2x3_row_only_scaled": circuits.hq_unet(2, 3, passes="row", angle_scale=math.pi),
}


def sample(circuit: Circuit, batch: int = 3, seed: int = 0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(batch, circuit.n_data, generator=generator, dtype=dtype) * 2 - 1
    weights = torch.rand(circuit.n_weights, generator=generator, dtype=dtype) * 2 * math.pi
    return inputs.requires_grad_(), weights.requires_grad_()


def gradients(outputs, inputs, weights):
    if not outputs.requires_grad:  # a constant circuit
        return torch.zeros_like(inputs), torch.zeros_like(weights)
    cotangent = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view(outputs.shape)
    return torch.autograd.grad(outputs, (inputs, weights), cotangent, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMED)
def test_named_circuits_match_pennylane_with_gradients(name, engine):
    circuit = NAMED[name]
    inputs, weights = sample(circuit)
    expected = pennylane(circuit, inputs, weights)
    outputs = compile_circuit(circuit, engine, torch.float64)(inputs, weights)
    torch.testing.assert_close(outputs, expected, atol=1e-10, rtol=0)
    for ours, theirs in zip(gradients(outputs, inputs, weights), gradients(expected, inputs, weights), strict=True):
        assert (ours - theirs).abs().max() <= 1e-8 * theirs.abs().max()


@pytest.mark.parametrize("periodic", [False, True])
def test_published_size_matches_pennylane_in_both_precisions(periodic):
    circuit = circuits.hq_unet(periodic=periodic)
    inputs, weights = sample(circuit, batch=2)
    expected = pennylane(circuit, inputs.detach(), weights.detach())
    double = compile_circuit(circuit, dtype=torch.float64)(inputs, weights)
    single = compile_circuit(circuit)(inputs.float(), weights.float())
    assert (double - expected).abs().max() <= 1e-10
    assert (single - expected).abs().max() <= 1e-5


@settings(max_examples=40, deadline=None)
@given(random_circuits())
def test_random_circuits_match_pennylane(circuit):
    inputs, weights = sample(circuit, batch=2)
    expected = pennylane(circuit, inputs, weights)
    reference = gradients(expected, inputs, weights)
    for engine in ENGINES:
        try:
            function = compile_circuit(circuit, engine, torch.float64)
        except CircuitError:  # the network of a random circuit may be too large
            if engine != "cone":
                raise
            continue
        outputs = function(inputs, weights)
        torch.testing.assert_close(outputs, expected, atol=1e-10, rtol=0)
        for ours, theirs in zip(gradients(outputs, inputs, weights), reference, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)


@pytest.mark.parametrize("engine", ENGINES)
def test_first_and_second_derivatives_pass_torchs_own_check(engine):
    circuit = circuits.hq_unet(2, 2)
    inputs, weights = sample(circuit, batch=2)
    function = compile_circuit(circuit, engine, torch.float64)
    assert torch.autograd.gradcheck(function, (inputs, weights))
    assert torch.autograd.gradgradcheck(function, (inputs, weights))


def test_pieces_of_the_published_circuit_are_single_qubits():
    found = plan(circuits.hq_unet())
    assert (found.engine, found.largest_piece) == ("cone", 1)
    # Closing the sweeps over the edge correlates the qubits of a row; they stay small pieces all the same.
    assert plan(circuits.hq_unet(periodic=True)).largest_piece <= 4


@pytest.mark.parametrize("name", ["hq_unet_2x3", "hq_unet_3x3_periodic"])
def test_pieces_do_not_depend_on_wire_numbers(name):
    circuit = NAMED[name]
    order = torch.randperm(circuit.n_wires, generator=torch.Generator().manual_seed(3)).tolist()

    def move(wires):
        return tuple(order[w] for w in wires)

    moved = Circuit(
        circuit.n_wires,
        [type(g)(g.name, move(g.wires), g.angles, move(g.controls)) for g in circuit.gates],
        [Pauli(p.letters, move(p.wires)) for p in circuit.observables],
    )
    assert plan(moved).largest_piece == plan(circuit).largest_piece
    assert plan(moved).flops == pytest.approx(plan(circuit).flops, rel=0.5)
    inputs, weights = sample(circuit)
    torch.testing.assert_close(
        compile_circuit(moved, dtype=torch.float64)(inputs, weights),
        compile_circuit(circuit, dtype=torch.float64)(inputs, weights),
    )


def test_leading_dimensions_and_empty_batches():
    circuit = circuits.hq_unet(2, 2)
    function = compile_circuit(circuit)
    inputs, weights = sample(circuit, batch=6, dtype=torch.float32)
    flat = function(inputs, weights)
    assert torch.equal(function(inputs.view(2, 3, -1), weights), flat.view(2, 3, -1))
    assert function(inputs[:0], weights).shape == (0, circuit.n_observables)


def test_precision_survives_autocast():
    circuit = circuits.hq_unet(2, 2)
    function = compile_circuit(circuit)
    inputs, weights = sample(circuit, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        low = function(inputs, weights)
    assert low.dtype == torch.float32
    assert torch.equal(low, function(inputs, weights))


def test_what_a_state_vector_cannot_hold_is_refused_before_memory_is_touched():
    wires = 30
    chain = [RY(0.3, 0), *(CNOT(w, w + 1) for w in range(wires - 1))]
    big = Circuit(wires, chain, [Pauli("Z", wires - 1)])
    with pytest.raises(CircuitError, match=r"30 wires.*limit is 24.*cone"):
        compile_circuit(big, "statevector")
    assert compile_circuit(big, dtype=torch.float64)(torch.zeros(1, 0), torch.zeros(0)).item() == pytest.approx(
        math.cos(0.3)
    )


def test_wrong_sizes_and_names_are_named():
    circuit = circuits.hq_unet(2, 2)
    with pytest.raises(CircuitError, match=r"data \(\.\.\., 12\).*got \(1, 11\)"):
        compile_circuit(circuit)(torch.zeros(1, 11), torch.zeros(8))
    with pytest.raises(CircuitError, match="Did you mean 'statevector'"):
        compile_circuit(circuit, "state_vector")
    with pytest.raises(CircuitError, match="float32 or"):
        compile_circuit(circuit, dtype=torch.bfloat16)


def test_constant_outputs():
    circuit = Circuit(2, [RX(0.0, 0)], [Pauli("Z", 1), Pauli("X", 0), Pauli("ZZ", (0, 1))])
    for engine in ENGINES:
        out = compile_circuit(circuit, engine)(torch.zeros(3, 0), torch.zeros(0))
        assert out.tolist() == [[1.0, 0.0, 1.0]] * 3
