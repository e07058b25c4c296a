"""Cost on hardware: numbers of the specification, and CNOT counts of textbooks."""

import pytest
from scipy.stats import unitary_group

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Overlap, Pauli, Probabilities, circuits, controlled, feature, weight
from hqzoo.quantum.diagnostics import hardware_cost, measurement_bases
from hqzoo.quantum.diagnostics.topology import coupling_map
from hqzoo.quantum.gates import (
    CNOT,
    CRX,
    CZ,
    RX,
    RY,
    CPhase,
    H,
    I,
    IsingZZ,
    S,
    Unitary,
    X,
)  # fmt: skip


def test_hq_unet_on_a_square_grid():
    cost = hardware_cost(circuits.hq_unet(), "grid")
    assert (cost.qubits, cost.cnots, cost.unrouted_cnots, cost.two_qubit_depth) == (16, 24, 24, 6)
    assert (cost.bases, cost.shots) == (2, 2500)
    assert cost.executions_per_patch == 5000
    assert cost.patches_per_scene == 71 * 75
    assert cost.executions_per_scene == pytest.approx(26.6e6, rel=0.002)
    assert "24 CNOTs" in str(cost)
    assert cost.to_dict()["executions_per_patch"] == 5000


def test_hq_unet_elsewhere():
    everything = hardware_cost(circuits.hq_unet(), "all")
    assert (everything.cnots, everything.two_qubit_depth) == (24, 6)
    heavy = hardware_cost(circuits.hq_unet(), "heavy-hex")
    assert heavy.unrouted_cnots == 24
    assert 24 < heavy.cnots < 24 + 3 * 40
    assert heavy.two_qubit_depth > 6


@pytest.mark.parametrize(("rows", "cols"), [(2, 3), (3, 2), (3, 4), (4, 3)])
def test_every_grid_of_hq_unet_fits_into_a_square(rows, cols):
    cost = hardware_cost(circuits.hq_unet(rows, cols), "grid")
    assert (cost.cnots, cost.two_qubit_depth) == (cost.unrouted_cnots, rows + cols - 2)


def test_circuits_per_patch_and_error():
    cost = hardware_cost(circuits.qufex(), epsilon=0.1, scene=(300, 200), patch=100, circuits_per_patch=576)
    assert (cost.shots, cost.bases) == (100, 1)
    assert cost.executions_per_patch == 57_600
    assert cost.executions_per_scene == 6 * 57_600


@pytest.mark.parametrize(
    ("gate", "count"),
    [
        (RY(feature(0), 0), 0), (CNOT(0, 1), 1), (CZ(0, 1), 1), (controlled(H(1), 0), 1), (CRX(weight(0), 0, 1), 2),
        (CPhase(weight(0), 0, 1), 2), (controlled(S(1), 0), 2), (IsingZZ(weight(0), 0, 1), 2),
        (controlled(X(2), 0, 1), 6), (controlled(I(1), 0), 0), (Unitary(unitary_group.rvs(4, random_state=1), 0, 1), 3),
    ],
    ids=str,
)  # fmt: skip
def test_cnots_of_a_gate_are_those_of_textbooks(gate, count):
    apart = [RX(0.3 + wire, wire) for wire in range(3)]  # so that no gate is absorbed by the initial state
    cost = hardware_cost(Circuit(3, [*apart, gate, *apart], [Pauli("Z", 0)]), "all")
    assert cost.cnots == cost.unrouted_cnots == count


def test_a_unitary_on_three_wires_is_taken_apart():
    unitary = Unitary(unitary_group.rvs(8, random_state=0), 0, 1, 2)
    assert 14 <= hardware_cost(Circuit(3, [unitary], [Pauli("Z", 0)]), "all").cnots <= 20  # lower bound; Shende et al.


def test_bases():
    read = [Pauli("ZX", (0, 1)), Pauli("Z", 0), Pauli("X", 0), Pauli("Y", 2), Probabilities([1, 2]), Overlap([0], [1])]
    circuit = Circuit(3, [RX(0.1, 0)], read)
    assert measurement_bases(circuit) == ({0: "Z", 1: "X", 2: "Y"}, {0: "X", 1: "Z", 2: "Z"})
    cost = hardware_cost(circuit, "all")
    assert (cost.bases, cost.cnots) == (3, 1)  # the overlap has a setting and a CNOT of its own


def test_fidelity_beside_the_published_swap_test():
    swap_test, fidelity = (hardware_cost(build(), "all") for build in (circuits.swap_test, circuits.fidelity))
    assert swap_test.cnots - fidelity.cnots > 5 * 6 - 5  # five CSWAPs, of a Toffoli each at least, against five CNOTs
    assert swap_test.bases == fidelity.bases == 1


@pytest.mark.parametrize(
    ("name", "n", "qubits", "pairs"),
    [
        ("grid", 16, 16, 24), ("grid", 10, 16, 24), ("grid", 1, 1, 0), ("heavy-hex", 16, 19, 20),
        ("heavy-hex", 20, 57, 64), ("line", 7, 7, 6), ("ring", 7, 7, 7), ("all", 5, 5, 10),
    ],
)  # fmt: skip
def test_devices(name, n, qubits, pairs):
    device = coupling_map(name, n)
    assert device.size() == qubits
    assert len({frozenset(edge) for edge in device.get_edges()}) == pairs


@pytest.mark.parametrize("hardware", ["grid", "heavy-hex", "line", "ring"])
def test_routing_adds_what_neighbours_do_not_have(hardware):
    """A gate between every pair of 9 qubits needs SWAPs wherever a qubit has fewer than 8 neighbours."""
    gates = [RX(feature(0), 0), *(CRX(weight(0), a, b) for a in range(9) for b in range(a + 1, 9))]
    circuit = Circuit(9, gates, [Pauli("Z", 0)])
    cost, everything = (hardware_cost(circuit, kind) for kind in (hardware, "all"))
    assert everything.cnots == everything.unrouted_cnots == cost.unrouted_cnots == 72
    assert cost.cnots > 72
    assert cost.two_qubit_depth > everything.two_qubit_depth


def test_a_chain_needs_no_swap_on_a_line():
    chain = Circuit(6, [RX(feature(0), 0), *(CRX(weight(k), k, k + 1) for k in range(5))], [Pauli("Z", 5)])
    assert hardware_cost(chain, "line").cnots == 10


def test_wrong_numbers():
    for options in ({"epsilon": 0.0}, {"patch": 0}, {"circuits_per_patch": 0}, {"scene": (0, 10)}):
        with pytest.raises(CircuitError):
            hardware_cost(circuits.qufex(), **options)
    with pytest.raises(CircuitError, match="Did you mean 'grid'"):
        hardware_cost(circuits.qufex(), "gird")
