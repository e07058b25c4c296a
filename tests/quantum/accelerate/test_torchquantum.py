"""TorchQuantum modules, written as its own examples write them, replaced or refused by name."""

import math
import sys

import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum import QuantumLayer
from hqzoo.quantum.accelerate import accelerate

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="TorchQuantum's pins have no wheels for 3.13")


@pytest.fixture(scope="module")
def tq():
    return pytest.importorskip("torchquantum", reason="the extra 'torchquantum' is not installed")


@pytest.fixture(scope="module")
def example(tq):
    """The layout of TorchQuantum's MNIST example: an encoder, operators with own parameters, and a measurement."""

    class QLayer(tq.QuantumModule):
        def __init__(self, measure=None):
            super().__init__()
            self.n_wires = 3
            self.encoder = tq.GeneralEncoder(
                [{"input_idx": [k], "func": func, "wires": [k % 3]} for k, func in enumerate(["ry"] * 3 + ["rz"] * 3)]
            )
            self.rx0 = tq.RX(has_params=True, trainable=True)
            self.crx0 = tq.CRX(has_params=True, trainable=True)
            self.u3 = tq.U3(has_params=True, trainable=True)
            self.measure = measure or tq.MeasureAll(tq.PauliZ)

        def forward(self, x):
            device = tq.QuantumDevice(n_wires=self.n_wires, bsz=x.shape[0], device=x.device)
            self.encoder(device, torch.nn.functional.avg_pool1d(x.unsqueeze(1), 2).squeeze(1))
            tq.functional.hadamard(device, wires=2)
            self.rx0(device, wires=0)
            self.crx0(device, wires=[0, 2])
            self.u3(device, wires=1)
            tq.functional.sx(device, wires=2)
            tq.functional.cnot(device, wires=[2, 1])
            tq.functional.rzz(device, wires=[0, 1], params=math.pi / 5)
            return self.measure(device)

    return QLayer


def assert_same_function(old, new, inputs):
    results = []
    for module in (old, new):
        leaf = inputs.clone().requires_grad_()
        out = module(leaf)
        cotangent = torch.linspace(-1, 1, out.numel()).view(out.shape)
        results.append((out, *torch.autograd.grad(out, [leaf, *module.parameters()], cotangent)))
    for theirs, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("observable", ["PauliZ", "PauliX"])
def test_the_examples_layer_with_its_pooling(tq, example, observable):
    torch.manual_seed(0)
    model = nn.Sequential(example(tq.MeasureAll(getattr(tq, observable))), nn.Linear(3, 2))
    inputs = torch.rand(4, 12)
    fast, report = accelerate(model, inputs)
    (found,) = report.layers
    assert isinstance(fast[0], QuantumLayer)
    assert (found.kind, found.circuit.n_wires, found.circuit.n_data) == ("TorchQuantum module", 3, 12)
    assert list(fast.state_dict()) == [key for key in model.state_dict() if not key.endswith(("state", "states"))]
    assert_same_function(model, fast, inputs)


def test_joint_strings_and_classical_layers_inside(tq):
    class Joint(tq.QuantumModule):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 2)
            self.ry = tq.RY(has_params=True, trainable=True)

        def forward(self, x):
            device = tq.QuantumDevice(2, bsz=x.shape[0])
            angles = torch.tanh(self.linear(x))
            device.rx(wires=0, params=angles[:, 0])
            device.ry(wires=1, params=angles[:, 1])
            device.cnot(wires=[0, 1])
            self.ry(device, wires=0)
            strings = ("XY", "ZI", "ZZ")
            return torch.stack([tq.expval_joint_analytical(device, string) for string in strings], dim=-1)

    torch.manual_seed(0)
    model, inputs = Joint(), torch.randn(3, 4)
    fast, report = accelerate(model, inputs)
    assert report.layers[0].n_front == 2
    assert_same_function(model, fast, inputs)


def test_a_second_reading_of_a_rotated_device_is_refused(tq):
    class Twice(tq.QuantumModule):
        def forward(self, x):
            device = tq.QuantumDevice(1, bsz=x.shape[0])
            device.ry(wires=0, params=x[:, 0])
            first = tq.expval(device, [0], [tq.PauliX()])
            return torch.cat([first, tq.expval(device, [0], [tq.PauliZ()])], dim=1)

    with pytest.raises(CircuitError, match="rotates the device in place"):
        accelerate(Twice(), torch.rand(2, 1))


def test_classical_operations_behind_the_measurement_are_refused(tq, example):
    class Softened(example):
        def forward(self, x):
            return super().forward(x).softmax(dim=1)

    with pytest.raises(CircuitError, match="output is not what it measured"):
        accelerate(Softened(), torch.rand(2, 12))


def test_buffers_that_the_circuit_reads_are_refused(tq, example):
    class Shifted(example):
        def __init__(self):
            super().__init__()
            self.register_buffer("b", torch.tensor([0.3]))

        def forward(self, x):
            return super().forward(x + self.b)

    with pytest.raises(CircuitError, match=r"Layer .0..*It uses 0\.b, beside its inputs"):
        accelerate(nn.Sequential(Shifted()), torch.rand(2, 12))


def test_buffers_that_the_circuit_does_not_read_are_kept(tq, example):
    class Versioned(example):
        def __init__(self):
            super().__init__()
            self.register_buffer("version", torch.tensor([3]))
            self.register_buffer("scratch", torch.tensor([3]), persistent=False)

    model, inputs = Versioned(), torch.rand(2, 12)
    fast, _ = accelerate(model, inputs)
    state = {key: value for key, value in model.state_dict().items() if not key.endswith(("state", "states"))}
    fast.load_state_dict(state)
    assert "version" in fast.state_dict()
    assert_same_function(model, fast, inputs)


def test_modules_that_differ_in_training_are_refused(tq, example):
    class Dropping(example):
        def __init__(self):
            super().__init__()
            self.dropout = nn.Dropout(0.3)

        def forward(self, x):
            return super().forward(self.dropout(x))

    class Jittering(example):
        def forward(self, x):
            return super().forward(x + 0.1 * torch.randn(()) if self.training else x)

    for kind in (Dropping, Jittering):
        with pytest.raises(CircuitError, match="on the sample in training mode the outputs differ"):
            accelerate(kind().eval(), torch.rand(3, 12))
