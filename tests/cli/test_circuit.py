"""``hqzoo circuit``."""

import argparse
import json

import pytest

from hqzoo.cli import circuit
from hqzoo.errors import CircuitError, ConfigError
from hqzoo.quantum import circuits, from_qasm


def call(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    circuit.add_arguments(parser)
    return circuit.run(parser.parse_args(arguments))


def test_names_are_listed_with_their_arguments(capsys):
    assert call() == 0
    out = capsys.readouterr().out
    assert all(name in out for name in circuits.named())
    assert "rows=4, cols=4, n_layers=1" in out


def test_without_options_it_is_drawn(capsys):
    assert call("qufex", "--arg", "n_qubits=6", "--arg", "kind=2") == 0
    out = capsys.readouterr().out
    assert out.startswith("qufex: 6 wires")
    assert "<X5>" in out


def test_files(tmp_path, capsys):
    qasm, text, figure = tmp_path / "c.qasm", tmp_path / "c.txt", tmp_path / "c.png"
    assert call("qskip", "--arg", "n_layers=1", "--qasm", str(qasm), "--draw", str(text)) == 0
    assert from_qasm(qasm.read_text()).circuit == circuits.qskip(1)
    assert "RY(x0)" in text.read_text()
    assert call("qskip", "--draw", str(figure)) == 0
    assert figure.read_bytes()[:4] == b"\x89PNG"
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_plan_and_hardware(tmp_path, capsys):
    report = tmp_path / "report.json"
    assert call("hq_unet", "--plan", "--hardware", "grid", "--json", str(report)) == 0
    out = capsys.readouterr().out
    assert "cone: the observables see pieces of at most 1 correlated qubit(s)" in out
    assert "two-qubit depth 6, 2 measurement bases; 5,000 executions per patch" in out
    found = json.loads(report.read_text())
    assert found["hardware"]["executions_per_scene"] == 26_625_000
    assert found["plan"]["engine"] == "cone"


def test_diagnosis_with_growing_sizes(tmp_path, capsys):
    report = tmp_path / "report.json"
    arguments = ("--arg", "rows=2", "--arg", "cols=2", "--arg", "readout=zx", "--arg", "periodic=false")
    assert call("hq_unet", *arguments, "--diagnose", "--json", str(report)) == 0
    out = capsys.readouterr().out
    assert "5 of 8 weights effective; absorbed: 6-7" in out
    assert "at 36 qubits" in out
    found = json.loads(report.read_text())
    assert [size["n_wires"] for size in found["plateau"]["sizes"]] == [4, 16, 36]
    assert found["arguments"] == {"rows": 2, "cols": 2, "readout": "zx", "periodic": False}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("hq_unit",), CircuitError, "Did you mean 'hq_unet'"),
        (("hq_unet", "--arg", "n_layer=2"), ConfigError, "Did you mean 'n_layers'"),
        (("hq_unet", "--arg", "n_layers"), ConfigError, "not KEY=VALUE"),
        (("hq_unet", "--arg", "n_layers=two"), ConfigError, "a number such as 1"),
        (("hq_unet", "--arg", "periodic=maybe"), ConfigError, "true or false"),
        (("hq_unet", "--arg", "readout=y"), CircuitError, "readout='y'"),
        (("fqcnn", "--arg", "bands=2"), ConfigError, "Its arguments: none"),
        (("qufex", "--hardware", "gird"), CircuitError, "Did you mean 'grid'"),
        (("qufex", "--draw", "circuit.jpeg"), CircuitError, "drawn as pdf, png, svg"),
        (("qufex", "--qasm", "no/such/folder/c.qasm"), ConfigError, "cannot be written"),
    ],
)
def test_mistakes_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        call(*arguments)
