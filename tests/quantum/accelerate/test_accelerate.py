"""PennyLane layers replaced: recovered exactly, proven equal, refused by name."""

import copy
import json
import math
import pickle

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, QuantumLayer, circuits
from hqzoo.quantum.accelerate import accelerate
from hqzoo.quantum.accelerate.pennylane_layer import PennyLaneSource
from hqzoo.quantum.importers.recover import recover
from tests.quantum.accelerate.layers import entangling, hq_unet_layer, hybrid_model, layer


def assert_same_function(old, new, inputs, tolerance: float = 2e-5):
    """Outputs, input gradients and parameter gradients in the layers' own single precision."""
    results = []
    for module in (old, new):
        leaf = inputs.clone().requires_grad_()
        out = module(leaf)
        cotangent = torch.linspace(-1, 1, out.numel()).view(out.shape)
        parameters = list(module.parameters())
        gradients = torch.autograd.grad(out, [leaf, *parameters], cotangent, allow_unused=True, materialize_grads=True)
        results.append((out, *gradients))
    for theirs, ours in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= tolerance * max(1.0, theirs.abs().max())


def test_hq_unet_is_recovered_gate_by_gate():
    """16 qubits, 168 gates: the tape of a natural TorchLayer is the published circuit, weight by weight."""
    recovered = recover(PennyLaneSource(hq_unet_layer(4, 4), batched=True), 48)
    assert recovered.circuit == circuits.hq_unet()
    assert len(recovered.circuit.gates) == 168
    assert recovered.data_index == tuple(range(48))
    assert recovered.weight_index == tuple(range(8))
    assert recovered.readout.is_plain
    assert recovered.n_front == 0


def test_hq_unet_in_a_network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 18), hq_unet_layer(2, 3), nn.Linear(12, 2))
    inputs = torch.randn(5, 4)
    fast, report = accelerate(model, inputs)
    assert isinstance(fast[1], QuantumLayer)
    assert isinstance(model[1], qml.qnn.TorchLayer)
    assert_same_function(model, fast, inputs)
    (found,) = report.layers
    assert found.circuit == circuits.hq_unet(2, 3)
    assert (found.name, found.engine, found.largest_piece, found.classical_form) == ("1", "cone", 1, True)
    assert found.inert == ()
    assert found.proof.cases == 32
    assert max(found.proof.outputs, found.proof.data_gradient, found.proof.weight_gradient) <= 1e-8
    assert found.speed_up > 1
    assert 0 < found.after.bytes < found.before.bytes
    assert json.dumps(report.to_dict())
    assert "an exact classical form exists" in str(report)


def test_state_dicts_fit_both_ways_and_training_goes_on():
    model, inputs = hybrid_model(), torch.randn(6, 5)
    running = model[1].running_mean.clone()
    fast, _ = accelerate(model, inputs)
    assert list(fast.state_dict()) == list(model.state_dict())
    assert fast[2].weights.shape == (2, 3, 3)
    assert torch.equal(model[1].running_mean, running)  # looking at the model changes nothing
    assert all(parameter.grad is None for parameter in model.parameters())
    assert fast.training
    assert_same_function(model, fast, inputs)
    optimizer = torch.optim.SGD(fast.parameters(), lr=0.1)
    before = fast[2].weights.detach().clone()
    fast(inputs).square().sum().backward()
    optimizer.step()
    assert not torch.equal(fast[2].weights, before)
    model.load_state_dict(fast.state_dict())
    assert_same_function(model.eval(), fast.eval(), inputs)
    assert_same_function(fast, pickle.loads(pickle.dumps(fast)), inputs)


def probabilities_first():
    return qml.probs(wires=[2, 0])


def one_value():
    return qml.expval(qml.Z(1))


def a_tuple():
    return qml.expval(qml.Z(0)), qml.expval(qml.X(1) @ qml.Y(2))


def a_sum():
    return [qml.expval(0.5 * qml.Z(0) - 2.0 * (qml.X(1) @ qml.Z(2)) + 3.0 * qml.I(0)), qml.probs(wires=[1])]


def a_matrix():
    return [qml.expval(qml.Hermitian(np.array([[1.0, 0.5j], [-0.5j, 2.0]]), wires=1))]


@pytest.mark.parametrize("returns", [probabilities_first, one_value, a_tuple, a_sum, a_matrix])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 3)])
def test_every_arrangement_of_outputs(returns, shape):
    torch.manual_seed(0)
    old, inputs = entangling(1, returns=returns), torch.randn(shape)
    new, _ = accelerate(old, inputs)
    assert_same_function(old, new, inputs)


def test_gates_of_every_kind():
    def circuit(inputs, a, b):
        qml.Hadamard(0)
        qml.Rot(inputs[..., 1], 2 * inputs[..., 0], a[1] - 0.3 * inputs[..., 0], wires=1)
        qml.ctrl(qml.Rot(a[1], b, a[0], wires=1), [0, 2], control_values=[0, 1])
        qml.adjoint(qml.S)(0)
        qml.adjoint(qml.U3)(a[0], b, a[1] / 5, wires=2)
        qml.PauliRot(b, "XYZ", wires=[0, 1, 2])
        qml.MultiControlledX(wires=[0, 1, 2], control_values=[1, 0])
        qml.ctrl(qml.GlobalPhase(inputs[..., 1]), 0)
        qml.ctrl(qml.PhaseShift, 1)(inputs[..., 0], wires=2)
        qml.IsingXY(b, wires=[0, 2])
        qml.CRot(a[0], 0.4 * b, b, wires=[2, 1])
        qml.QubitUnitary(qml.RX(0.3, 0).matrix() @ qml.Hadamard(0).matrix(), wires=1)
        qml.SX(1)
        qml.Toffoli([2, 1, 0])
        qml.Barrier()
        qml.CY([0, 1])
        qml.CSWAP([2, 0, 1])
        qml.SingleExcitation(a[1] / 3, wires=[0, 1])
        qml.pow(qml.T(2), 3)
        return [qml.expval(qml.X(0)), qml.expval(qml.Y(1) @ qml.Z(2))]

    old, inputs = layer(circuit, {"a": 2, "b": 1}), torch.randn(4, 2)
    new, report = accelerate(old, inputs)
    assert_same_function(old, new, inputs)
    assert report.layers[0].n_front == 0


def test_wire_labels_unused_features_and_constant_angles():
    @qml.qnode(qml.device("default.qubit", wires=["left", "right"]))
    def circuit(inputs, weights):
        qml.RX(math.pi * inputs[:, 2], "right")
        qml.RY(weights[1] + math.pi / 2, "left")
        qml.CNOT(["right", "left"])
        return [qml.expval(qml.Z("left"))]

    old, inputs = qml.qnn.TorchLayer(circuit, {"weights": (3,)}), torch.randn(4, 5)
    new, report = accelerate(old, inputs)
    assert new.circuit.n_data == 1
    assert report.layers[0].inert == ("weights[0]", "weights[2]")
    assert_same_function(old, new, inputs)


def test_inert_and_redundant_weights_are_found():
    def circuit(inputs, weights):
        qml.RY(inputs[..., 0], 0)
        qml.RX(weights[0], 0)
        qml.RX(weights[1], 0)  # only the sum of the two matters
        qml.RZ(weights[2], 0)  # before a Z reading: unseen
        qml.RX(weights[3], 1)  # outside the light cone
        return [qml.expval(qml.Z(0))]

    (found,) = accelerate(layer(circuit, {"weights": 4}), torch.randn(3, 1))[1].layers
    assert found.inert == ("weights[2]", "weights[3]")
    assert found.redundant == 1


def test_angles_that_are_not_affine_become_a_torch_function_in_front():
    def circuit(inputs, weights, scale):
        for wire in range(2):
            qml.RY(torch.arctan(inputs[..., wire]), wire)
            qml.RZ(scale[wire] * inputs[..., wire] ** 2, wire)
        qml.CNOT([0, 1])
        qml.RX(weights[0] + 0.5 * inputs[..., 0], 0)
        return [qml.expval(qml.X(0)), qml.expval(qml.Z(1))]

    old, inputs = layer(circuit, {"weights": (1,), "scale": 2}, 2), torch.randn(2, 3, 2)
    new, report = accelerate(old, inputs)
    assert report.layers[0].n_front == 4
    assert list(new.state_dict()) == ["weights", "scale"]
    assert_same_function(old, new, inputs)
    assert_same_function(new, copy.deepcopy(new), inputs)


def test_shared_layers_stay_shared():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = entangling(1)
            self.second = self.first

        def forward(self, x):
            return self.second(self.first(x))

    model, inputs = Twice(), torch.randn(2, 3)
    fast, report = accelerate(model, inputs)
    assert fast.first is fast.second
    assert len(report.layers) == 1
    assert_same_function(model, fast, inputs)


def test_devices_in_single_precision_are_proven_to_their_precision():
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return [qml.expval(qml.Z(0))]

    old, inputs = layer(circuit, {"weights": (1, 2)}, 2, "lightning.qubit", diff_method="adjoint"), torch.randn(2, 2)
    new, report = accelerate(old, inputs)
    assert report.layers[0].proof.tolerance == 1e-4
    assert_same_function(old, new, inputs)


# ---- refusals -----------------------------------------------------------------------------------------------------


def test_a_tape_that_changes_on_purpose_is_refused():
    swapped = {"on": False, "calls": 0}

    def circuit(inputs, weights):
        swapped["calls"] += 1
        swapped["on"] = swapped["calls"] > 12  # after the circuit was recovered
        (qml.RX if swapped["on"] else qml.RY)(inputs[..., 0], 0)
        qml.RY(weights[0], 0)
        return [qml.expval(qml.Z(0))]

    model = nn.Sequential(layer(circuit, {"weights": (1,)}, 1))
    with pytest.raises(CircuitError, match=r"Layer '0'.*does not reproduce it: on .* differ.*Nothing was replaced"):
        accelerate(model, torch.rand(2, 1))
    assert isinstance(model[0], qml.qnn.TorchLayer)


def test_a_branch_on_a_value_is_refused():
    def circuit(inputs, weights):
        if inputs[..., 0].mean() > 0:  # all of the points that a circuit is recovered from
            qml.RY(inputs[..., 0], 0)
        qml.RX(weights[0], 0)
        return [qml.expval(qml.Z(0))]

    with pytest.raises(CircuitError, match="a branch on a value cannot be"):
        accelerate(layer(circuit, {"weights": (1,)}, 1), torch.rand(2, 1))


def test_random_gates_are_refused():
    def circuit(inputs, weights):
        qml.RX(float(np.random.rand()), 0)
        qml.RY(inputs[..., 0] + weights[0], 0)
        return [qml.expval(qml.Z(0))]

    with pytest.raises(CircuitError, match=r"RX on \(0,\) change.*not through torch operations"):
        accelerate(layer(circuit, {"weights": (1,)}, 1), torch.rand(2, 1))


def test_numbers_taken_out_of_tensors_are_refused():
    def circuit(inputs, weights):
        qml.RX(float(weights[0]), 0)
        qml.RY(inputs[..., 0], 0)
        return [qml.expval(qml.Z(0))]

    with pytest.raises(CircuitError, match=r"RX on \(0,\)"):
        accelerate(layer(circuit, {"weights": (1,)}, 1), torch.rand(2, 1))


def test_samples_that_talk_to_each_other_are_refused():
    def circuit(inputs, weights):
        qml.RX(inputs[:, 0] - inputs[:, 0].mean(), 0)
        qml.RY(weights[0], 0)
        return [qml.expval(qml.Z(0))]

    with pytest.raises(CircuitError, match="on the sample the outputs differ"):
        accelerate(layer(circuit, {"weights": (1,)}, 1), torch.rand(4, 1))


def prepared_state(inputs, weights):
    qml.AmplitudeEmbedding(inputs, wires=range(2), normalize=True)
    qml.RX(weights[0], 0)
    return [qml.expval(qml.Z(0))]


def noise(inputs, weights):
    qml.RX(inputs[..., 0] + weights[0], 0)
    qml.DepolarizingChannel(0.1, wires=0)
    return [qml.expval(qml.Z(0))]


def variance(inputs, weights):
    qml.RX(inputs[..., 0] + weights[0], 0)
    return [qml.var(qml.Z(0))]


def measurement_inside(inputs, weights):
    qml.RX(inputs[..., 0] + weights[0], 0)
    qml.measure(0)
    return [qml.expval(qml.Z(0))]


@pytest.mark.parametrize(
    ("circuit", "device", "reason"),
    [
        (prepared_state, "default.qubit", "prepares a state from data"),
        (noise, "default.mixed", "DepolarizingChannel is a noise channel"),
        (variance, "default.qubit", r"returns var.*only expval and probs"),
        (measurement_inside, "default.qubit", "measurements inside a circuit"),
    ],
)
def test_what_is_no_circuit_is_refused_by_name(circuit, device, reason):
    with pytest.raises(CircuitError, match=reason):
        accelerate(layer(circuit, {"weights": (1,)}, 2, device), torch.rand(2, 4))


def test_shots_are_refused():
    def circuit(inputs, weights):
        qml.RX(inputs[..., 0] + weights[0], 0)
        return [qml.expval(qml.Z(0))]

    node = qml.set_shots(qml.QNode(circuit, qml.device("default.qubit", wires=1)), shots=50)
    with pytest.raises(CircuitError, match="50 shots, so its outputs are random"):
        accelerate(qml.qnn.TorchLayer(node, {"weights": (1,)}), torch.rand(2, 1))


def test_nothing_to_accelerate_unreached_layers_and_too_few_trials():
    with pytest.raises(CircuitError, match="Linear contains no PennyLane TorchLayer"):
        accelerate(nn.Linear(2, 2), torch.zeros(1, 2))

    class Unreached(nn.Module):
        def __init__(self):
            super().__init__()
            self.quantum = entangling(1)

        def forward(self, x):
            return x

    with pytest.raises(CircuitError, match="Layer 'quantum' was not called"):
        accelerate(Unreached(), torch.zeros(1, 3))
    with pytest.raises(CircuitError, match="at least 32"):
        accelerate(entangling(1), torch.zeros(1, 3), trials=3)


def test_samples_as_keywords_and_tuples():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.quantum = entangling(1)

        def forward(self, x, shift):
            return self.quantum(x + shift)

    model = Two()
    for sample in ((torch.rand(2, 3), 0.1), {"x": torch.rand(2, 3), "shift": 0.1}):
        fast, _ = accelerate(model, sample)
        assert isinstance(fast.quantum, QuantumLayer)
        assert isinstance(fast.quantum.circuit, Circuit)


def test_replacements_compile_to_one_graph():
    def circuit(inputs, weights):
        qml.RY(torch.arctan(inputs[..., 0]), 0)
        qml.RX(inputs[..., 1] + weights[1], 1)
        qml.CNOT([0, 1])
        return qml.expval(qml.X(0)), qml.expval(2 * qml.Z(1))

    old, inputs = layer(circuit, {"weights": (2,)}, 2), torch.randn(3, 2)
    new, _ = accelerate(old, inputs)
    compiled = torch.compile(new, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(inputs), old(inputs), atol=1e-5, rtol=0)


def test_qiskits_connector_is_refused_by_name():
    connector = type("TorchConnector", (nn.Linear,), {"__module__": "qiskit_machine_learning.connectors"})
    with pytest.raises(CircuitError, match="Layer '0' is Qiskit's TorchConnector"):
        accelerate(nn.Sequential(connector(1, 1)), torch.zeros(1, 1))
