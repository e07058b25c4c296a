"""A circuit as a layer."""

import copy
import math

import onnxruntime
import pytest
import torch

from hqzoo.quantum import QuantumLayer, circuits, compile_circuit


def test_only_the_weights_are_state():
    layer = QuantumLayer(circuits.hq_unet(2, 2), seed=1)
    assert list(layer.state_dict()) == ["weights"]
    assert [name for name, _ in layer.named_parameters()] == ["weights"]
    assert 0 <= layer.weights.min() <= layer.weights.max() <= 2 * math.pi
    assert torch.equal(layer.weights, QuantumLayer(circuits.hq_unet(2, 2), seed=1).weights)
    assert QuantumLayer(circuits.hq_unet(2, 2), init="zeros").weights.abs().sum() == 0


def test_deepcopy_and_state_dict_round_trip_keep_the_function():
    layer = QuantumLayer(circuits.hq_unet(2, 3))
    angles = torch.rand(4, 18)
    expected = layer(angles)
    other = QuantumLayer(circuits.hq_unet(2, 3))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(copy.deepcopy(layer)(angles), expected)
    assert torch.equal(other(angles), expected)


def test_half_precision_models_keep_exact_constants():
    layer = QuantumLayer(circuits.hq_unet(2, 2))
    angles = torch.rand(4, 12)
    layer.to(torch.bfloat16)
    weights = layer.weights.detach().float()
    torch.testing.assert_close(layer(angles), compile_circuit(layer.circuit)(angles, weights), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "build",
    [lambda: circuits.hq_unet(3, 3), lambda: circuits.hq_unet(3, 3, periodic=True), circuits.swap_test],
    ids=["open", "periodic", "folded"],
)
def test_compiles_to_one_graph_without_a_call_before(build):
    layer = QuantumLayer(build())
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    angles = torch.rand(4, layer.circuit.n_data, requires_grad=True)
    torch.testing.assert_close(compiled(angles), layer(angles))
    (ours,) = torch.autograd.grad(compiled(angles).sum(), angles)
    (plain,) = torch.autograd.grad(layer(angles).sum(), angles)
    torch.testing.assert_close(ours, plain)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("circuit", "engine"),
    [(circuits.hq_unet(), "cone"), (circuits.qufex(8), "cone"), (circuits.fidelity(3), "statevector")],
    ids=["hq_unet", "qufex_8", "fidelity_3"],
)
def test_inductor_compiles_forward_and_backward(circuit, engine):
    layer = QuantumLayer(circuit, engine)
    compiled = torch.compile(layer, fullgraph=True)
    angles = torch.rand(8, circuit.n_data, requires_grad=True)
    torch.testing.assert_close(compiled(angles), layer(angles), atol=1e-5, rtol=0)
    for ours, plain in zip(
        torch.autograd.grad(compiled(angles).sum(), (angles, layer.weights)),
        torch.autograd.grad(layer(angles).sum(), (angles, layer.weights)),
        strict=True,
    ):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("circuit", "engine"),
    [
        (circuits.hq_unet(), "cone"),
        (circuits.qmoe("global"), "cone"),
        (circuits.qufex(8, kind=2), "statevector"),
        (circuits.hq_unet(2, 3, n_layers=2), "statevector"),
        (circuits.swap_test(3), "auto"),
        (circuits.qcnn(), "auto"),
    ],
    ids=["hq_unet", "qmoe_global", "qufex_8", "two_layers", "swap_test_3", "qcnn"],
)
def test_onnx_export_computes_the_same_at_any_batch_size(circuit, engine, tmp_path):
    layer = QuantumLayer(circuit, engine).eval()
    angles, path = torch.rand(4, circuit.n_data), tmp_path / "layer.onnx"
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    torch.onnx.export(layer, (angles,), path, dynamo=True, dynamic_shapes=(batch,), verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in (1, 4, 700):
        angles = torch.randn(size, circuit.n_data)
        (found,) = session.run(None, {session.get_inputs()[0].name: angles.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), layer(angles).detach(), atol=1e-5, rtol=0)


def test_closed_form_of_a_single_filter():
    """<Z_a>, <Z_b> of F after RY(x): by hand from the plane rotations and two products of hq-unet.md 3.5."""
    from hqzoo.quantum import Circuit, Pauli, feature, weight
    from hqzoo.quantum.gates import CNOT, RY

    circuit = Circuit(
        2,
        [RY(feature(0), 0), RY(feature(1), 1), CNOT(0, 1), RY(weight(0), 0), RY(weight(1), 1)],
        [Pauli("Z", 0), Pauli("Z", 1)],
    )
    x, w = torch.tensor([[0.4, 1.1]], dtype=torch.float64), torch.tensor([0.7, -0.2], dtype=torch.float64)
    (a, b), (phi_a, phi_b) = x[0], w
    z_a = phi_a.cos() * a.cos() - phi_a.sin() * a.sin() * b.sin()
    z_b = phi_b.cos() * a.cos() * b.cos() - phi_b.sin() * b.sin()
    out = compile_circuit(circuit, dtype=torch.float64)(x, w)[0]
    torch.testing.assert_close(out, torch.stack([z_a, z_b]))
