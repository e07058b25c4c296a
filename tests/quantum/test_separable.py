"""Circuits without entanglement: what is kept, what it computes, and what can no longer be seen."""

import math
import random
from itertools import pairwise

import pytest
import torch

from hqzoo.quantum import (
    Circuit,
    Overlap,
    Pauli,
    Probabilities,
    circuits,
    compile_circuit,
    controlled,
    feature,
    separable,
    weight,
)
from hqzoo.quantum.diagnostics import meyer_wallach
from hqzoo.quantum.diagnostics.dependence import dependence
from hqzoo.quantum.gates import (
    CNOT,
    CRX,
    CRY,
    CRZ,
    CSWAP,
    CZ,
    RX,
    RY,
    RZ,
    SWAP,
    U3,
    CPhase,
    H,
    IsingXX,
    IsingYY,
    IsingZZ,
    PhaseShift,
    S,
    Unitary,
)  # fmt: skip
from tests.quantum.circuits.judge import pennylane, sample

VARIANTS = {
    **{name: build() for name, build in circuits.named().items()},
    "hq_unet, periodic, two layers": circuits.hq_unet(3, 3, n_layers=2, periodic=True),
    "qufex, filter 2": circuits.qufex(4, kind=2),
    "qufex, filter 2, two layers": circuits.qufex(8, kind=2, n_layers=2),
    "qmoe, global": circuits.qmoe("global"),
    "qmoe, diagonal": circuits.qmoe("diagonal"),
    "swap_test, no predictor": circuits.swap_test(3, predictor_layers=0),
    "fidelity, no predictor": circuits.fidelity(3, predictor_layers=0),
    "quanvolution, trained": circuits.quanvolution(2, seed=3, trainable=True),
    "qcnn, 4 wires": circuits.qcnn(4),
}

OUT_OF_SIGHT = {
    # Only the ancilla is read, and data and θ act on the other wires.
    "coqcnn": ({0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11}, set(range(8))),
    # Wire 4 alone is read: the data of the others; and of each last filter what acts on the wire that is given up.
    "qcnn": (set(range(8)) - {4}, {34, 35, 36, 40, 42, 43, 45}),
    "qcnn, 4 wires": ({0, 1, 3}, {17, 18, 19, 23, 25, 26, 28}),
    # RX(b1) is the last gate before <X>.
    "qufex, filter 2": (set(), {3}),
}
"""Data and weights on which the circuit depends, and its twin cannot, because nothing carries them to what is read."""

variants = pytest.mark.parametrize("name", VARIANTS)


def sizes(circuit):
    return circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables


def influences(circuit):
    found = dependence(circuit, [slice(None)])
    assert found is not None
    return [set(truth.nonzero().flatten().tolist()) for truth in found[0]]


@variants
def test_named_circuits_keep_their_sizes_and_lose_their_entanglement(name):
    circuit = VARIANTS[name]
    twin = separable(circuit)
    assert sizes(twin) == sizes(circuit)
    assert all(len(gate.support) == 1 for gate in twin.gates)
    assert separable(twin) == twin
    inputs, weights = sample(circuit, batch=3)
    torch.testing.assert_close(meyer_wallach(twin, inputs, weights), torch.zeros(3, dtype=torch.float64))


@variants
def test_what_mattered_matters_still_unless_nothing_carries_it_to_what_is_read(name):
    before, after = influences(VARIANTS[name]), influences(separable(VARIANTS[name]))
    assert tuple(b - a for b, a in zip(before, after, strict=True)) == OUT_OF_SIGHT.get(name, (set(), set()))


@variants
def test_what_is_out_of_sight_acts_on_no_wire_that_is_read(name):
    """But for QuFeX's last gate, whose rotation commutes with what is read."""
    twin = separable(VARIANTS[name])
    read = {wire for observable in twin.observables for wire in observable.wires}
    seen = [angle for gate in twin.gates if gate.wires[0] in read for angle in gate.angles]
    for kind, lost in zip(("data", "weight"), OUT_OF_SIGHT.get(name, (set(), set())), strict=True):
        if not name.startswith("qufex"):
            assert not lost & {index for angle in seen for index, _ in getattr(angle, kind)}


def test_hq_unet_and_qufex_lose_their_entanglers_and_nothing_else():
    """Tables were trained with these."""
    for circuit in (circuits.hq_unet(), circuits.qufex(12, 1), circuits.qufex(4, 2), circuits.qskip()):
        twin = separable(circuit)
        assert twin.gates == tuple(gate for gate in circuit.gates if len(gate.support) == 1)
        assert twin.observables == circuit.observables


def test_fqcnn_becomes_one_cosine():
    inputs, weights = sample(circuits.fqcnn(), batch=5)
    found = compile_circuit(separable(circuits.fqcnn()), dtype=torch.float64)(inputs, weights)
    torch.testing.assert_close(found, inputs.sum(-1, keepdim=True).cos())


def test_coqcnn_becomes_the_cosine_of_its_phases():
    inputs, weights = sample(circuits.coqcnn(), batch=5)
    found = compile_circuit(separable(circuits.coqcnn()), dtype=torch.float64)(inputs, weights)
    torch.testing.assert_close(found, weights[12:].sum().cos().expand(5, 1))


@pytest.mark.parametrize("build", [circuits.fidelity, circuits.swap_test])
@pytest.mark.parametrize("predictor_layers", [0, 1, 2])
def test_the_overlap_of_registers_becomes_the_product_of_overlaps_of_qubits(build, predictor_layers):
    """By hand: qubits as vectors of two amplitudes, turned by RY, RZ and the RZ of both couplings that meet there."""
    n, layers = 3, 2
    circuit = build(n, layers, predictor_layers)
    inputs, weights = sample(circuit, batch=4)
    student, teacher = inputs[:, : 2 * n * layers], inputs[:, 2 * n * layers : 4 * n * layers]
    student = torch.cat([student, inputs[:, 4 * n * layers :]], dim=1)
    couplings = weights.view(-1, n)
    product = torch.ones(4, dtype=torch.complex128)
    for wire in range(n):
        states = []
        for angles in (student, teacher):
            state = torch.zeros(4, 2, dtype=torch.complex128)
            state[:, 0] = 1
            for layer, pair in enumerate(angles.reshape(4, -1, n, 2).unbind(1)):
                y, z = pair[:, wire, 0] / 2, pair[:, wire, 1] / 2 + couplings[layer, [wire - 1, wire]].sum() / 2
                turn = torch.stack([torch.stack([y.cos(), -y.sin()], -1), torch.stack([y.sin(), y.cos()], -1)], -2)
                phase = torch.stack([(-1j * z).exp(), (1j * z).exp()], -1)
                state = phase * (turn.to(state.dtype) @ state.unsqueeze(-1)).squeeze(-1)
            states.append(state)
        product = product * (states[0].conj() * states[1]).sum(-1)
    found = compile_circuit(separable(circuit), dtype=torch.float64)(inputs, weights)
    torch.testing.assert_close(found, product.abs().square().unsqueeze(-1))
    assert found.std() > 0.01


@pytest.mark.parametrize(
    ("gate", "local"),
    [
        (CRX(weight(0), 0, 1), [RX(weight(0), 1)]),
        (CRY(2 * feature(0) + weight(0), 2, 0), [RY(2 * feature(0) + weight(0), 0)]),
        (CRZ(math.pi, 0, 1), [RZ(math.pi, 1)]),
        (CPhase(weight(0), 0, 1), [PhaseShift(weight(0), 0), PhaseShift(weight(0), 1)]),
        (controlled(RY(weight(0), 1), 0, 2), [RY(weight(0), 1)]),
        (controlled(U3(weight(0), 1.0, feature(0), 1), 0), [U3(weight(0), 1.0, feature(0), 1)]),
        (IsingXX(weight(0), 2, 0), [RX(weight(0), 2), RX(weight(0), 0)]),
        (IsingYY(feature(0), 0, 1), [RY(feature(0), 0), RY(feature(0), 1)]),
        (controlled(IsingZZ(weight(0), 0, 1), 2), [RZ(weight(0), 0), RZ(weight(0), 1)]),
        (CNOT(0, 1), []),
        (CZ(0, 1), []),
        (controlled(S(1), 0), []),
        (CSWAP(0, 1, 2), []),
        (controlled(CNOT(0, 1), 2), []),
        (Unitary(torch.eye(4).numpy(), 0, 1), []),
        (Unitary([[0, 1], [1, 0]], 1), [Unitary([[0, 1], [1, 0]], 1)]),
    ],
    ids=lambda value: str(value) if not isinstance(value, list) else "",
)
def test_every_kind_of_gate(gate, local):
    """The last rotation keeps every index in use, whatever becomes of the gate."""
    keep = RX(feature(0) + weight(0), 2)
    assert separable(Circuit(3, [gate, keep], [Pauli("Z", 0)])).gates == (*local, keep)


def test_swap_renames_wires_for_gates_and_readings_alike():
    """A SWAP makes no entanglement: a circuit of SWAPs and rotations is left as it was, in what it computes."""
    gates = [
        RX(feature(0), 0),
        RY(feature(1), 1),
        SWAP(0, 2),
        RZ(weight(0), 0),
        RX(weight(1), 0),
        SWAP(1, 0),
        RX(0.3, 1),
    ]
    read = [Pauli("XZ", (0, 2)), Probabilities((1, 0)), Overlap((0,), (1,)), Pauli("Y", 1)]
    circuit = Circuit(3, gates, read)
    inputs, weights = torch.rand(3, 2, dtype=torch.float64), torch.rand(2, dtype=torch.float64)
    found = compile_circuit(separable(circuit), dtype=torch.float64)(inputs, weights)
    torch.testing.assert_close(found, pennylane(circuit, inputs, weights), atol=1e-10, rtol=0)


@pytest.mark.parametrize("seed", range(20))
def test_random_circuits(seed):
    """Any gates in any order: indices are kept, and every output is one of a product state."""
    generator = random.Random(seed)
    n = 4

    def gate(k):
        a, b, c = generator.sample(range(n), 3)
        one = generator.choice([RX, RY, RZ, PhaseShift])(feature(k) if k % 2 else weight(k), a)
        two = generator.choice([IsingXX, IsingYY, IsingZZ])(weight(k) - feature(k), a, b)
        kinds = [[one], [controlled(one, b)], [controlled(one, b, c)], [two], [controlled(two, c)]]
        return generator.choice([*kinds, [SWAP(a, b), two], [CNOT(a, b), CSWAP(a, b, c), H(c), one]])

    drawn = [each for k in range(12) for each in gate(k)]
    drawn += [RX(feature(k) + weight(k), k % n) for k in range(12)]
    circuit = Circuit(n, drawn, [Pauli("ZZ", pair) for pair in pairwise(range(n))] + [Pauli("Z", k) for k in range(n)])
    twin = separable(circuit)
    assert sizes(twin) == sizes(circuit)
    inputs, weights = sample(twin, batch=2, seed=seed)
    torch.testing.assert_close(meyer_wallach(twin, inputs, weights), torch.zeros(2, dtype=torch.float64))
    out = pennylane(twin, inputs, weights)
    correlator = {pair: out[:, k] for k, pair in enumerate(pairwise(range(n)))}
    alone = out[:, n - 1 :]
    assert {tuple(sorted(o.wires)) for o in twin.observables[n - 1 :]} == {(k,) for k in range(n)}
    for (a, b), value in correlator.items():
        torch.testing.assert_close(value, alone[:, a] * alone[:, b])
