"""What other libraries raise or hide is refused by name; no exception of theirs comes out."""

import sys

import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate import accelerate

qml = pytest.importorskip("pennylane", reason="the extra 'pennylane' is not installed")


def torch_layer(body=None, **options):
    @qml.qnode(qml.device("default.qubit", wires=2), **options)
    def node(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        if body is not None:
            body(inputs, weights)
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return [qml.expval(qml.PauliZ(k)) for k in range(2)]

    return qml.qnn.TorchLayer(node, {"weights": (1, 2)})


class Mapped(nn.Module):
    """A model that calls its layer one sample at a time, under a transform."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return torch.vmap(self.layer)(x)


def test_layers_under_vmap_are_refused_and_work_there_when_accelerated_alone():
    model, x = Mapped(torch_layer()), torch.rand(3, 2)
    with pytest.raises(CircuitError, match=r"Layer 'layer' is called under torch\.vmap.*accelerate the layer alone"):
        accelerate(model, x)
    alone, _ = accelerate(model.layer, x)
    torch.testing.assert_close(Mapped(alone)(x), model(x), atol=1e-5, rtol=0)


def test_methods_that_do_not_differentiate_batches_are_refused():
    model, x = nn.Sequential(nn.Linear(3, 2), torch_layer(diff_method="parameter-shift")), torch.rand(5, 3)
    with pytest.raises(CircuitError, match=r"Layer '1' \(TorchLayer\) cannot be accelerated.*NotImplementedError"):
        accelerate(model, x)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda x, w: qml.evolve(qml.X(0) @ qml.Y(1) + qml.Z(0), w[0, 0]), r"Evolution.*cannot be read"),
        (lambda x, w: qml.RX(w[0, 0] / 0, 0), "cannot be accelerated"),
    ],
)
def test_what_no_gate_of_ours_does_is_refused(body, message):
    with pytest.raises(CircuitError, match=message):
        accelerate(torch_layer(body), torch.rand(4, 2))


def test_modules_that_squeeze_a_batch_of_one_are_refused():
    class Squeezed(type(torch_layer())):
        def forward(self, x):
            return super().forward(x).squeeze(0)

    layer = torch_layer()
    squeezed = Squeezed(layer.qnode, {"weights": (1, 2)})
    with pytest.raises(CircuitError, match="cannot be accelerated"):
        accelerate(squeezed, torch.rand(4, 2))


def test_models_that_do_not_run_say_so():
    model = nn.Sequential(nn.Linear(3, 2), torch_layer())
    with pytest.raises(CircuitError, match=r"does not run on the sample: RuntimeError: .*shapes"):
        accelerate(model, torch.rand(5, 4))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="TorchQuantum's pins have no wheels for 3.13")
class TestTorchQuantum:
    def test_state_preparation_is_refused_by_name(self):
        tq = pytest.importorskip("torchquantum")

        class Layer(tq.QuantumModule):
            def __init__(self):
                super().__init__()
                self.encoder = tq.AmplitudeEncoder() if hasattr(tq, "AmplitudeEncoder") else tq.StateEncoder()
                self.turn, self.measure = tq.RX(has_params=True, trainable=True), tq.MeasureAll(tq.PauliZ)

            def forward(self, x):
                device = tq.QuantumDevice(n_wires=2, bsz=x.shape[0])
                self.encoder(device, x)
                self.turn(device, wires=1)
                return self.measure(device)

        with pytest.raises(CircuitError, match="prepares a state without gates, as AmplitudeEncoder"):
            accelerate(Layer(), torch.rand(5, 4))

    def test_the_ansatz_of_torchquantums_own_quanvolution(self):
        tq = pytest.importorskip("torchquantum")
        from torchquantum.layer import U3CU3Layer0

        class Filter(tq.QuantumModule):
            def __init__(self):
                super().__init__()
                self.encoder = tq.GeneralEncoder([{"input_idx": [k], "func": "ry", "wires": [k]} for k in range(4)])
                self.ansatz = U3CU3Layer0({"n_wires": 4, "n_blocks": 1, "n_layers_per_block": 2})
                self.measure = tq.MeasureAll(tq.PauliZ)

            def forward(self, x):
                device = tq.QuantumDevice(n_wires=4, bsz=len(x), device=x.device)
                self.encoder(device, x)
                self.ansatz(device)
                return self.measure(device)

        model, x = Filter(), torch.rand(3, 4)
        faster, _ = accelerate(model, x)
        torch.testing.assert_close(faster(x), model(x), atol=1e-4, rtol=0)
