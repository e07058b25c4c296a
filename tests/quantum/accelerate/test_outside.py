"""Layers that use more than their inputs and parameters, or differ in training, are refused by name."""

import pennylane as qml
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate import accelerate
from tests.quantum.accelerate.layers import layer


class Around(nn.Module):
    """A model whose QNode turns by an angle that the model has, and the layer has not."""

    def __init__(self):
        super().__init__()
        self.q = layer(self.circuit(), {"w": (1,)}, 1)

    def circuit(self):
        def circuit(inputs, w):
            qml.RX(inputs[..., 0], 0)
            qml.RY(w[0] + self.angle(), 0)
            return [qml.expval(qml.Z(0))]

        return circuit

    def angle(self):
        return self.theta[0]

    def forward(self, x):
        return self.q(x)


class Trained(Around):
    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.full((2,), 0.3))


class Frozen(Trained):
    def __init__(self):
        super().__init__()
        self.theta.requires_grad_(False)


class Buffered(Around):
    def __init__(self):
        super().__init__()
        self.register_buffer("theta", torch.full((2,), 0.3))


class AsNumbers(Buffered):
    def angle(self):
        return self.theta.numpy()[0]


class AsOneNumber(Trained):
    def angle(self):
        return float(self.theta[0])


class ThroughAnAlias(Trained):
    def __init__(self):
        super().__init__()
        self.alias = self.theta.data.view(2, 1)

    def angle(self):
        return self.alias[1, 0]


@pytest.mark.parametrize("model", [Trained, Frozen, Buffered, AsNumbers, ThroughAnAlias])
def test_tensors_of_the_model_around_are_refused(model):
    with pytest.raises(CircuitError, match=r"Layer 'q' \(TorchLayer\) cannot be accelerated. It uses theta, beside"):
        accelerate(model(), torch.rand(3, 1))


def test_numbers_of_the_model_around_are_refused():
    with pytest.raises(CircuitError, match=r"taken out of a tensor with float\(\)"):
        accelerate(AsOneNumber(), torch.rand(3, 1))


def test_trained_tensors_that_no_model_holds_are_refused():
    theta = nn.Parameter(torch.tensor([0.3]))

    def circuit(inputs, w):
        qml.RX(inputs[..., 0] + w[0], 0)
        qml.RY(theta[0], 0)
        return [qml.expval(qml.Z(0))]

    with pytest.raises(CircuitError, match=r"a trained tensor \(1,\) that the model does not hold"):
        accelerate(layer(circuit, {"w": (1,)}, 1), torch.rand(3, 1))


def test_what_another_part_leaves_behind_is_refused():
    class Passing(Around):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 1)

        def angle(self):
            return self.left

        def forward(self, x):
            self.left = self.linear(x).mean()
            return self.q(x)

    with pytest.raises(CircuitError, match=r"It uses linear\.\w+, linear\.\w+"):
        accelerate(Passing(), torch.rand(3, 1))


def test_a_trained_factor_behind_the_circuit_is_refused_though_it_is_one():
    class Scaled(qml.qnn.TorchLayer):
        def forward(self, inputs):
            return super().forward(inputs) * scale

    @qml.qnode(qml.device("default.qubit", wires=1))
    def circuit(inputs, w):
        qml.RX(inputs[..., 0] + w[0], 0)
        return [qml.expval(qml.Z(0))]

    scale = nn.Parameter(torch.ones(()))
    model = nn.Sequential(Scaled(circuit, {"w": (1,)}))
    model.register_parameter("scale", scale)
    with pytest.raises(CircuitError, match="It uses scale, beside"):
        accelerate(model, torch.rand(3, 1))


def test_constants_and_shapes_may_come_from_outside():
    class Shapes(Buffered):
        def angle(self):
            return len(self.theta) * self.theta.shape[0] / self.theta.size(0) + constant[0]

    constant = torch.tensor([0.2])
    model, inputs = Shapes(), torch.rand(3, 1)
    fast, _ = accelerate(model, inputs)
    torch.testing.assert_close(fast(inputs), model(inputs))


def turn(inputs, w):
    qml.RX(inputs[..., 0] + w[0], 0)
    return [qml.expval(qml.Z(0))]


def node():
    return qml.QNode(turn, qml.device("default.qubit", wires=1))


class Dropping(qml.qnn.TorchLayer):
    def forward(self, inputs):
        return F.dropout(super().forward(inputs), 0.5, self.training)


class Wary(Around):
    """Its QNode looks at the model's mode."""

    def angle(self):
        return 0.4 if self.training else 0.0


@pytest.mark.parametrize("build", [lambda: Dropping(node(), {"w": (1,)}), Wary])
def test_layers_that_differ_in_training_are_refused(build):
    model = build()
    with pytest.raises(CircuitError, match="on the sample in training mode the outputs differ"):
        accelerate(model.eval(), torch.rand(3, 1))
    assert not model.training


def test_layers_that_always_drop_in_evaluation_only_are_fine():
    """A model that keeps its layer in evaluation mode, whatever train() says."""

    class Quiet(Dropping):
        def train(self, mode=True):
            return super().train(False)

    model, inputs = nn.Sequential(Quiet(node(), {"w": (1,)})).train(), torch.rand(3, 1)
    fast, _ = accelerate(model, inputs)
    torch.testing.assert_close(fast(inputs), model(inputs))


def test_the_layer_that_is_handed_over_is_compared_in_its_own_precision():
    """In single precision PennyLane turns by exact angles here, where the replacement's are off by a tenth."""

    def circuit(inputs, w):
        qml.RX(1e6 * inputs[..., 0].double() + w[0], 0)
        return [qml.expval(qml.Z(0))]

    model = layer(circuit, {"w": (1,)}, 1)
    with pytest.raises(CircuitError, match="on the sample in float32 the outputs differ"):
        accelerate(model, torch.rand(3, 1))
    fast, _ = accelerate(model, torch.rand(3, 1, dtype=torch.float64))
    inputs = torch.rand(3, 1, dtype=torch.float64)
    torch.testing.assert_close(fast(inputs), model(inputs), atol=1e-8, rtol=0)


def test_statistics_are_put_back_though_they_were_run_in_training_mode():
    """A layer that is normalised in training only differs there, and its statistics are left as they were."""

    class Normalising(qml.qnn.TorchLayer):
        def forward(self, inputs):
            out = super().forward(inputs)
            return norm(out) if self.training else out

    norm = nn.BatchNorm1d(1, affine=False, dtype=torch.float64)
    model = nn.Sequential(Normalising(node(), {"w": (1,)}), nn.Identity())
    model[1].norm = norm
    with pytest.raises(CircuitError, match="on the sample in training mode the outputs differ"):
        accelerate(model, torch.rand(3, 1))
    assert norm.num_batches_tracked == 0
    assert norm.running_mean == 0
