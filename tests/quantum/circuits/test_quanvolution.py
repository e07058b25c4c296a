"""Henderson's quanvolution: random, fixed, and exact on thresholded pixels."""

import torch

from hqzoo.quantum import Circuit, Pauli, circuits, compile_circuit, feature
from hqzoo.quantum.circuits.quanvolution import _build
from hqzoo.quantum.gates import RX, RY, SWAP

ISING = ("IsingXX", "IsingYY", "IsingZZ")


def test_the_same_seed_is_the_same_filter_on_every_platform():
    circuit = circuits.quanvolution()
    assert circuit == circuits.quanvolution(seed=0)
    assert circuit != circuits.quanvolution(seed=1)
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables) == (9, 9, 0, 9)
    drawn = [str(gate) for gate in circuits.quanvolution(2, seed=1).gates[4:7]]
    assert drawn == ["S(2)", "RZ(1.36093, 3)", "CU3(2.71916, 4.78955, 0.0132327, 1, 2)"]


def test_drawn_gates_are_those_of_the_paper():
    pairs, singles = set(), set()
    for seed in range(40):
        gates = circuits.quanvolution(seed=seed).gates[9:]
        assert sum(len(gate.support) == 1 for gate in gates) <= 18
        pairs |= {gate.label for gate in gates if len(gate.support) == 2}
        singles |= {gate.label for gate in gates if len(gate.support) == 1}
    assert pairs == {"CNOT", "SWAP", "CU3", "IsingXX", "IsingYY", "IsingZZ"}
    assert singles == {"RX", "RY", "RZ", "U3", "S", "T", "H"}


def test_connection_probability():
    assert all(len(gate.support) == 1 for gate in circuits.quanvolution(connection=0.0).gates)
    full = circuits.quanvolution(connection=1.0).gates
    pairs = {frozenset(gate.support) for gate in full if len(gate.support) == 2}
    assert len(pairs) == 36


def test_thresholded_pixels_are_basis_states():
    whole = circuits.quanvolution()
    encoding = Circuit(9, whole.gates[:9], whole.observables)
    pixels = torch.tensor([[0, 1, 0, 1, 1, 0, 0, 0, 1]], dtype=torch.float64)
    out = compile_circuit(encoding, dtype=torch.float64)(pixels, torch.zeros(0))
    torch.testing.assert_close((1 - out) / 2, pixels)


def test_trainable_angles_are_the_drawn_ones_made_free():
    fixed, free = circuits.quanvolution(seed=2), circuits.quanvolution(seed=2, trainable=True)
    drawn = [angle.constant for gate in fixed.gates[9:] if gate.name not in ISING for angle in gate.angles]
    assert free.n_weights == len(drawn) > 0
    pixels = torch.rand(3, 9, dtype=torch.float64)
    torch.testing.assert_close(
        compile_circuit(free, dtype=torch.float64)(pixels, torch.tensor(drawn, dtype=torch.float64)),
        compile_circuit(fixed, dtype=torch.float64)(pixels, torch.zeros(0)),
    )


def test_square_root_of_swap_is_one():
    start = [RY(feature(0), 0), RX(feature(1), 1)]
    read = [Pauli(letters, (0, 1)) for letters in ("XX", "XY", "ZX", "YZ")] + [Pauli("Z", 0), Pauli("Z", 1)]
    twice = Circuit(2, [*start, *_build("SqrtSWAP", (0, 1), []) * 2], read)
    once = Circuit(2, [*start, SWAP(0, 1)], read)
    x = torch.rand(3, 2, dtype=torch.float64)
    torch.testing.assert_close(*(compile_circuit(c, dtype=torch.float64)(x, torch.zeros(0)) for c in (twice, once)))
