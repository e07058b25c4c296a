"""What is too large is refused in words, and what is large is built without large tables."""

import pickle
import time

import pytest
import torch

from hqzoo.quantum import Circuit, Pauli, Probabilities, circuits, compile_circuit, feature, plan, weight
from hqzoo.quantum.diagnostics import inert_weights
from hqzoo.quantum.engines import size
from hqzoo.quantum.engines.cone import plan as cone_plan
from hqzoo.quantum.engines.size import SizeError
from hqzoo.quantum.engines.statevector import plan as state_plan
from hqzoo.quantum.engines.statevector.engine import StatevectorEngine
from hqzoo.quantum.engines.statevector.plan import table_bytes
from hqzoo.quantum.gates import CNOT, RX, RY, H
from tests.quantum.oracle import pennylane


@pytest.fixture
def few_terms(monkeypatch):
    """A cone that gives up in a moment instead of seconds."""
    found = cone_plan.find_network
    monkeypatch.setattr(cone_plan, "find_network", lambda circuit, blocks, most: found(circuit, blocks, most // 100))


def test_auto_recommends_no_engine_that_it_has_tried(few_terms):
    wide = circuits.qufex(30, 1, 2)
    with pytest.raises(SizeError, match=r"connect 30 wires.*at most 24.*'cone'.*see too much") as error:
        compile_circuit(wide)
    assert "Use engine" not in str(error.value)
    with pytest.raises(SizeError, match=r"no 30 connected wires, but 24 at most") as error:
        compile_circuit(wide, "cone")
    assert "engine='statevector'" not in str(error.value)
    with pytest.raises(SizeError, match=r"30 wires.*limit is 24"):
        plan(wide, "statevector")
    assert inert_weights(wide, seed=5) == ()  # by the structure alone, where nothing can be run


def test_cone_recommends_auto_where_a_state_vector_is_left(few_terms):
    with pytest.raises(SizeError, match=r"see too much.*Use engine='auto'"):
        compile_circuit(circuits.qufex(12, 1, 2), "cone")


def test_nothing_is_scheduled_for_a_state_vector_that_cannot_be(monkeypatch):
    """The search for a schedule took minutes for hundreds of wires, before 'cone' ran them in a second."""

    def scheduled(queues):
        raise AssertionError("a schedule was looked for")

    monkeypatch.setattr(state_plan, "schedule", scheduled)
    circuit = circuits.qufex(50)
    assert plan(circuit).engine == "cone"
    assert compile_circuit(circuit)(torch.zeros(2, 50), torch.zeros(4)).shape == (2, 50)
    assert plan(circuits.qufex(52), "cone").engine == "cone"
    with pytest.raises(SizeError):
        StatevectorEngine(circuit)


def test_what_this_machine_cannot_hold_is_refused_with_the_number(monkeypatch):
    circuit = circuits.qufex(12, 1, 2)
    monkeypatch.setattr(size, "machine_memory", lambda: 2**16)
    assert table_bytes(circuit) > 2**16
    with pytest.raises(SizeError, match=r"12 wires need about 0\.0 GiB of memory; this machine has 0\.0 GiB"):
        compile_circuit(circuit, "statevector")
    with pytest.raises(SizeError, match=r"matrices of the pieces.*need about 0\.\d GiB"):
        compile_circuit(circuits.qufex(6, 1, 3), "cone")


def test_probabilities_of_many_wires_are_planned_in_a_moment():
    """Each of 2^k outcomes is a sum of 2^k strings; writing them down took minutes."""
    ladder = [CNOT(k, k + 1) for k in range(11)]
    gates = [H(0), *ladder, *(RY(feature(0), k) for k in range(12)), *ladder]
    circuit = Circuit(12, gates, [Probabilities(range(12))])
    start = time.perf_counter()
    assert plan(circuit).engine == "statevector"
    with pytest.raises(SizeError, match=r"16,777,216 terms for what is read alone"):
        plan(circuit, "cone")
    assert time.perf_counter() - start < 5.0
    local = Circuit(3, [RY(feature(k), k) for k in range(3)], [Probabilities((0, 1))])
    assert plan(local).engine == "cone"


def test_layers_share_the_tables_of_what_they_repeat():
    def depth(layers):
        gates = [RY(feature(k), k) for k in range(13)]
        for layer in range(layers):
            for k in range(13):
                gates += [RY(weight(13 * layer + k), k), RX(0.3, k)]
            gates += [CNOT(k, (k + 1) % 13) for k in range(13)]
        return Circuit(13, gates, [Pauli("Z", k) for k in range(13)])

    few, many = table_bytes(depth(4)), table_bytes(depth(16))
    assert many < 2 * few
    circuit = depth(6)
    inputs, weights = torch.rand(2, 13, dtype=torch.float64), torch.rand(circuit.n_weights, dtype=torch.float64)
    engine = StatevectorEngine(circuit, torch.float64)
    kept = sum(table.numel() * table.element_size() for name, table in engine.named_buffers() if ".table_" in name)
    assert kept == table_bytes(circuit, torch.float64) - 4 * 8 * 2**14
    torch.testing.assert_close(engine(inputs, weights), pennylane(circuit, inputs, weights), atol=1e-10, rtol=0)


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_estimate_covers_what_is_kept(repeats):
    circuit = circuits.qufex(12, 1, 2)
    circuit = Circuit(12, circuit.gates * repeats, circuit.observables)
    engine = StatevectorEngine(circuit)
    where = [table for name, table in engine.named_buffers() if ".table_" in name]
    kept = sum(table.numel() * table.element_size() for table in where)
    assert kept == table_bytes(circuit) - 4 * 8 * 2**13


@pytest.mark.parametrize("name", ["Z", "every"])
@pytest.mark.parametrize("kind", [1, 2])
def test_signs_without_a_table_are_those_of_the_table(monkeypatch, kind, name):
    base = circuits.qufex(6, kind)
    letters = [
        Pauli("XYZYXZ", range(6)),
        Pauli("YYYYZZ", range(6)),
        Pauli("YYXZXZ", range(6)),
        Pauli("ZZZZZ", range(5)),
    ]
    letters += [Pauli("YXZYX", (0, 2, 3, 4, 5)), Pauli("XXXXX", (1, 2, 3, 4, 5))]
    circuit = Circuit(6, base.gates, letters if name == "every" else [Pauli("Z", w) for w in range(6)])
    torch.manual_seed(0)
    inputs = torch.rand(3, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(4, dtype=torch.float64, requires_grad=True)
    mix = torch.randn(3, circuit.n_observables, dtype=torch.float64)

    def found(entries):
        monkeypatch.setattr(state_plan, "TABLE_ENTRIES", entries)
        state_plan.plan_state.cache_clear()
        engine = StatevectorEngine(circuit, torch.float64)
        values = engine(inputs, weights)
        return len(engine.parts[0].values.sums), values, torch.autograd.grad((values * mix).sum(), (inputs, weights))

    (none, table, slopes), (some, factors, others) = found(2**22), found(0)
    state_plan.plan_state.cache_clear()
    assert none == 0
    assert some or name == "Z"
    torch.testing.assert_close(factors, table)
    torch.testing.assert_close(others, slopes)
    peer = compile_circuit(circuit, "pennylane", torch.float64)(inputs, weights)
    torch.testing.assert_close(factors, peer)


def test_size_errors_can_be_sent_between_processes():
    error = pickle.loads(pickle.dumps(SizeError("Too large.", "Use less.")))
    assert (str(error), error.reason) == ("Too large. Use less.", "Too large.")
