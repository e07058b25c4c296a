"""FQCNN, MQCNN, COQCNN: closed forms and what is inert."""

from itertools import product

import numpy as np
import torch

from hqzoo.quantum import Circuit, Pauli, circuits, compile_circuit, controlled, feature
from hqzoo.quantum.gates import RX, RY, Unitary
from tests.quantum.circuits.judge import jacobians, sample


def bits():
    return torch.tensor(list(product((0.0, 1.0), repeat=4)), dtype=torch.float64).T


def test_fqcnn_is_a_mean_of_sixteen_cosines():
    circuit = circuits.fqcnn()
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables) == (7, 4, 24, 1)
    inputs, weights = sample(circuit, batch=5)
    q0, q1, q2, q3 = bits()
    p = inputs.T.unsqueeze(-1)
    expected = (p[0] + q0 * q2 * p[1] + q1 * q3 * p[2] + q0 * q1 * p[3]).cos().mean(-1, keepdim=True)
    torch.testing.assert_close(
        compile_circuit(circuit, dtype=torch.float64)(inputs, weights), expected, atol=1e-12, rtol=0
    )


def test_mqcnn_is_a_mean_of_sixteen_cosines():
    circuit = circuits.mqcnn()
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables) == (7, 12, 72, 1)
    inputs, weights = sample(circuit, batch=5)
    q0, q1, q2, q3 = bits()
    p = inputs.T.unsqueeze(-1)
    angle = p[0] + p[4] + p[8] + q0 * q2 * p[1] + q1 * q3 * p[2] + q0 * q1 * p[3]
    angle = angle + q0 * q3 * p[5] + q0 * q2 * p[6] + q2 * q3 * p[7]
    angle = angle + q2 * q3 * p[9] + q0 * q3 * p[10] + q1 * q3 * p[11]
    function = compile_circuit(circuit, "statevector", torch.float64)
    expected = angle.cos().mean(-1, keepdim=True)
    torch.testing.assert_close(function(inputs, weights), expected, atol=1e-12, rtol=0)


def test_no_weight_of_fqcnn_has_an_effect():
    by_data, by_weight = jacobians(circuits.fqcnn())
    assert by_weight.max() < 1e-12
    assert (by_data > 1e-3).all()


def test_coqcnn_has_four_inert_weights():
    circuit = circuits.coqcnn()
    assert (circuit.n_wires, circuit.n_data, circuit.n_weights, circuit.n_observables) == (5, 12, 15, 1)
    _, by_weight = jacobians(circuit)
    assert by_weight[0, 8:12].max() < 1e-12  # θ of the last band
    assert (by_weight[0, :8] > 1e-6).all()
    assert (by_weight[0, 12:] > 1e-3).all()  # φ


def test_controlled_x_theta_is_the_published_matrix():
    """X_θ = [[0, -i exp(iθ/2)], [-i exp(-iθ/2), 0]], on the second qubit where the first is 1, by hand."""
    ring = [gate for gate in circuits.coqcnn().gates if gate.label in ("CRZ", "CRX")][:2]
    start = [RX(feature(0), 1), RY(feature(1), 2)]
    read = [Pauli(a + b, (1, 2)) for a in "XYZ" for b in "XYZ"]
    x, theta = torch.tensor([[0.4, 1.1]], dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    ours = compile_circuit(Circuit(3, [*start, *ring], read), "statevector", torch.float64)(x, theta)
    x_theta = np.array([[0, -1j * np.exp(0.35j)], [-1j * np.exp(-0.35j), 0]])
    published = Circuit(3, [*start, controlled(Unitary(x_theta, 2), 1)], read)
    by_matrix = compile_circuit(published, "statevector", torch.float64)(x, torch.zeros(0, dtype=torch.float64))
    torch.testing.assert_close(ours, by_matrix)
