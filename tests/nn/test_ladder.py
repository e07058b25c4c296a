"""The control ladder for models as users of PennyLane, TorchQuantum, Qiskit and hqzoo write them."""

import copy
import sys

import pennylane as qml
import pytest
import torch
from torch import nn

import hqzoo
from hqzoo.errors import CircuitError, ConfigError
from hqzoo.nn import CONTROLS
from hqzoo.nn.controls import Constant, Mlp
from hqzoo.nn.ladder import Ladder
from hqzoo.quantum import QuantumLayer, circuits, separable
from tests.quantum.accelerate.layers import entangling, hybrid_model, layer

pytestmark = pytest.mark.filterwarnings("ignore:.*change no output")


class Network(nn.Module):
    """A classical network around quantum layers."""

    def __init__(self, *quantum, inputs=3, outputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.before = nn.Sequential(nn.Linear(20, 80), nn.ReLU(), nn.Linear(80, inputs))
        self.quantum = nn.Sequential(*quantum)
        self.after = nn.Linear(outputs, 2)

    def forward(self, image):
        return self.after(self.quantum(self.before(image)))


def torchquantum_layer():
    tq = pytest.importorskip("torchquantum", reason="the extra 'torchquantum' is not installed")

    class QLayer(tq.QuantumModule):
        def __init__(self):
            super().__init__()
            self.encoder = tq.GeneralEncoder([{"input_idx": [k], "func": "ry", "wires": [k]} for k in range(3)])
            self.crx = tq.CRX(has_params=True, trainable=True)
            self.rz = tq.RZ(has_params=True, trainable=True)
            self.measure = tq.MeasureAll(tq.PauliZ)

        def forward(self, x):
            device = tq.QuantumDevice(n_wires=3, bsz=x.shape[0], device=x.device)
            self.encoder(device, x)
            self.crx(device, wires=[0, 2])
            self.rz(device, wires=1)
            tq.functional.cnot(device, wires=[2, 1])
            return self.measure(device)

    return QLayer()


def qiskit_layer():
    pytest.importorskip("qiskit_machine_learning", reason="the extra 'qiskit-ml' is not installed (none on 3.13)")
    from qiskit.circuit.library import RealAmplitudes, ZZFeatureMap
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    features, weights = ZZFeatureMap(3, reps=1), RealAmplitudes(3, reps=1)
    network = EstimatorQNN(
        circuit=features.compose(weights),
        input_params=features.parameters,
        weight_params=weights.parameters,
        observables=[SparsePauliOp("IIZ"), SparsePauliOp("IZI"), SparsePauliOp("ZII")],
        input_gradients=True,
    )
    return TorchConnector(network)


def hqzoo_layer():
    return QuantumLayer(circuits.hq_unet(2, 2, encoding="ry", readout="z"))


@pytest.mark.parametrize(
    ("make", "width"),
    [
        pytest.param(lambda: entangling(2, 3), 3, id="pennylane"),
        pytest.param(
            torchquantum_layer,
            3,
            id="torchquantum",
            marks=pytest.mark.skipif(sys.version_info >= (3, 13), reason="TorchQuantum has no wheels for 3.13"),
        ),
        pytest.param(qiskit_layer, 3, id="qiskit"),
        pytest.param(hqzoo_layer, 4, id="hqzoo"),
    ],
)
def test_every_control_stands_in_every_librarys_place(make, width):
    model = Network(make(), inputs=width, outputs=width)
    before, image = copy.deepcopy(model.state_dict()), torch.rand(4, 20)
    expected = model(image)
    ladder = hqzoo.ladder(model, image, hidden=2)
    assert list(ladder) == list(CONTROLS)
    assert ladder.left_out == {}
    assert torch.equal(model(image), expected)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    torch.testing.assert_close(ladder["quantum"](image), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ladder["frozen"](image), expected, atol=1e-5, rtol=1e-4)
    assert all(isinstance(ladder[name].quantum[0], QuantumLayer) for name in ("quantum", "frozen", "separable"))
    assert ladder["separable"].quantum[0].circuit == separable(ladder["quantum"].quantum[0].circuit)
    assert ladder["identity"](image).equal(model.after(model.before(image)))
    assert ladder["zero"](image).equal(model.after(torch.zeros(4, width)))
    for name, variant in ladder.items():
        for key in before:
            if not key.startswith("quantum") or name in ("quantum", "frozen", "separable"):
                assert torch.equal(variant.state_dict()[key], before[key]), (name, key)
        assert_trains(variant, image, frozen=name == "frozen")
    assert torch.equal(model(image), expected)  # training a copy leaves the model alone


def assert_trains(variant, image, frozen):
    start = {key: value.clone() for key, value in variant.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in variant.parameters() if p.requires_grad], lr=0.1)
    variant(image).square().sum().backward()
    optimizer.step()
    moved = {key.split(".")[0] for key, value in variant.state_dict().items() if not torch.equal(value, start[key])}
    assert "after" in moved
    trained = any(p.requires_grad for p in variant.quantum.parameters())
    assert trained == (not frozen and bool(list(variant.quantum.parameters())))
    assert ("quantum" in moved) == trained


def test_mlp_is_the_widest_within_one_percent_over_unequal_layers():
    def size(model):
        return sum(p.numel() for p in model.parameters())

    second = QuantumLayer(circuits.hq_unet(2, 2, encoding="ry", readout="zx"))
    model = Network(entangling(1, 3), nn.Linear(3, 4), second, outputs=8)
    mlp = hqzoo.with_control(model, torch.rand(2, 20), "mlp")
    cores = [module for module in mlp.quantum.modules() if isinstance(module, Mlp)]
    assert [(core[0].in_features, core[2].out_features) for core in cores] == [(3, 3), (4, 8)]
    assert size(mlp) <= 1.01 * size(model) < size(mlp) + (3 + 1 + 3) + (4 + 1 + 8)


def test_one_layer_or_all_and_seeds():
    model, image = Network(hqzoo_layer(), hqzoo_layer(), inputs=4, outputs=4), torch.rand(2, 20)
    one = hqzoo.with_control(model, image, {"quantum.0": "constant"})
    assert isinstance(one.quantum[0], Constant)
    assert isinstance(one.quantum[1], QuantumLayer)
    torch.manual_seed(4)
    alone = hqzoo.with_control(model, image, "mlp")
    torch.manual_seed(4)
    ladder = hqzoo.ladder(model, image, controls=["constant", "mlp"])
    assert list(ladder) == ["constant", "mlp"]
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), ladder["mlp"].parameters(), strict=True))
    with pytest.raises(ConfigError, match=r"Unknown quantum part 'quantum\.2'"):
        hqzoo.with_control(model, image, {"quantum.2": "constant"})


def test_what_cannot_stand_there_is_left_out_with_the_reason():
    model = nn.Sequential(nn.Linear(5, 12), QuantumLayer(circuits.hq_unet(2, 2)), nn.Linear(8, 2))
    ladder = hqzoo.ladder(model, torch.rand(2, 5))
    assert isinstance(ladder, Ladder)
    assert set(ladder) == set(CONTROLS) - {"identity", "mlp", "mlp_time"}
    assert "this circuit has 12 and 8" in ladder.left_out["identity"]
    assert "no hidden layer fits between 12 inputs and 8 outputs" in ladder.left_out["mlp"]
    assert "control_hidden" in ladder.left_out["mlp_time"]
    assert "identity: left out. control='identity' needs" in str(ladder)
    for name in ("identity", "mlp", "mlp_time"):
        with pytest.raises(ConfigError, match=name):
            hqzoo.ladder(model, torch.rand(2, 5), controls=["constant", name])
    with pytest.raises(ConfigError, match="Did you mean 'constant'"):
        hqzoo.ladder(model, torch.rand(2, 5), controls=["constnat"])


def test_models_without_quantum_layers_are_refused():
    with pytest.raises(ConfigError, match="Linear contains no quantum layer"):
        hqzoo.ladder(nn.Linear(3, 2), torch.rand(2, 3))
    unused = Network(nn.Identity())
    unused.spare = entangling()
    with pytest.raises(CircuitError, match="'spare' was not called with one tensor"):
        hqzoo.ladder(unused, torch.rand(2, 20))


def test_a_layer_alone_and_a_zoo_model():
    alone, inputs = entangling(), torch.rand(2, 3)
    constant = hqzoo.with_control(alone, inputs, "constant")
    assert isinstance(constant.core, Constant)
    assert constant(inputs).shape == (2, 3)
    small = {"filters": (8, 12, 8), "n_filters": 2, "placement": "both"}
    zoo = hqzoo.create_model("qu_net", in_channels=3, num_classes=2, **small)
    ladder = hqzoo.ladder(zoo, torch.rand(1, 3, 32, 32), hidden=4)
    assert list(ladder) == list(CONTROLS)
    direct = hqzoo.create_model("qu_net", in_channels=3, num_classes=2, control="mlp", **small)
    assert [p.shape for p in direct.parameters()] == [p.shape for p in ladder["mlp"].parameters()]
    assert list(direct.state_dict()) == list(ladder["mlp"].state_dict())
    assert ladder["mlp"](torch.rand(1, 3, 32, 32)).shape == (1, 2, 32, 32)


def probabilities():
    return qml.probs(wires=[2, 0])


def stacked():
    return qml.expval(qml.Z(0)), qml.expval(qml.X(1) @ qml.Y(2))


def energy():
    return [qml.expval(0.5 * qml.Z(0) - 2.0 * (qml.X(1) @ qml.Z(2)) + 3.0 * qml.I(0))]


@pytest.mark.parametrize(
    ("returns", "shape"), [(probabilities, (2, 2, 3)), (stacked, (4, 3)), (stacked, (3,)), (energy, (4, 3))]
)
def test_controls_have_the_shapes_of_the_layer(returns, shape):
    model, inputs = entangling(1, returns=returns), torch.rand(shape)
    expected = model(inputs)
    names = ["zero", "constant", "linear", "mlp_time", "separable"]
    for variant in hqzoo.ladder(model, inputs, names, hidden=2).values():
        assert variant(inputs).shape == expected.shape
        assert variant(inputs=inputs).dtype == expected.dtype


def test_learned_numbers_reach_as_far_as_the_observable():
    """An energy between 0.5 and 5.5: a tanh must not keep the control from values that the circuit has."""
    model, inputs = entangling(1, returns=energy), torch.rand(4, 3)
    ladder = hqzoo.ladder(model, inputs, ["mlp_time", "constant"], hidden=2)
    mlp, constant = ladder["mlp_time"], ladder["constant"](inputs)
    for bias, edge in ((50.0, 5.5), (-50.0, 0.5)):
        mlp.core[0][2].bias.data.fill_(bias)
        torch.testing.assert_close(mlp(inputs), torch.full((4, 1), edge))
    assert constant.min() >= 0.5
    assert constant.max() <= 5.5


def test_separable_keeps_weights_features_and_readings_of_a_recovered_layer():
    """Against PennyLane itself, with the circuit's entanglers replaced by hand."""

    def build(inputs, weights, local):
        qml.AngleEmbedding(inputs**2, wires=range(3), rotation="Y")
        for k in range(3):
            qml.RX(weights[k], wires=k)
        for k in range(2):
            qml.RY(weights[3 + k], wires=k + 1) if local else qml.CRY(weights[3 + k], wires=[k, k + 1])
        return qml.probs(wires=[1, 2])

    def whole(inputs, weights):
        return build(inputs, weights, local=False)

    def apart(inputs, weights):
        return build(inputs, weights, local=True)

    model, by_hand, inputs = layer(whole, {"weights": 5}), layer(apart, {"weights": 5}), torch.rand(4, 3)
    by_hand.load_state_dict(model.state_dict())
    found = hqzoo.with_control(model, inputs, "separable")
    torch.testing.assert_close(found(inputs), by_hand(inputs), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found(inputs), model(inputs), atol=1e-2)


def test_double_precision_and_modes():
    model, inputs = hybrid_model().double().eval(), torch.rand(3, 5, dtype=torch.float64)
    for name, variant in hqzoo.ladder(model, inputs, controls=["quantum", "linear", "constant"]).items():
        assert variant(inputs).dtype == torch.float64, name
        assert not any(module.training for module in variant.modules())
