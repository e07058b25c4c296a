"""The state-vector engine: values, derivatives, memory, and what a user does with it."""

import copy
import gc
import math

import hypothesis.strategies as st
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Overlap, Pauli, Probabilities, circuits, controlled, feature, weight
from hqzoo.quantum.engines.statevector.engine import StatevectorEngine
from hqzoo.quantum.engines.statevector.plan import estimate, plan_state
from hqzoo.quantum.gates import CNOT, CZ, RX, RY, RZ, SWAP, U3, Gate, H, IsingXX, IsingZZ, PhaseShift, T, X, Y
from tests.quantum.oracle import _apply, pennylane, random_circuits


def ladder(wires: int, layers: int) -> Circuit:
    """Angle encoding, then layers of RY and RZ on every wire and a ring of CNOTs."""
    gates: list[Gate] = [RX(feature(w), w) for w in range(wires)]
    for layer in range(layers):
        for w in range(wires):
            gates += [RY(weight(2 * (layer * wires + w)), w), RZ(weight(2 * (layer * wires + w) + 1), w)]
        gates += [CNOT(w, (w + 1) % wires) for w in range(wires)]
    return Circuit(wires, gates, [Pauli("Z", w) for w in range(wires)])


def reuploading(wires: int, layers: int) -> Circuit:
    """Data between entangling layers, read by long and by imaginary Pauli strings."""
    gates: list[Gate] = []
    for layer in range(layers):
        for w in range(wires):
            gates += [RY(math.pi * feature(w), w), RZ(feature(wires + w) + weight(layer), w)]
        gates += [IsingZZ(weight(layers + layer), w, (w + 1) % wires) for w in range(wires)]
        gates.append(IsingXX(0.5 * feature(0), 0, wires - 1))
    strings = [Pauli("XYZ", (0, 1, 2)), Pauli("Y", 1), Pauli("Z" * wires, range(wires)), Pauli("YX", (2, 3))]
    return Circuit(wires, gates, strings)


def registers(correlated: bool = False) -> Circuit:
    """Two registers of three wires, prepared alike from different data."""
    gates: list[Gate] = []
    for register, wires in enumerate(((0, 2, 4), (5, 3, 1))):
        for k, w in enumerate(wires):
            gates += [RY(feature(6 * register + k), w), RZ(feature(6 * register + 3 + k), w)]
        gates += [IsingZZ(weight(k), wires[k], wires[(k + 1) % 3]) for k in range(3)]
        gates += [RX(weight(3), w) for w in wires]
    if correlated:
        gates.append(CNOT(0, 3))
    return Circuit(6, gates, [Overlap((0, 2, 4), (5, 3, 1))])


NAMED = {
    "hq_unet_2x2": circuits.hq_unet(2, 2),
    "hq_unet_2x3_two_layers": circuits.hq_unet(2, 3, n_layers=2),
    "hq_unet_3x3_periodic": circuits.hq_unet(3, 3, periodic=True),
    "hq_unet_3x3_two_layers": circuits.hq_unet(3, 3, n_layers=2),
    "ladder_8": ladder(8, 2),
    "reuploading_5": reuploading(5, 2),
}


def sample(circuit: Circuit, batch: int = 3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(batch)
    inputs = torch.rand(batch, circuit.n_data, generator=generator, dtype=dtype) * 2 - 1
    weights = torch.rand(circuit.n_weights, generator=generator, dtype=dtype) * 2 * math.pi
    return inputs.requires_grad_(), weights.requires_grad_()


def gradients(outputs, inputs, weights):
    if not outputs.requires_grad:
        return torch.zeros_like(inputs), torch.zeros_like(weights)
    cotangent = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view(outputs.shape)
    return torch.autograd.grad(outputs, (inputs, weights), cotangent, allow_unused=True, materialize_grads=True)


def check_against_pennylane(circuit: Circuit, batch: int = 3) -> None:
    inputs, weights = sample(circuit, batch)
    expected = pennylane(circuit, inputs, weights)
    outputs = StatevectorEngine(circuit, torch.float64)(inputs, weights)
    assert (outputs - expected).abs().max() <= 1e-10
    for ours, theirs in zip(gradients(outputs, inputs, weights), gradients(expected, inputs, weights), strict=True):
        torch.testing.assert_close(
            ours, theirs, rtol=0, atol=1e-8 * max(1e-3, theirs.abs().max().item() if theirs.numel() else 0)
        )


@pytest.mark.parametrize("name", NAMED)
def test_values_and_gradients_match_pennylane(name):
    check_against_pennylane(NAMED[name])


@settings(max_examples=40, deadline=None)
@given(random_circuits(max_wires=6, max_gates=20))
def test_random_circuits_match_pennylane(circuit):
    check_against_pennylane(circuit, batch=2)


def test_eight_wires_over_every_gate_match_pennylane():
    for seed in range(3):
        circuit = dense_circuit(seed)
        check_against_pennylane(circuit, batch=2)


def dense_circuit(seed: int) -> Circuit:
    """Every gate with none to five controls on random wires of eight."""
    generator = torch.Generator().manual_seed(seed)
    gates: list[Gate] = [RY(feature(w), w) for w in range(8)]
    kinds = [
        lambda k, a: X(a), lambda k, a: Y(a), lambda k, a: H(a), lambda k, a: T(a),
        lambda k, a: RX(weight(k % 5), a), lambda k, a: RZ(0.3 * feature(k % 8) + weight(k % 5), a),
        lambda k, a: PhaseShift(weight(k % 5), a), lambda k, a: U3(0.4, feature(k % 8), weight(k % 5), a),
    ]  # fmt: skip
    for k in range(24):
        wires = torch.randperm(8, generator=generator).tolist()
        n_controls = int(torch.randint(0, 6, (), generator=generator))
        gate = kinds[k % len(kinds)](k, wires[0])
        gates.append(controlled(gate, *wires[1 : 1 + n_controls]))
        if k % 6 == 0:
            gates += [SWAP(wires[0], wires[1]), IsingXX(weight(k % 5), wires[2], wires[3]), CZ(wires[4], wires[5])]
            gates.append(controlled(SWAP(wires[0], wires[1]), *wires[2:6]))
    return Circuit(8, gates, [Pauli("XZ", (1, 6)), Pauli("Y" * 8, range(8)), Pauli("Z", 3), Pauli("YZ", (0, 7))])


@pytest.mark.parametrize("wires", [(0,), (2, 0), (4, 1, 3), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("connected", [True, False])
def test_probabilities_match_pennylane(wires, connected):
    gates: list[Gate] = [U3(feature(w), weight(0), 0.2, w) for w in range(5)]
    gates += [CNOT(w, w + 1) for w in range(4) if connected or w != 2]
    circuit = Circuit(5, [*gates, RX(weight(1), 0)], [Pauli("X", 4), Probabilities(wires), Pauli("ZZ", (0, 3))])
    inputs, weights = sample(circuit, 2)

    @qml.qnode(qml.device("default.qubit", wires=5), interface="torch")
    def reference(x):
        for gate in circuit.gates:
            _apply(gate, x, weights)
        return qml.expval(qml.PauliX(4)), qml.probs(wires), qml.expval(qml.PauliZ(0) @ qml.PauliZ(3))

    expected = torch.stack([torch.cat([part.reshape(-1) for part in reference(x)]) for x in inputs])
    torch.testing.assert_close(StatevectorEngine(circuit, torch.float64)(inputs, weights), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("correlated", [False, True])
def test_overlap_equals_the_swap_test(correlated):
    circuit = registers(correlated)
    ancilla = 6
    swaps = [controlled(SWAP(a, b), ancilla) for a, b in ((0, 5), (2, 3), (4, 1))]
    swap_test = Circuit(7, [*circuit.gates, H(ancilla), *swaps, H(ancilla)], [Pauli("Z", ancilla)])
    inputs, weights = sample(circuit)
    expected = pennylane(swap_test, inputs, weights)
    outputs = StatevectorEngine(circuit, torch.float64)(inputs, weights)
    torch.testing.assert_close(outputs, expected, atol=1e-10, rtol=0)
    for ours, theirs in zip(gradients(outputs, inputs, weights), gradients(expected, inputs, weights), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)


def test_what_gates_do_not_connect_is_simulated_apart():
    assert [len(part.wires) for part in plan_state(registers())] == [3, 3]
    assert [len(part.wires) for part in plan_state(registers(correlated=True))] == [6]
    many = Circuit(40, [RY(feature(w), w) for w in range(40)], [Pauli("Z" * 40, range(40)), Pauli("Z", 7)])
    x = torch.rand(3, 40, dtype=torch.float64)
    out = StatevectorEngine(many, torch.float64)(x, torch.zeros(0, dtype=torch.float64))
    torch.testing.assert_close(out, torch.stack([x.cos().prod(1), x[:, 7].cos()], 1))


@pytest.mark.parametrize(
    "circuit",
    [circuits.hq_unet(2, 2), ladder(3, 2), reuploading(4, 1), registers(), registers(True)],
    ids=["hq_unet", "ladder", "reuploading", "overlap", "swap"],
)
def test_first_and_second_derivatives_pass_torchs_own_check(circuit):
    inputs, weights = sample(circuit, 2)
    engine = StatevectorEngine(circuit, torch.float64)
    assert torch.autograd.gradcheck(engine, (inputs, weights))
    assert torch.autograd.gradgradcheck(engine, (inputs, weights))


def test_batches_larger_than_a_chunk_and_empty_ones():
    circuit = ladder(5, 2)
    engine = StatevectorEngine(circuit, torch.float64)
    inputs, weights = sample(circuit, 7)
    whole = engine(inputs, weights)
    engine._chunk = 3
    parts = engine(inputs, weights)
    torch.testing.assert_close(parts, whole)
    for ours, theirs in zip(gradients(parts, inputs, weights), gradients(whole, inputs, weights), strict=True):
        torch.testing.assert_close(ours, theirs)
    for case in (circuit, registers(), reuploading(4, 1), Circuit(2, [RY(weight(0), 0)], [Pauli("Z", 0)])):
        empty = StatevectorEngine(case)(torch.zeros(0, case.n_data), torch.zeros(case.n_weights))
        assert empty.shape == (0, case.n_observables)


def test_single_precision_stays_close():
    circuit = circuits.hq_unet(3, 3, n_layers=3)
    inputs, weights = sample(circuit, 4)
    double = StatevectorEngine(circuit, torch.float64)(inputs, weights)
    single = StatevectorEngine(circuit)(inputs.float(), weights.float())
    assert single.dtype == torch.float32
    assert (single - double).abs().max() <= 1e-5
    exact, rough = gradients(double, inputs, weights), gradients(single, inputs, weights)
    for ours, theirs in zip(rough, exact, strict=True):
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


def test_memory_of_the_backward_pass_does_not_grow_with_depth():
    kept = {}
    for layers in (2, 12):
        circuit = ladder(12, layers)
        engine = StatevectorEngine(circuit)
        inputs, weights = sample(circuit, 32, torch.float32)
        sizes: list[int] = []

        def remember(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            if tensor.numel() >= 32 * 2**12:
                sizes.append(tensor.untyped_storage().data_ptr())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
            outputs = engine(inputs, weights)
        tables = {buffer.untyped_storage().data_ptr() for buffer in engine.buffers()}
        kept[layers] = len(set(sizes) - tables)
        outputs.sum().backward()
        del outputs
        gc.collect()
    assert kept[12] == kept[2] <= 3


def test_copies_and_compiled_graphs_agree():
    circuit = ladder(6, 2)
    engine = StatevectorEngine(circuit, torch.float64)
    inputs, weights = sample(circuit)
    expected = engine(inputs, weights)
    expected_gradients = gradients(expected, inputs, weights)
    torch.testing.assert_close(copy.deepcopy(engine)(inputs, weights), expected)
    torch._dynamo.reset()
    compiled = torch.compile(engine, backend="aot_eager", fullgraph=True)
    outputs = compiled(inputs, weights)
    torch.testing.assert_close(outputs, expected)
    for ours, theirs in zip(gradients(outputs, inputs, weights), expected_gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not engine.state_dict()


def test_vmap_over_weights_and_samples():
    circuit = circuits.hq_unet(2, 2)
    engine = StatevectorEngine(circuit, torch.float64)
    inputs, weights = sample(circuit)
    several = torch.stack([weights, 2 * weights]).detach()
    found = torch.func.vmap(engine, (None, 0))(inputs.detach(), several)
    torch.testing.assert_close(found, torch.stack([engine(inputs, w) for w in several]))

    def loss(x, w):
        return engine(x.unsqueeze(0), w).sum()

    each = torch.func.vmap(torch.func.grad(loss, 1), (0, None))(inputs.detach(), weights.detach())
    alone = [torch.autograd.grad(loss(x, weights), weights)[0] for x in inputs]
    torch.testing.assert_close(each, torch.stack(alone))


def test_too_many_wires_are_refused_before_memory_is_touched():
    chain = [RY(0.3, 0), *(CNOT(w, w + 1) for w in range(29))]
    circuit = Circuit(30, chain, [Pauli("Z", 29)])
    assert estimate(circuit)[1] >= 4 * 2**30
    with pytest.raises(CircuitError, match=r"30 wires.*limit is 24.*cone"):
        StatevectorEngine(circuit)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_cost_does_not_depend_on_wire_numbers_or_on_the_order_of_commuting_gates(random):
    circuit = circuits.hq_unet(3, 4, n_layers=2)
    names = list(range(circuit.n_wires))
    random.shuffle(names)
    waiting = list(circuit.gates)
    reordered: list[Gate] = []
    while waiting:  # any gate that no earlier one shares a wire with may come first
        free: list[Gate] = []
        seen: set[int] = set()
        for gate in waiting:
            if seen.isdisjoint(gate.support):
                free.append(gate)
            seen.update(gate.support)
        chosen = random.choice(free)
        reordered.append(chosen)
        waiting.remove(chosen)
    moved = Circuit(
        circuit.n_wires,
        [
            Gate(g.name, tuple(names[w] for w in g.wires), g.angles, tuple(names[w] for w in g.controls))
            for g in reordered
        ],
        [Pauli(p.letters, [names[w] for w in p.wires]) for p in circuit.observables],
    )
    assert estimate(moved)[0] <= 1.5 * estimate(circuit)[0]
