"""A replacement takes the foreign layer's place in everything that a model does with it."""

import copy

import pennylane as qml
import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate import accelerate
from tests.quantum.accelerate.layers import entangling, layer


def turn(inputs, w):
    qml.RX(inputs[..., 0], 0)
    qml.RY(w[0] * inputs[..., 0], 0)  # not affine: the replacement has a front
    return [qml.expval(0.7 * qml.Z(0) + 0.31 * qml.X(0) + 0.123 * qml.I(0))]


class Model(nn.Module):
    """Two layers, of which a test may tie something."""

    def __init__(self):
        super().__init__()
        self.a, self.b = layer(turn, {"w": (1,)}, 1), layer(turn, {"w": (1,)}, 1)

    def forward(self, x):
        return self.b(self.a(x))


def step(model, inputs):
    """Train one step, and return what the model computes then."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(inputs).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return model(inputs)


def test_layers_that_share_a_parameter_go_on_sharing_it():
    torch.manual_seed(0)
    model, inputs = Model(), torch.randn(4, 1)
    model.b.w = model.a.w
    model.b.qnode_weights["w"] = model.a.w
    fast, _ = accelerate(model, inputs)
    assert fast.a.w is fast.b.w
    assert fast.a.w is not model.a.w
    assert [name for name, _ in fast.named_parameters()] == [name for name, _ in model.named_parameters()]
    torch.testing.assert_close(step(fast, inputs), step(model, inputs))
    torch.testing.assert_close(step(copy.deepcopy(fast), inputs), step(copy.deepcopy(model), inputs))


def test_parameters_that_are_used_classically_too_stay_one():
    class Scaled(Model):
        def __init__(self):
            super().__init__()
            self.scale = self.a.w

        def forward(self, x):
            return self.scale * super().forward(x)

    torch.manual_seed(0)
    model, inputs = Scaled(), torch.randn(4, 1)
    fast, _ = accelerate(model, inputs)
    assert fast.scale is fast.a.w
    torch.testing.assert_close(step(fast, inputs), step(model, inputs))


def test_one_parameter_can_be_two_arguments_of_a_qnode():
    def circuit(inputs, a, b):
        qml.RX(inputs[..., 0] + a[0], 0)
        qml.RY(b[0] - a[1], 0)
        return qml.expval(qml.Z(0))

    torch.manual_seed(0)
    model, inputs = layer(circuit, {"a": 2, "b": 2}, 1), torch.randn(4, 1)
    model.b = model.a
    model.qnode_weights["b"] = model.a
    fast, _ = accelerate(model, inputs)
    assert fast.b is fast.a
    assert list(fast.state_dict()) == list(model.state_dict())
    torch.testing.assert_close(step(fast, inputs), step(model, inputs))


def test_a_qnode_that_is_not_given_the_layers_parameter_is_refused():
    model = layer(turn, {"w": (1,)}, 1)
    model.w = nn.Parameter(torch.ones(1))
    with pytest.raises(CircuitError, match="another tensor than its parameter w"):
        accelerate(model, torch.randn(2, 1))


def test_replacements_take_their_input_under_its_name():
    class Named(Model):
        def forward(self, x):
            return self.b(inputs=self.a(x))

    model, inputs = Named(), torch.randn(4, 1)
    fast, _ = accelerate(model, inputs)
    torch.testing.assert_close(fast(inputs), model(inputs))
    torch.testing.assert_close(fast.a(inputs=inputs), model.a(inputs))  # met by position in the model
    with pytest.raises(CircuitError, match="takes one tensor, 'inputs', and got data"):
        fast.a(data=inputs)
    with pytest.raises(CircuitError, match="got nothing"):
        fast.a()


def test_autocast_leaves_the_whole_layer_in_its_precision():
    model, inputs = Model(), torch.randn(16, 1)
    fast, _ = accelerate(model, inputs)
    expected = fast.a(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fast.a(inputs), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_casts_of_the_model_leave_the_circuit_in_its_precision(dtype):
    torch.manual_seed(0)
    model, inputs = Model(), torch.rand(4, 1)
    fast, _ = accelerate(model, inputs)
    expected = fast.a(inputs)
    fast = fast.to(dtype)
    assert fast.a.w.dtype == dtype
    out = fast.a(inputs.to(dtype))
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), expected, atol=2e-3 if dtype == torch.float16 else 1e-6, rtol=0)


def test_nothing_of_the_model_is_changed_by_looking_at_it():
    model = nn.Sequential(nn.BatchNorm1d(3), entangling(1), nn.Dropout(0.5))
    model[2].eval()
    state, inputs = copy.deepcopy(model.state_dict()), torch.randn(4, 3)
    random = torch.get_rng_state()
    accelerate(model, inputs)
    assert [part.training for part in model] == [True, True, False]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_models_that_keep_tensors_for_later_are_copied():
    class Keeping(Model):
        def forward(self, x):
            self.kept = self.a(x)
            return self.b(self.kept)

    model, inputs = Keeping(), torch.randn(4, 1)
    fast, _ = accelerate(model, inputs)
    torch.testing.assert_close(fast(inputs), model(inputs))
