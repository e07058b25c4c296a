"""What is said of circuits against their own outputs, gradients and angles."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from hqzoo.callbacks.circuit_watch import VALUES, CircuitWatch, circuit_layers, circuit_plans
from hqzoo.quantum import QuantumLayer, circuits


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), QuantumLayer(circuits.qufex(4), seed=0), nn.Linear(4, 2))


def step(model: nn.Module, data: torch.Tensor) -> None:
    model.zero_grad()
    model(data).square().mean().backward()


def test_layers_and_their_plans(model: nn.Module) -> None:
    layers = circuit_layers(model)
    assert list(layers) == ["1"]
    (row,) = circuit_plans(layers)
    plan = model[1].compiled.plan
    assert (row["circuit"], row["qubits"], row["asked_for"], row["engine"]) == ("1", 4, "auto", plan.engine)


def test_outputs_and_gradients_of_the_steps_that_are_looked_at(model: nn.Module) -> None:
    watch, layer = CircuitWatch(circuit_layers(model)), model[1]
    outputs, gradients = [], []
    for number in range(4):
        data = torch.randn(5, 3)
        if number in (1, 3):
            watch.look()
            outputs.append(layer(model[0](data)).detach())
            watch.rest()
            watch.look()
        step(model, data)
        if watch.looking:
            watch.keep_gradients()
            gradients.append(layer.weights.grad.clone())
        watch.rest()
    health = watch.report()["1"]
    assert not layer._forward_hooks
    assert len(health.outputs) == 2 * 2 * 5 * 4  # each batch went through the layer twice
    torch.testing.assert_close(torch.from_numpy(health.outputs[:20]).float(), outputs[0].flatten())
    assert health.scores["gradient_variance"] == pytest.approx(float(torch.cat(gradients).double().var(unbiased=False)))
    assert health.scores["expectation_mean"] == pytest.approx(health.outputs.mean())
    assert set(watch.report()["1"].scores) == {"weight_moved"}  # the rest is forgotten


def test_angles_beyond_half_a_turn(model: nn.Module) -> None:
    """QuFeX encodes x as the angle pi x."""
    watch = CircuitWatch(circuit_layers(model))
    data = torch.tensor([[0.5, 1.5, -2.0, 0.1], [0.9, -0.9, 3.0, 0.0]])
    watch.look()
    model[1](data)
    assert watch.report()["1"].scores["wrapped_share"] == pytest.approx(3 / 8)


def test_weights_move_the_shorter_way_round(model: nn.Module) -> None:
    watch, layer = CircuitWatch(circuit_layers(model)), model[1]
    with torch.no_grad():
        layer.weights += 2 * math.pi - 0.1
    health = watch.report()["1"]
    assert health.scores["weight_moved"] == pytest.approx(0.1, abs=1e-5)
    np.testing.assert_allclose(health.weights, layer.weights.detach().numpy())


def test_what_is_kept_is_bounded(model: nn.Module) -> None:
    watch = CircuitWatch(circuit_layers(model))
    watch.look()
    model[1](torch.rand(3 * VALUES, 4))
    assert VALUES / 2 < len(watch.report()["1"].outputs) <= VALUES


def test_the_accelerator_is_not_waited_for(model: nn.Module) -> None:
    """Tensors without values stand for those of an accelerator: whoever looked at one would fail."""
    layer = model[1].to("meta")
    layer.weights.grad = torch.empty_like(layer.weights)
    watch = CircuitWatch({"layer": layer})
    watch.look()
    (hook,) = layer._forward_hooks.values()
    hook(layer, (torch.empty(5, 4, device="meta"),), torch.empty(5, 4, device="meta"))
    watch.keep_gradients()
    watch.rest()
