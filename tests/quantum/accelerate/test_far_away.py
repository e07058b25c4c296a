"""Replacements are equal for inputs far outside of the sample and of a turn, or there is none."""

import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate import accelerate
from tests.quantum.accelerate.layers import layer

BENT = {
    "clamp": lambda x: torch.clamp(x, -4, 4),
    "far clamp": lambda x: torch.clamp(x, -1e5, 1e5),
    "relu": lambda x: x + torch.relu(x - 50),
    "remainder": lambda x: torch.remainder(x, 1e4),
    "where": lambda x: torch.where(x.abs() < 2e3, x, 0.0),
}


def bent(name):
    def circuit(inputs, weights):
        qml.RX(BENT[name](inputs)[..., 0], 0)
        qml.RY(weights[0], 0)
        return [qml.expval(qml.Z(0))]

    return layer(circuit, {"weights": (1,)}, 1)


@pytest.mark.parametrize("name", BENT)
def test_angles_that_bend_far_away_are_computed_in_front(name):
    old = bent(name)
    new, report = accelerate(old, torch.rand(3, 1, dtype=torch.float64))
    assert report.layers[0].n_front == 1
    for size in (6.0, 60.0, 3e3, 3e5):
        inputs = size * torch.tensor([[-1.0], [1.0], [0.4]], dtype=torch.float64)
        torch.testing.assert_close(new(inputs), old(inputs), atol=1e-8, rtol=0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(-900, 900))
def test_affine_angles_stay_affine_and_equal_everywhere(slopes, at):
    def circuit(inputs, weights):
        qml.RX(slopes[0] * inputs[..., 0] + slopes[1] * weights[0] + slopes[2], 0)
        qml.RY(inputs[..., 0] + weights[1], 0)
        return [qml.expval(qml.Z(0))]

    old = layer(circuit, {"weights": 2}, 1)
    new, report = accelerate(old, torch.rand(2, 1, dtype=torch.float64))
    assert report.layers[0].n_front == 0
    inputs = torch.tensor([[at]], dtype=torch.float64)
    torch.testing.assert_close(new(inputs), old(inputs), atol=1e-8, rtol=0)


def test_branches_far_away_are_refused():
    def circuit(inputs, weights):
        qml.RX(inputs[..., 0] if inputs.detach().abs().max() < 1e6 else weights[0], 0)
        return [qml.expval(qml.Z(0))]

    with pytest.raises(CircuitError, match="a branch on a value cannot be"):
        accelerate(layer(circuit, {"weights": (1,)}, 1), torch.rand(2, 1))


def test_classical_operations_before_the_qnode_are_refused_though_they_bend_far_away():
    """What a subclass does before the QNode is on no tape; random inputs up to 1000 show it."""

    class Clamped(qml.qnn.TorchLayer):
        def forward(self, inputs):
            return super().forward(torch.clamp(inputs, -50, 50))

    @qml.qnode(qml.device("default.qubit", wires=1))
    def circuit(inputs, w):
        qml.RX(inputs[..., 0] + w[0], 0)
        return [qml.expval(qml.Z(0))]

    with pytest.raises(CircuitError, match="does not reproduce it: on random case"):
        accelerate(Clamped(circuit, {"w": (1,)}), torch.rand(2, 1))
