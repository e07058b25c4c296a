"""The ``pennylane`` engine: batched, against PennyLane run sample by sample, closed forms and finite shots."""

import copy
import math
import sys

import pytest
import torch
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Gate, Overlap, Pauli, Probabilities, circuits, controlled, feature, weight
from hqzoo.quantum.engines.pennylane import PennyLaneEngine
from hqzoo.quantum.gates import BASE_GATES, CNOT, RX, RY, H
from tests.quantum.oracle import pennylane, random_circuits


def sample(circuit: Circuit, batch: int = 3, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(batch, circuit.n_data, generator=generator, dtype=torch.float64) * 2 - 1
    weights = torch.rand(circuit.n_weights, generator=generator, dtype=torch.float64) * 2 * math.pi
    return inputs.requires_grad_(), weights.requires_grad_()


def gradients(outputs, inputs, weights):
    if not outputs.requires_grad:
        return torch.zeros_like(inputs), torch.zeros_like(weights)
    cotangent = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view(outputs.shape)
    return torch.autograd.grad(outputs, (inputs, weights), cotangent, allow_unused=True, materialize_grads=True)


def assert_same(circuit: Circuit, engine, batch: int = 3, tolerance: float = 1e-10):
    inputs, weights = sample(circuit, batch)
    expected = pennylane(circuit, inputs, weights)
    outputs = engine(inputs, weights)
    torch.testing.assert_close(outputs, expected, atol=tolerance, rtol=0)
    reference = gradients(expected, inputs, weights)
    for ours, theirs in zip(gradients(outputs, inputs, weights), reference, strict=True):
        torch.testing.assert_close(ours, theirs, atol=max(1e-8, tolerance), rtol=0)


@settings(max_examples=15, deadline=None)
@given(random_circuits(max_wires=4, max_gates=8))
def test_random_circuits(circuit):
    assert_same(circuit, PennyLaneEngine(circuit, torch.float64), batch=2)


@pytest.mark.parametrize("n_controls", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(set(BASE_GATES) - {"Unitary"}))
def test_every_gate(name, n_controls):
    """One data angle, the others weights: batched and shared angles meet in one gate."""
    size, n_angles = BASE_GATES[name]
    n = size + n_controls
    angles = [feature(0), 0.5 * weight(0) + 0.1, weight(0) - 0.3][:n_angles]
    start = [gate for wire in range(n) for gate in (H(wire), RY(0.3 + wire, wire), RX(0.2, wire))]
    gate = controlled(Gate(name, tuple(range(size)), tuple(angles)), *range(size, n))
    circuit = Circuit(n, [*start, gate], [Pauli("X", 0), Pauli("Y", n - 1), Pauli("Z" * n, range(n))])
    assert_same(circuit, PennyLaneEngine(circuit, torch.float64), batch=2)


def test_hq_unet():
    circuit = circuits.hq_unet(2, 3)
    assert_same(circuit, PennyLaneEngine(circuit, torch.float64))


def test_devices_without_broadcasting_run_sample_by_sample():
    circuit = circuits.hq_unet(2, 2)
    # PennyLane's torch interface hands a C++ device's numbers over in torch's default precision.
    assert_same(circuit, PennyLaneEngine(circuit, torch.float64, device="lightning.qubit"), tolerance=1e-6)


def test_probabilities_overlap_and_strings_side_by_side():
    angles = [feature(0), feature(1), feature(2), 0.7 * weight(0)]
    observables = [Probabilities((2, 0)), Pauli("Z", 1), Overlap((0, 1), (2, 3))]
    circuit = Circuit(4, [RY(angle, wire) for wire, angle in enumerate(angles)], observables)
    inputs, weights = sample(circuit)
    out = PennyLaneEngine(circuit, torch.float64)(inputs, weights)
    a, b, c, d = *inputs.unbind(1), 0.7 * weights[0]
    up = {0: (a / 2).cos() ** 2, 2: (c / 2).cos() ** 2}
    expected = [
        up[2] * up[0], up[2] * (1 - up[0]), (1 - up[2]) * up[0], (1 - up[2]) * (1 - up[0]),
        b.cos(), ((a - c) / 2).cos() ** 2 * ((b - d) / 2).cos() ** 2,
    ]  # fmt: skip
    torch.testing.assert_close(out, torch.stack(expected, 1), atol=1e-10, rtol=0)


def test_constant_circuits_and_empty_batches():
    circuit = Circuit(2, [H(0), CNOT(0, 1)], [Probabilities((0, 1)), Pauli("XX", (0, 1))])
    engine = PennyLaneEngine(circuit)
    out = engine(torch.zeros(3, 0), torch.zeros(0))
    torch.testing.assert_close(out, torch.tensor([[0.5, 0, 0, 0.5, 1.0]]).expand(3, 5))
    assert out.dtype == torch.float32
    assert engine(torch.zeros(0, 0), torch.zeros(0)).shape == (0, 5)


def test_finite_shots_scatter_around_the_truth_and_have_a_gradient():
    circuit = Circuit(1, [RX(feature(0), 0), RY(weight(0), 0)], [Pauli("Z", 0)])
    engine = PennyLaneEngine(circuit, torch.float64, shots=2000, seed=1)
    x = torch.tensor([[0.4], [1.3]], dtype=torch.float64, requires_grad=True)
    w = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    out = engine(x, w)
    truth = x.cos() * w.cos()
    assert 0 < (out - truth).abs().max() < 5 / math.sqrt(2000)
    (slope,) = torch.autograd.grad(out.sum(), x)
    (expected,) = torch.autograd.grad(truth.sum(), x)
    assert 0 < (slope - expected).abs().max() < 0.15


def test_copies_compute_the_same():
    circuit = circuits.hq_unet(2, 2)
    engine = PennyLaneEngine(circuit, torch.float64)
    inputs, weights = sample(circuit)
    expected = engine(inputs, weights)
    assert torch.equal(copy.deepcopy(engine)(inputs, weights), expected)
    assert not list(engine.state_dict())


def test_a_missing_extra_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pennylane", None)  # what Python itself does for a blocked import
    with pytest.raises(
        CircuitError, match=r"engine='pennylane' needs the extra 'pennylane'.*pip install \"hqzoo\[penn"
    ):
        PennyLaneEngine(circuits.hq_unet(2, 2))
