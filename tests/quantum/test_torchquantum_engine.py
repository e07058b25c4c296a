"""The ``torchquantum`` engine against PennyLane, and the traps of the library that it walks around.

Every trap is pinned on the raw library: should a later version mend one, its test says so.
"""

import copy
import math
import sys

import pytest
import torch
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Gate, Overlap, Pauli, Probabilities, circuits, controlled, feature, weight
from hqzoo.quantum.engines.pennylane import PennyLaneEngine
from hqzoo.quantum.engines.torchquantum import TorchQuantumEngine
from hqzoo.quantum.gates import BASE_GATES, CNOT, RX, RY, H
from tests.quantum.oracle import pennylane, random_circuits

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="TorchQuantum's pins have no wheels for 3.13")


@pytest.fixture(scope="module")
def tq():
    return pytest.importorskip("torchquantum", reason="the extra 'torchquantum' is not installed")


def sample(circuit: Circuit, batch: int = 3, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(batch, circuit.n_data, generator=generator) * 2 - 1
    weights = torch.rand(circuit.n_weights, generator=generator) * 2 * math.pi
    return inputs.requires_grad_(), weights.requires_grad_()


def gradients(outputs, inputs, weights):
    if not outputs.requires_grad:
        return torch.zeros_like(inputs), torch.zeros_like(weights)
    cotangent = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view(outputs.shape)
    return torch.autograd.grad(outputs, (inputs, weights), cotangent, allow_unused=True, materialize_grads=True)


def assert_same(circuit: Circuit, batch: int = 3):
    inputs, weights = sample(circuit, batch)
    outputs = TorchQuantumEngine(circuit)(inputs, weights)
    exact = inputs.detach().double().requires_grad_(), weights.detach().double().requires_grad_()
    expected = pennylane(circuit, *exact)
    torch.testing.assert_close(outputs.double(), expected, atol=1e-4, rtol=0)
    reference = gradients(expected, *exact)
    for ours, theirs in zip(gradients(outputs, inputs, weights), reference, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-4, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(random_circuits(max_wires=4, max_gates=10))
def test_random_circuits(tq, circuit):
    assert_same(circuit, batch=2)


@pytest.mark.parametrize("n_controls", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(set(BASE_GATES) - {"Unitary"}))
def test_every_gate(tq, name, n_controls):
    """One data angle, the others weights: batched and shared angles meet in one gate."""
    size, n_angles = BASE_GATES[name]
    n = size + n_controls
    angles = [feature(0), 0.5 * weight(0) + 0.1, weight(0) - 0.3][:n_angles]
    start = [gate for wire in range(n) for gate in (H(wire), RY(0.3 + wire, wire), RX(0.2, wire))]
    gate = controlled(Gate(name, tuple(range(size)), tuple(angles)), *range(size, n))
    assert_same(Circuit(n, [*start, gate], [Pauli("X", 0), Pauli("Y", n - 1), Pauli("Z" * n, range(n))]))


@pytest.mark.parametrize("batch", [1, 4])
def test_hq_unet(tq, batch):
    assert_same(circuits.hq_unet(2, 3), batch)


@pytest.mark.parametrize("name", sorted(circuits.named()))
def test_every_named_circuit(tq, name):
    """At published size; PennyLane itself judges, run as a batch."""
    circuit = circuits.named()[name]()
    results = []
    for engine, dtype in ((TorchQuantumEngine, torch.float32), (PennyLaneEngine, torch.float64)):
        inputs, weights = (value.detach().to(dtype).requires_grad_() for value in sample(circuit, batch=2))
        outputs = engine(circuit, dtype)(inputs, weights)
        results.append((outputs, *gradients(outputs, inputs, weights)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-4, rtol=1e-4)


def test_probabilities_overlap_and_strings_side_by_side(tq):
    angles = [feature(0), feature(1), feature(2), 0.7 * weight(0)]
    observables = [Probabilities((2, 0)), Pauli("X", 1), Overlap((0, 1), (2, 3)), Pauli("Z", 1)]
    circuit = Circuit(4, [RY(angle, wire) for wire, angle in enumerate(angles)], observables)
    inputs, weights = sample(circuit)
    out = TorchQuantumEngine(circuit)(inputs, weights)
    a, b, c, d = *inputs.unbind(1), 0.7 * weights[0]
    up = {0: (a / 2).cos() ** 2, 2: (c / 2).cos() ** 2}
    expected = [
        up[2] * up[0], up[2] * (1 - up[0]), (1 - up[2]) * up[0], (1 - up[2]) * (1 - up[0]),
        b.sin(), ((a - c) / 2).cos() ** 2 * ((b - d) / 2).cos() ** 2, b.cos(),
    ]  # fmt: skip
    torch.testing.assert_close(out, torch.stack(expected, 1), atol=1e-5, rtol=0)


def test_constant_circuits_empty_batches_and_copies_after_use(tq):
    circuit = Circuit(2, [H(0), CNOT(0, 1)], [Probabilities((0, 1)), Pauli("XX", (0, 1))])
    engine = TorchQuantumEngine(circuit)
    out = engine(torch.zeros(3, 0), torch.zeros(0))
    torch.testing.assert_close(out, torch.tensor([[0.5, 0, 0, 0.5, 1.0]]).expand(3, 5))
    assert engine(torch.zeros(0, 0), torch.zeros(0)).shape == (0, 5)
    assert torch.equal(copy.deepcopy(engine)(torch.zeros(3, 0), torch.zeros(0)), out)
    assert not list(engine.state_dict())


def test_limits_are_named_before_memory_is_touched(tq):
    with pytest.raises(CircuitError, match=r"float64.*complex64 only.*statevector"):
        TorchQuantumEngine(circuits.hq_unet(2, 2), torch.float64)
    wide = Circuit(30, [RX(0.1, 29)], [Pauli("Z", 29)])
    with pytest.raises(CircuitError, match=r"2\^30 amplitudes; the limit is 24 wires.*cone"):
        TorchQuantumEngine(wide)


def test_a_missing_extra_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchquantum", None)  # what Python itself does for a blocked import
    with pytest.raises(CircuitError, match=r"needs the extra 'torchquantum'.*pip install \"hqzoo\[torchquantum\]"):
        TorchQuantumEngine(circuits.hq_unet(2, 2))


# ---- traps, on the raw library ------------------------------------------------------------------------------------


def rotated(tq, angle: float = 0.3):
    device = tq.QuantumDevice(n_wires=2, bsz=1)
    device.ry(wires=0, params=torch.tensor([angle], requires_grad=True))
    return device


def test_trap_reading_an_observable_rotates_the_device(tq):
    device = rotated(tq)
    first = tq.expval(device, [0], [tq.PauliZ()])
    tq.expval(device, [0], [tq.PauliX()])
    again = tq.expval(device, [0], [tq.PauliZ()])
    assert first.item() == pytest.approx(math.cos(0.3), abs=1e-6)
    assert again.item() == pytest.approx(math.sin(0.3), abs=1e-6)  # wrong: this is <X>
    circuit = Circuit(2, [RY(0.3, 0)], [Pauli("Z", 0), Pauli("X", 0), Pauli("XY", (0, 1)), Pauli("ZX", (0, 1))])
    out = TorchQuantumEngine(circuit)(torch.zeros(1, 0), torch.zeros(0))[0]
    torch.testing.assert_close(out, torch.tensor([math.cos(0.3), math.sin(0.3), 0.0, 0.0]), atol=1e-6, rtol=0)


def test_trap_two_observables_of_one_wire_in_one_call(tq):
    both = tq.expval(rotated(tq), [0, 0], [tq.PauliX(), tq.PauliZ()])
    assert both[0, 1].item() != pytest.approx(math.cos(0.3), abs=1e-2)


def test_trap_several_measurements_are_stacked_along_the_batch(tq):
    layers = [{"wires": [0, 1], "observables": ["x", "z"]}, {"wires": [0, 1], "observables": ["z", "z"]}]
    assert tq.MeasureMultipleTimes(layers)(tq.QuantumDevice(n_wires=2, bsz=3)).shape == (6, 2)


def test_trap_operators_fail_on_inverse(tq):
    device = rotated(tq)
    with pytest.raises(NameError, match="logger"):
        tq.S()(device, wires=0, inverse=True)


@pytest.mark.parametrize("name", ["ch", "toffoli", "cu1", "u1", "u2", "singleexcitation"])
def test_trap_functions_that_miss_their_matrices(tq, name):
    n_wires, n_angles = {"ch": (2, 0), "toffoli": (3, 0), "u1": (1, 1), "u2": (1, 2)}.get(name, (2, 1))
    function = tq.functional.func_name_dict[name]
    with pytest.raises(NameError, match="mat_dict"):
        function(tq.QuantumDevice(3), wires=list(range(n_wires)), params=torch.rand(1, n_angles) if n_angles else None)


def test_trap_cu3_takes_no_batch(tq):
    with pytest.raises(RuntimeError, match="expand"):
        tq.functional.cu3(tq.QuantumDevice(2, bsz=3), wires=[0, 1], params=torch.rand(3, 3))


def test_trap_empty_batches_cannot_be_reshaped(tq):
    with pytest.raises(RuntimeError, match="0 elements"):
        tq.functional.hadamard(tq.QuantumDevice(2, bsz=0), wires=0)


def test_trap_used_devices_cannot_be_copied(tq):
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(rotated(tq))


def test_trap_double_precision_is_dropped_silently(tq):
    device = tq.QuantumDevice(1)
    tq.functional.ry(device, wires=0, params=torch.tensor([0.3], dtype=torch.float64))
    assert device.states.dtype == torch.complex64


def test_trap_the_noise_device_loses_the_trace(tq):
    device = tq.NoiseDevice(n_wires=1, bsz=1)
    device.ry(wires=0, params=0.3)
    assert device.densities.reshape(2, 2).trace().real.item() == pytest.approx(math.cos(0.3), abs=1e-6)  # not 1
