"""The benchmark of simulators: every row computes the same thing, wrong rows get no time, and it resumes."""

import argparse
import json
import math
import sys
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks.quantum import measure as measuring
from benchmarks.quantum.__main__ import main
from benchmarks.quantum.cases import CASES, inputs
from benchmarks.quantum.measure import MODES, Request, measure
from benchmarks.quantum.oracle import Truth, judge
from benchmarks.quantum.peers import PEERS, fastqml, triton_qml
from benchmarks.quantum.peers.base import Peer, TorchProgram, Unsupported, evaluate, registers
from benchmarks.quantum.report import duel, markdown
from benchmarks.quantum.session import Cell, Results, Session
from hqzoo.cli import bench
from hqzoo.errors import ConfigError
from hqzoo.quantum import Circuit, Pauli, compile_circuit, feature, weight
from hqzoo.quantum.gates import CNOT, RX, RY

pytest.importorskip("pennylane", reason="the judge is the extra 'pennylane'")
SLOW = ("hqzoo-compiled", "hqzoo-statevector-compiled")  # Inductor takes half a minute a circuit
UNSUPPORTED = {
    *(("triton-qml", case) for case in CASES),  # needs a GPU
    *((name, "fidelity") for name in ("lightning", "tensorcircuit-lightcone", "tensorcircuit-jax-lightcone")),
}
BATCH = 6  # more rows than the judge's: they repeat


@pytest.fixture(autouse=True)
def fresh_compiler():
    """Every cell has a process of its own; here torch would count all circuits as recompilations of one function."""
    torch.compiler.reset()


@pytest.fixture(scope="module", params=CASES)
def judged(request):
    case = CASES[request.param]
    return request.param, case, judge(case, small=True)


def results(program, rows):
    program.load(rows)
    forward = program.numpy(program.forward())
    return forward, [program.numpy(array) for array in program.step()]


# ---- every row computes the same thing ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in PEERS])
def test_every_installed_peer_equals_the_judge(judged, name):
    case_name, case, truth = judged
    peer = PEERS[name]
    for module in peer.imports:
        pytest.importorskip(module, reason=f"pip install {peer.install}")
    if (name, case_name) in UNSUPPORTED:
        with pytest.raises(Unsupported):
            peer.build(case.circuit(small=True), "cpu")
        return
    program = peer.build(case.circuit(small=True), "cpu")
    forward, (outputs, *gradients) = results(program, truth.rows.tiled(BATCH))
    assert truth.error(BATCH, forward, None) < 1e-5
    assert truth.error(BATCH, outputs, tuple(gradients)) < 1e-5


def test_triton_qml_is_written_right(judged):
    """Its PyTorch backend takes the same operations as the kernels that need a GPU."""
    pytest.importorskip("triton_qml.simulator", reason="pip install triton-qml")
    _, case, truth = judged
    _, (outputs, *gradients) = results(
        triton_qml.build("pytorch", case.circuit(small=True), "cpu"), truth.rows.tiled(BATCH)
    )
    assert truth.error(BATCH, outputs, tuple(gradients)) < 1e-5


def test_fused_layers_keep_the_order_of_gates_that_share_a_wire():
    circuit = CASES["qufex8"].circuit()
    layers = fastqml._schedule(circuit.gates)
    place = {id(gate): number for number, layer in enumerate(layers) for gate in layer.gates}
    for first, gate in enumerate(circuit.gates):
        for later in circuit.gates[first + 1 :]:
            if set(gate.support) & set(later.support):
                assert place[id(gate)] < place[id(later)]
    for layer in layers:
        assert len(set(layer.wires)) == len(layer.wires)
    assert len(layers) < len(circuit.gates) / 2


def test_cases_are_the_published_sizes():
    sizes = {name: case.circuit() for name, case in CASES.items()}
    assert {name: c.n_wires for name, c in sizes.items()} == {
        "hq_unet": 16, "hq_unet_deep": 16, "swap_test": 11, "fidelity": 10, "qufex4": 4, "qufex8": 8, "qufex12": 12,
        "ansatz8": 8,
    }  # fmt: skip
    assert (sizes["hq_unet"].n_data, sizes["hq_unet"].n_weights, sizes["hq_unet"].n_observables) == (48, 8, 32)
    assert sizes["ansatz8"].n_weights == 48
    assert sum(gate.label == "CNOT" for gate in sizes["ansatz8"].gates) == 24


def test_the_judge_knows_closed_forms():
    circuit = Circuit(2, [RY(math.pi * feature(0), 0), CNOT(0, 1), RX(weight(0), 1)], [Pauli("Z", 0), Pauli("Z", 1)])
    case = measuring.Case("", (2,), lambda: circuit, lambda: circuit, (0.0, 1.0))
    truth = judge(case)
    x, w, c = truth.rows.data[:, 0].astype(float), float(truth.rows.weights[0]), truth.rows.cotangent
    expected = np.stack([np.cos(math.pi * x), np.cos(math.pi * x) * math.cos(w)], axis=1)
    np.testing.assert_allclose(truth.outputs, expected, atol=1e-6)
    np.testing.assert_allclose(
        truth.data[:, 0], -math.pi * np.sin(math.pi * x) * (c[:, 0] + c[:, 1] * math.cos(w)), atol=1e-5
    )
    np.testing.assert_allclose(truth.weights[:, 0], -np.cos(math.pi * x) * math.sin(w) * c[:, 1], atol=1e-6)


def test_inputs_are_the_same_for_everybody_and_rows_repeat():
    case = CASES["ansatz8"]
    circuit = case.circuit(small=True)
    first, second = inputs(case, circuit, 5), inputs(case, circuit, 5)
    np.testing.assert_array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.weights, inputs(case, circuit, 9).weights)
    tiled = first.tiled(12)
    np.testing.assert_array_equal(tiled.data[5:10], first.data)
    assert tiled.cotangent.shape == (12, circuit.n_observables)


def test_angles_and_registers():
    values, weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.5])
    assert evaluate((2 * feature(1) - weight(0) + 1.0), values, weights).tolist() == [4.5, 8.5]
    assert evaluate(Circuit(1, [RX(0.25, 0)], [Pauli("Z", 0)]).gates[0].angles[0], values, weights) == 0.25
    n_wires, halves = registers(CASES["fidelity"].circuit())
    assert n_wires == 5
    assert [max(wire for gate in half for wire in gate.support) for half in halves] == [4, 4]
    assert registers(CASES["hq_unet"].circuit(small=True)) is None


# ---- one cell -------------------------------------------------------------------------------------------------------


def ask(tmp_path, peer="hqzoo", mode=MODES[1], case="ansatz8", **settings):
    truth = tmp_path / "truth.npz"
    judge(CASES[case], small=True).save(truth)
    settings = {"seconds": 0.0, **settings}
    return Request(case, peer, 5, mode, str(truth), small=True, **settings)


def false_peer(change, mistake=0.01):
    """Our engine with a mistake in outputs, or in the weights' gradient alone."""

    def build(circuit, device):
        engine = compile_circuit(circuit, "auto")

        def function(values, weights):
            out = engine(values, weights)
            if change == "outputs":
                return out + mistake
            return out + mistake * (weights.sum() - weights.sum().detach())

        return TorchProgram(function)

    return Peer("false", "exact", build, (), (), "nothing", "wrong on purpose")


def test_a_cell_is_checked_timed_and_weighed(tmp_path):
    cell = measure(ask(tmp_path), PEERS["hqzoo"], CASES["ansatz8"])
    assert cell["status"] == "ok"
    assert cell["error"] < 1e-5
    assert cell["runs"] >= PEERS["hqzoo"].min_runs
    assert 0 < cell["min_ms"] <= cell["median_ms"] <= cell["max_ms"]
    assert cell["peak_mb"] >= cell["call_mb"] - 0.1
    assert (
        cell["versions"]["torch"] == torch.__version__.split("+")[0] or cell["versions"]["torch"] == torch.__version__
    )


@pytest.mark.parametrize("change", ["outputs", "gradient"])
def test_wrong_numbers_are_refused(tmp_path, change):
    cell = measure(ask(tmp_path), false_peer(change), CASES["ansatz8"])
    assert cell["status"] == "wrong"
    assert "differs from the judge by" in cell["reason"]
    assert "median_ms" not in cell
    assert measure(ask(tmp_path), false_peer(change, 0.0), CASES["ansatz8"])["status"] == "ok"


def test_wrong_shapes_and_nan_are_infinitely_wrong():
    truth = Truth(*([np.zeros((2, 3))] * 4))
    assert truth.error(2, np.zeros((2, 3)), None) == 0
    assert truth.error(2, np.zeros((2, 4)), None) == math.inf
    assert truth.error(2, np.full((2, 3), np.nan), None) == math.inf


def test_reasons_instead_of_times(tmp_path):
    absent = Peer("absent", "exact", lambda circuit, device: None, ("no_such_module",), (), "such-a-thing", "")
    cell = measure(ask(tmp_path), absent, CASES["ansatz8"])
    assert cell == {"status": "missing", "reason": "no module named 'no_such_module'; pip install such-a-thing"}

    def refuse(circuit, device):
        raise Unsupported("not this one")

    refusing = Peer("refusing", "exact", refuse, (), (), "", "")
    assert measure(ask(tmp_path), refusing, CASES["ansatz8"])["reason"] == "not this one"
    assert measuring._failure(MemoryError("x"), ask(tmp_path))["status"] == "memory"
    assert measuring._failure(RuntimeError("can't allocate memory: you tried"), ask(tmp_path))["status"] == "memory"
    assert measuring._failure(ValueError("odd"), ask(tmp_path)) == {"status": "failed", "reason": "ValueError: odd"}


def test_minimum_of_runs_and_time_left():
    assert len(measuring._time(lambda: None, 8, 0.0, 60.0)) == 8
    assert len(measuring._time(partial(sum, range(10)), 3, 0.0, -1.0)) == 1


# ---- a table --------------------------------------------------------------------------------------------------------


def canned(session, answers):
    """Let a session answer from a list instead of measuring; returns what was asked."""
    asked = []

    def answer(cell, folder):
        asked.append(cell)
        return answers.get(cell.key, {"status": "ok", **timed(1.0)})

    session._measure = answer
    return asked


def timed(milliseconds):
    return {
        "median_ms": milliseconds, "min_ms": 0.9 * milliseconds, "max_ms": milliseconds, "runs": 5, "peak_mb": 1.0,
        "call_mb": 1.0, "error": 1e-7, "load_before": 0.1,
    }  # fmt: skip


def session(path, **settings):
    return Session(
        Results(path, {"device": "cpu", "threads": 1, "small": True, **settings}), Request(*"abcde"), None, str
    )


def test_it_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "deep" / "table.json"
    cells = [Cell("ansatz8", peer, 2, mode) for peer in ("hqzoo", "quimb") for mode in MODES]
    absent = {"status": "missing", "reason": "no"}
    first = session(path)
    asked = canned(first, {cells[2].key: absent, cells[3].key: absent})
    first.run(cells[:1])
    first.run(cells)
    assert asked == cells
    second = session(path)
    asked = canned(second, {})
    second.run(cells)
    assert asked == cells[2:]  # what was missing may be there now
    assert {cell["status"] for cell in json.loads(path.read_text())["cells"].values()} == {"ok"}
    third = session(path)
    asked = canned(third, {})
    third.run(cells)
    assert asked == []
    third.run(cells[:1], redo=True)
    assert asked == cells[:1]
    assert not list(path.parent.glob("*.partial"))


def test_other_settings_are_not_mixed_in(tmp_path):
    path = tmp_path / "table.json"
    one = session(path)
    canned(one, {})
    one.run([Cell("ansatz8", "hqzoo", 2, MODES[0])])
    with pytest.raises(ConfigError, match=r"threads 1 \(now 2\).*another --out"):
        session(path, threads=2)


def test_what_was_too_large_is_not_tried_larger(tmp_path):
    one = session(tmp_path / "table.json")
    small, full = Cell("hq_unet", "torchquantum", 256, MODES[0]), Cell("hq_unet", "torchquantum", 256, MODES[1])
    large, other = Cell("hq_unet", "torchquantum", 4096, MODES[1]), Cell("hq_unet", "hqzoo", 4096, MODES[1])
    asked = canned(one, {full.key: {"status": "memory", "reason": "too much"}})
    one.run([small, full, large, other])
    assert asked == [small, full, other]
    record = one.results.cells[large.key]
    assert (record["status"], record["reason"]) == (
        "skipped", "forward+backward at batch 256 was out of memory already",
    )  # fmt: skip


def record(peer, milliseconds, case="ansatz8", batch=32):
    return {"case": case, "peer": peer, "batch": batch, "mode": MODES[1], "status": "ok", **timed(milliseconds)}


def test_losses_stand_beside_wins_and_headlines_apart():
    records = [
        record("hqzoo", 1.0), record("hqzoo-statevector", 4.0), record("torchquantum", 40.0), record("pyqtorch", 2.0),
        record("tensorcircuit-lightcone", 0.5),
        {**record("quimb", 1.0), "status": "failed", "reason": "a | b"},
    ]  # fmt: skip
    states, exacts = duel(records)
    assert states.rows == [["ansatz8", "32", "hqzoo-statevector", "4", "pyqtorch", "1.8", "**0.45x**", "9x"]]
    assert exacts.rows[0][2:] == ["hqzoo", "1", "tensorcircuit-lightcone", "0.45", "**0.45x**", "36x"]
    content = {
        "settings": {"device": "cpu", "threads": 1}, "machine": {"torch": "2"},
        "cells": {str(number): one for number, one in enumerate(records)},
    }  # fmt: skip
    text = markdown(content, None)
    assert "* `ansatz8`, batch 32: tensorcircuit-lightcone is 2.2x faster than ours." in text
    assert "* quimb, forward+backward: failed, a | b" in text
    assert "5 of 6 cells have a time" in text


def test_end_to_end_in_fresh_processes(tmp_path, capsys):
    """Two rows through the real command line; the second call has nothing left to do."""
    out = tmp_path / "quick.json"
    arguments = ["--quick", "--cases", "ansatz8", "--peers", "hqzoo", "--threads", "1", "--out", str(out)]
    assert bench.run(argparse.Namespace(name="quantum", arguments=arguments)) == 0
    cells = json.loads(out.read_text())["cells"]
    assert [cell["status"] for cell in cells.values()] == ["ok", "ok"]
    assert out.with_suffix(".png").stat().st_size > 1000
    assert "ansatz8" in out.with_suffix(".md").read_text()
    before = out.read_text()
    capsys.readouterr()
    assert main(arguments) == 0
    assert out.read_text() == before
    assert "[1/" not in capsys.readouterr().out


def test_a_cell_out_of_time_is_a_row(tmp_path):
    one = session(tmp_path / "table.json")
    code, _ = one._process([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    assert code is None
    assert one._process([sys.executable, "-c", "print('last words'); raise SystemExit(3)"], 30) == (3, "last words")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cases", "hq_unt"], "Unknown case 'hq_unt'. Did you mean 'hq_unet'?"),
        (["--peers", "torchqantum"], "Unknown peer 'torchqantum'. Did you mean 'torchquantum'?"),
        (["--peer-python", "quimb=/nowhere/python"], "give NAME=PATH of an interpreter that exists"),
        (["--report", "--out", "/nowhere/table.json"], "There is no /nowhere/table.json to report on"),
    ],
)
def test_mistakes_are_named(capsys, tmp_path, arguments, message):
    assert main(["--out", str(tmp_path / "table.json"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_installed_wheel_has_no_benchmarks(monkeypatch, tmp_path):
    import hqzoo

    monkeypatch.setattr(hqzoo, "__file__", str(tmp_path / "site-packages" / "hqzoo" / "__init__.py"))
    with pytest.raises(ConfigError, match="comes with the source, not with an installed package"):
        bench._load("quantum")
