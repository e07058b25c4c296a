"""HQ-JEPA: the SWAP test equals the overlap, and what follows from that."""

import pytest
import torch

from hqzoo.quantum import circuits, compile_circuit
from tests.quantum.circuits.judge import sample


def test_layout_of_data_and_weights():
    circuit = circuits.swap_test()
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights) == (11, 50, 15)
    first = [str(gate) for gate in circuit.gates[:3]]
    assert first == ["RY(x[0], 1)", "RZ(x[1], 1)", "RY(x[2], 2)"]
    rings = [gate for gate in circuit.gates if gate.name == "IsingZZ"]
    assert [gate.angles[0].weight[0][0] for gate in rings] == [*range(10), *range(10), *range(10, 15)]
    assert rings[4].wires == (5, 1)  # the ring closes
    teacher = [gate for gate in circuit.gates if gate.name in ("RY", "RZ") and gate.wires[0] > 5]
    assert [gate.angles[0].data[0][0] for gate in teacher] == list(range(20, 40))
    labels = [gate.label for gate in circuit.gates[-7:]]
    assert labels == ["H", "CSWAP", "CSWAP", "CSWAP", "CSWAP", "CSWAP", "H"]


@pytest.mark.parametrize(("n", "layers", "predictor_layers"), [(2, 1, 1), (3, 2, 1), (5, 2, 1), (3, 1, 0)])
def test_swap_test_equals_overlap(n, layers, predictor_layers):
    swap, overlap = (f(n, layers, predictor_layers) for f in (circuits.swap_test, circuits.fidelity))
    assert (swap.n_data, swap.n_weights) == (overlap.n_data, overlap.n_weights)
    inputs, weights = sample(swap, batch=4)
    values = [compile_circuit(circuit, "statevector", torch.float64)(inputs, weights) for circuit in (swap, overlap)]
    torch.testing.assert_close(values[0], values[1], atol=1e-12, rtol=0)
    assert (values[0] >= -1e-12).all()


@pytest.mark.parametrize("build", [circuits.swap_test, circuits.fidelity])
def test_equal_summaries_and_an_idle_predictor_give_one(build):
    circuit = build(3)
    inputs, weights = (tensor.detach().clone() for tensor in sample(circuit, batch=4))
    inputs[:, 12:24] = inputs[:, :12]
    inputs[:, 24:] = 0
    weights[6:] = 0
    function = compile_circuit(circuit, "statevector", torch.float64)
    assert (function(inputs, weights) - 1).abs().max() < 1e-12
    inputs[:, 0] += 0.5
    assert (function(inputs, weights) < 0.99).all()


def test_without_a_predictor_the_last_ring_cancels():
    circuit = circuits.fidelity(3, layers=2, predictor_layers=0)
    inputs, weights = sample(circuit, batch=3)
    (gradient,) = torch.autograd.grad(
        compile_circuit(circuit, "statevector", torch.float64)(inputs, weights).sum(), weights
    )
    assert gradient[3:].abs().max() < 1e-12
    assert (gradient[:3].abs() > 1e-4).all()
