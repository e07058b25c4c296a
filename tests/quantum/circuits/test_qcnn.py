"""The QCNN with pooling: layout, and pooling as deferred measurement."""

from hqzoo.quantum import circuits
from tests.quantum.circuits.judge import jacobians


def test_layout_on_eight_wires():
    circuit = circuits.qcnn()
    assert (circuit.n_data, circuit.n_weights, circuit.n_observables) == (8, 51, 1)
    assert str(circuit.observables[0]) == "Z4"
    filters = [gate.support for gate in circuit.gates if gate.label == "CNOT"][::3]
    first = [(0, 7), (0, 1), (2, 3), (4, 5), (6, 7), (1, 2), (3, 4), (5, 6)]
    assert filters == [*first, (0, 6), (0, 2), (4, 6), (2, 4), (0, 4)]
    pools = [gate.support for gate in circuit.gates if gate.label == "CRZ"]
    assert pools == [(1, 0), (3, 2), (5, 4), (7, 6), (2, 0), (6, 4), (0, 4)]


def test_a_pooled_wire_is_never_touched_again():
    gates = circuits.qcnn().gates
    for number, gate in enumerate(gates):
        if gate.label == "CRX":
            assert all(gate.controls[0] not in later.support for later in gates[number + 1 :])


def test_every_input_reaches_the_output():
    by_data, by_weight = jacobians(circuits.qcnn())
    assert (by_data > 1e-6).all()
    # In the last layer: φ of the U3 on the wire that only controls from there on, and the CRZ right before <Z>.
    assert (by_weight[0] < 1e-12).nonzero().flatten().tolist() == [34 + 10, 34 + 15]
