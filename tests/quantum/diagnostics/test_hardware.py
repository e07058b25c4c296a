"""Cost on hardware: numbers of the specification, CNOT counts of textbooks, and a router that routes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hqzoo.errors import CircuitError
from hqzoo.quantum import Circuit, Overlap, Pauli, Probabilities, circuits, controlled, feature
from hqzoo.quantum.diagnostics import hardware_cost, measurement_bases
from hqzoo.quantum.diagnostics.entanglers import entanglers
from hqzoo.quantum.diagnostics.routing import Routed, route
from hqzoo.quantum.diagnostics.topology import topology
from hqzoo.quantum.gates import (
    CNOT,
    CRX,
    CSWAP,
    CZ,
    RX,
    RY,
    SWAP,
    U3,
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
    assert (cost.qubits, cost.cnots, cost.swaps, cost.two_qubit_depth) == (16, 24, 0, 6)
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
    assert heavy.cnots == 24 + 3 * heavy.swaps
    assert 0 < heavy.swaps < 40
    assert heavy.two_qubit_depth > 6


@pytest.mark.parametrize(("rows", "cols"), [(2, 3), (3, 2), (3, 4), (4, 3)])
def test_every_grid_of_hq_unet_fits_into_a_square(rows, cols):
    cost = hardware_cost(circuits.hq_unet(rows, cols), "grid")
    assert (cost.swaps, cost.two_qubit_depth) == (0, rows + cols - 2)


def test_circuits_per_patch_and_error():
    cost = hardware_cost(circuits.qufex(), epsilon=0.1, scene=(300, 200), patch=100, circuits_per_patch=576)
    assert (cost.shots, cost.bases) == (100, 1)
    assert cost.executions_per_patch == 57_600
    assert cost.executions_per_scene == 6 * 57_600


@pytest.mark.parametrize(
    ("gate", "count"),
    [
        (RY(feature(0), 0), 0), (CNOT(0, 1), 1), (CZ(0, 1), 1), (controlled(H(1), 0), 1), (CRX(0.3, 0, 1), 2),
        (CPhase(0.3, 0, 1), 2), (controlled(S(1), 0), 2), (SWAP(0, 1), 3), (IsingZZ(0.1, 0, 1), 2),
        (controlled(X(2), 0, 1), 6), (CSWAP(0, 1, 2), 8), (controlled(RY(0.1, 2), 0, 1), 4),
        (controlled(X(3), 0, 1, 2), 14), (controlled(U3(1, 2, 3, 1), 0), 2), (controlled(U3(1, 2, 3, 2), 0, 1), 9),
        (controlled(I(1), 0), 0), (controlled(IsingZZ(0.1, 0, 1), 2), 4),
    ],
    ids=str,
)  # fmt: skip
def test_cnots_of_a_gate(gate, count):
    pairs = entanglers(gate)
    assert len(pairs) == count
    assert all(a != b and {a, b} <= set(gate.support) for a, b in pairs)


def test_a_large_unitary_is_refused_by_name():
    assert len(entanglers(Unitary(np.eye(4), 0, 1))) == 3
    with pytest.raises(CircuitError, match=r"Unitary on the 3 wires \(0, 1, 2\)"):
        entanglers(Unitary(np.eye(8), 0, 1, 2))


def test_bases():
    read = [Pauli("ZX", (0, 1)), Pauli("Z", 0), Pauli("X", 0), Pauli("Y", 2), Probabilities([1, 2]), Overlap([0], [1])]
    circuit = Circuit(3, [RX(0.1, 0)], read)
    assert measurement_bases(circuit) == ({0: "Z", 1: "X", 2: "Y"}, {0: "X", 1: "Z", 2: "Z"})
    cost = hardware_cost(circuit, "all")
    assert (cost.bases, cost.cnots) == (3, 1)  # the overlap has a setting and a CNOT of its own


def test_fidelity_beside_the_published_swap_test():
    swap_test, fidelity = (hardware_cost(build(), "all") for build in (circuits.swap_test, circuits.fidelity))
    assert swap_test.cnots - fidelity.cnots == 5 * 8 - 5  # five CSWAPs against five CNOTs
    assert swap_test.bases == fidelity.bases == 1


def test_devices():
    grid = topology("grid", 16)
    assert (grid.n_qubits, len(grid.edges), grid.distances[0][15]) == (16, 24, 6)
    hexagon = topology("heavy-hex", 12)  # one ring of twelve
    assert hexagon.n_qubits == 12
    assert all(len(others) == 2 for others in hexagon.neighbours)
    large = topology("heavy-hex", 60)
    assert large.n_qubits >= 60
    assert max(len(others) for others in large.neighbours) == 3
    assert len(topology("all", 5).edges) == 10
    assert topology("grid", 1).n_qubits == 1
    for device in (grid, hexagon, large):
        assert all(len(set(order)) == len(order) for order in device.orders)
    with pytest.raises(CircuitError, match="Did you mean 'heavy-hex'"):
        topology("heavyhex", 4)


def replay(routed: Routed) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """Undo the routing: the gates on wires, and where every wire is in the end."""
    holds = {qubit: wire for wire, qubit in enumerate(routed.start)}
    gates = []
    for step in routed.steps:
        a, b = step.qubits
        if step.is_swap:
            holds[a], holds[b] = holds.get(b), holds.get(a)
        else:
            gates.append((holds[a], holds[b]))
    where = {wire: qubit for qubit, wire in holds.items() if wire is not None}
    return gates, tuple(where[wire] for wire in range(len(routed.start)))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["grid", "heavy-hex", "all"]),
    st.lists(st.permutations(range(7)).map(lambda order: tuple(order[:2])), max_size=25),
)
def test_the_router_keeps_the_circuit_and_joins_only_neighbours(name, pairs):
    device = topology(name, 7)
    routed = route(pairs, device, 7)
    assert all(tuple(sorted(step.qubits)) in device.edges for step in routed.steps)
    gates, end = replay(routed)
    assert end == routed.end
    assert sorted(gates) == sorted(pairs)
    for wire in range(7):  # no two gates of a wire change places
        assert [pair for pair in gates if wire in pair] == [pair for pair in pairs if wire in pair]
    assert routed.cnots == len(pairs) + 3 * routed.swaps
    if name == "all":
        assert routed.swaps == 0


def test_wrong_numbers():
    for options in ({"epsilon": 0.0}, {"patch": 0}, {"circuits_per_patch": 0}, {"scene": (0, 10)}):
        with pytest.raises(CircuitError):
            hardware_cost(circuits.qufex(), **options)
    with pytest.raises(CircuitError, match="Did you mean 'grid'"):
        hardware_cost(circuits.qufex(), "gird")
