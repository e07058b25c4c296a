"""Probabilities in single precision: none negative, and rare outcomes known well."""

import math

import onnxruntime
import pytest
import torch
from torch import nn

from hqzoo.quantum import Circuit, Pauli, Probabilities, QuantumLayer, compile_circuit, feature, plan, weight
from hqzoo.quantum.engines import base
from hqzoo.quantum.engines.cone.engine import ConeEngine
from hqzoo.quantum.engines.cone.plan import plan_cone
from hqzoo.quantum.engines.density.engine import DensityEngine
from hqzoo.quantum.engines.statevector.engine import StatevectorEngine
from hqzoo.quantum.gates import CNOT, RX, RY


def chain(wires: int, read=None) -> Circuit:
    """RY on every wire, CNOTs between neighbours, and RX on the first."""
    gates = [*(RY(feature(wire), wire) for wire in range(wires)), *(CNOT(wire, wire + 1) for wire in range(wires - 1))]
    return Circuit(wires, [*gates, RX(weight(0), 0)], read or [Probabilities(range(wires))])


def sample(circuit, rows=2000, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(rows, circuit.n_data, generator=generator) * 2 * math.pi
    return inputs.to(dtype), torch.tensor([0.4], dtype=dtype)


ENGINES = {
    "cone": ConeEngine,
    "statevector": StatevectorEngine,
    "network": lambda circuit: DensityEngine(circuit, method="network"),
    "exact": lambda circuit: DensityEngine(circuit, method="exact"),
    "trajectories": lambda circuit: DensityEngine(circuit, method="trajectories", n_trajectories=1),
}


@pytest.mark.parametrize("wires", [2, 4, 5])
@pytest.mark.parametrize("name", ENGINES)
def test_none_is_negative_and_rare_ones_are_right(name, wires):
    circuit = chain(wires)
    found = ENGINES[name](circuit)(*sample(circuit))
    assert found.dtype == torch.float32
    assert (found >= 0).all()
    assert not nn.functional.nll_loss(found.log(), torch.zeros(len(found), dtype=torch.long)).isnan()
    exact = StatevectorEngine(circuit, torch.float64)(*sample(circuit, dtype=torch.float64))
    torch.testing.assert_close(found.double(), exact, atol=1e-6, rtol=0)
    if name != "exact":
        seen = exact > 1e-11
        assert ((found - exact).abs() / exact)[seen].max() < 0.01


def test_what_else_is_read_beside_them_keeps_its_sign_and_gradients_are_right():
    circuit = chain(3, [Pauli("Z", 0), Probabilities((2, 0)), Pauli("ZX", (0, 1))])
    inputs, weights = (tensor.requires_grad_() for tensor in sample(circuit, 50))
    found, exact = (engine(circuit)(inputs, weights) for engine in (ConeEngine, StatevectorEngine))
    assert (found[:, 0] < -0.1).any()
    torch.testing.assert_close(found, exact, atol=1e-6, rtol=0)
    cotangent = torch.linspace(-1, 1, found.numel()).view_as(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, (inputs, weights), cotangent),
        torch.autograd.grad(exact, (inputs, weights), cotangent),
        strict=True,
    ):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


def test_auto_squares_amplitudes_where_they_fit():
    assert plan(chain(5)).engine == "statevector"
    few = chain(5, [Probabilities(0)])
    assert (plan(few).engine, plan(few).bytes) == ("cone", 8 * plan_cone(few).rows)


def test_export_and_compilation_on_cone(tmp_path):
    circuit = chain(3)
    layer = QuantumLayer(circuit, "cone").eval()
    inputs, _ = sample(circuit, 20)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(inputs), layer(inputs))
    torch.onnx.export(layer, (inputs,), tmp_path / "layer.onnx", dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), layer(inputs).detach(), atol=1e-6, rtol=1e-3)


def test_devices_without_double_precision_take_single(monkeypatch):
    circuit = chain(4)
    function = compile_circuit(circuit, "cone")
    assert {tensor.dtype for tensor in function.buffers()} == {torch.float64, torch.long}
    exact = function(*sample(circuit))
    monkeypatch.setattr(base, "WITHOUT_DOUBLE", ("cpu",))
    function.to("cpu")
    assert {tensor.dtype for tensor in function.buffers()} == {torch.float32, torch.long}
    found = function(*sample(circuit))
    assert (found >= 0).all()
    torch.testing.assert_close(found, exact, atol=1e-6, rtol=0)
