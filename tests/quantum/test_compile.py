"""The compiled function: weights for every sample, and angles that are no numbers."""

import math

import pytest
import torch

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Pauli, circuits, compile_circuit, feature, weight
from hqzoo.quantum.gates import CNOT, RX, RY

CIRCUIT = Circuit(
    3,
    [
        RY(feature(0) + 0.5 * weight(1), 0),
        RX(feature(1), 1),
        CNOT(0, 1),
        RY(weight(0), 1),
        CNOT(1, 2),
        RX(weight(1), 2),
    ],
    [Pauli("Z", 2), Pauli("XY", (0, 1))],
)
ENGINES = ("cone", "statevector", "density", "pennylane", "torchquantum")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_sample_may_bring_its_own_weights(engine):
    if engine == "torchquantum":
        pytest.importorskip("torchquantum", reason="TorchQuantum is not installed")
    dtype = torch.float32 if engine == "torchquantum" else torch.float64
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(4, 2, generator=generator, dtype=dtype, requires_grad=True)
    weights = torch.randn(5, 1, 2, generator=generator, dtype=dtype, requires_grad=True)
    function = compile_circuit(CIRCUIT, engine, dtype)
    together = function(inputs, weights)
    one_by_one = torch.stack([function(inputs, own[0]) for own in weights])
    assert together.shape == (5, 4, 2)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(together, one_by_one, atol=tolerance, rtol=0)
    cotangent = torch.randn(5, 4, 2, generator=generator, dtype=dtype)
    for ours, theirs in zip(
        torch.autograd.grad(together, (inputs, weights), cotangent),
        torch.autograd.grad(one_by_one, (inputs, weights), cotangent),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=10 * tolerance, rtol=0)


def test_weights_of_every_sample_compile_into_one_graph_and_stay_out_of_the_state():
    function = compile_circuit(CIRCUIT)
    inputs, weights = torch.randn(4, 2), torch.randn(4, 2)
    expected = function(inputs, weights)
    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(inputs, weights), expected)
    assert not function.state_dict()


def test_weights_that_do_not_broadcast_with_the_data_are_refused():
    with pytest.raises(CircuitError, match=r"\(3, 2\) and weights \(4, 2\) do not broadcast"):
        compile_circuit(CIRCUIT)(torch.zeros(3, 2), torch.zeros(4, 2))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_angles_that_are_no_numbers_are_refused_with_their_place(value):
    function = compile_circuit(CIRCUIT)
    inputs, weights = torch.zeros(3, 2), torch.zeros(2)
    inputs[2, 1] = value
    with pytest.raises(CircuitError, match=rf"data\[2, 1\] is {value} and not an angle \(1 of 6 values"):
        function(inputs, weights)
    weights[1] = value
    with pytest.raises(CircuitError, match=rf"weights\[1\] is {value}"):
        function(torch.zeros(3, 2), weights)


def test_large_finite_angles_are_angles():
    function = compile_circuit(CIRCUIT, dtype=torch.float64)
    inputs = torch.full((3, 2), 1e308, dtype=torch.float64)  # their sum is infinite
    assert function(inputs, torch.zeros(2)).isfinite().all()


def test_where_values_cannot_be_looked_at_nan_reaches_the_outputs():
    function = compile_circuit(circuits.hq_unet(2, 2))
    inputs = torch.full((1, 12), math.nan)
    weights = torch.zeros(8)
    assert torch.compile(function, backend="aot_eager", fullgraph=True)(inputs, weights).isnan().all()
    assert torch.vmap(function, in_dims=(0, None))(inputs.unsqueeze(1), weights).isnan().all()
