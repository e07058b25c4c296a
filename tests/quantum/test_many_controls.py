"""Gates with any number of controls: every engine says what PennyLane says."""

import math

import pytest
import torch
from scipy.stats import unitary_group

from hqzoo.quantum import Circuit, Gate, Pauli, compile_circuit, controlled, feature, gates, weight
from hqzoo.quantum.engines.statevector.gates import elementaries
from hqzoo.quantum.gates import BASE_GATES, RX, RY, H, I, Unitary, X, Z
from tests.quantum.oracle import pennylane

N = 7


def base_gate(name):
    if name == "Unitary":
        return Unitary(unitary_group.rvs(4, random_state=3), 5, 6)
    wires, angles = BASE_GATES[name]
    given = (feature(0) + 0.3, weight(0), 0.7 * weight(1))
    return Gate(name, tuple(range(N - wires, N)), tuple(gates.as_angle(angle) for angle in given[:angles]))


@pytest.mark.parametrize("name", sorted(BASE_GATES))
def test_every_gate_with_many_controls(name):
    turned = [RY(0.9 + 0.2 * k, k) for k in range(N)]
    used = [RX(feature(0), 0), RX(weight(0), 1), RX(weight(1), 2)]
    wide = [controlled(base_gate(name), *range(count)) for count in (3, 4, 5)]
    circuit = Circuit(N, [*turned, *used, *wide, *turned], [Pauli("Z", 6), Pauli("XYZ", (0, 4, 6)), Pauli("X", 2)])
    inputs = torch.tensor([[0.7]], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([0.4, -1.1], dtype=torch.float64, requires_grad=True)
    found = compile_circuit(circuit, "statevector", torch.float64)(inputs, weights)
    expected = pennylane(circuit, inputs, weights)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    ours, theirs = (torch.autograd.grad(out.sum(), (inputs, weights)) for out in (found, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)


@pytest.mark.parametrize("n", [5, 6, 12])
def test_a_rotation_with_all_other_wires_as_controls(n):
    circuit = Circuit(
        n, [*(H(k) for k in range(n - 1)), controlled(RX(weight(0), n - 1), *range(n - 1))], [Pauli("Z", n - 1)]
    )
    weights = torch.tensor([0.8], dtype=torch.float64)
    value = compile_circuit(circuit, "statevector", torch.float64)(torch.zeros(0), weights)
    assert value.item() == pytest.approx(1 - 2 * math.sin(0.4) ** 2 / 2 ** (n - 1), abs=1e-12)


def test_grovers_search_finds_what_it_looks_for():
    n, steps = 5, 4

    def marked(*wires):
        return controlled(Z(wires[-1]), *wires[:-1])

    diffusion = (
        [f(k) for f in (H, X) for k in range(n)] + [marked(*range(n))] + [f(k) for f in (X, H) for k in range(n)]
    )
    circuit = Circuit(
        n, [H(k) for k in range(n)] + [marked(*range(n)), *diffusion] * steps, [Pauli("Z", k) for k in range(n)]
    )
    value = compile_circuit(circuit, "statevector", torch.float64)(torch.zeros(0), torch.zeros(0))
    probability = math.sin((2 * steps + 1) * math.asin(2 ** (-n / 2))) ** 2
    # 11...1 has this probability, all other outcomes share the rest.
    expected = -probability + (1 - probability) / (2**n - 1)
    torch.testing.assert_close(value, torch.full((n,), expected, dtype=torch.float64), atol=1e-10, rtol=0)


def test_wide_gates_are_never_written_as_matrices():
    for gate in (I(12), Unitary(unitary_group.rvs(4, random_state=0), 12, 13), H(12), RX(0.3, 12)):
        parts = elementaries(controlled(gate, *range(12)))
        assert all(len(part.matrices[0]) <= 16 for part in parts if part.matrices)
