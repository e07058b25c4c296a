"""``hqzoo accelerate``: someone's own model from the shell."""

import argparse
import json

import pytest
import torch

from hqzoo.cli import accelerate
from hqzoo.errors import ConfigError

MODEL = "tests.quantum.accelerate.layers:hybrid_model"


def call(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    accelerate.add_arguments(parser)
    return accelerate.run(parser.parse_args(arguments))


def test_report_and_weights_are_written(tmp_path, capsys):
    weights, report = tmp_path / "fast.pt", tmp_path / "report.json"
    assert call(MODEL, "--input-shape", "4", "5", "--save", str(weights), "--json", str(report)) == 0
    assert "PennyLane TorchLayer" in capsys.readouterr().out
    assert torch.load(weights, weights_only=True)["2.weights"].shape == (2, 3, 3)
    (layer,) = json.loads(report.read_text())["layers"]
    assert (layer["name"], layer["qubits"], layer["proof"]["cases"]) == ("2", 3, 32)


def test_a_script_that_brings_its_sample(tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\nfrom tests.quantum.accelerate.layers import entangling\n"
        "def build():\n    return entangling(1), torch.rand(2, 3)\n"
    )
    assert call(f"{script}:build") == 0
    assert "the model itself" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MODEL,), "--input-shape"),
        (("tests.quantum.accelerate.layers",), "is not MODULE:FACTORY"),
        (("tests.quantum.accelerate.layers:hybrid_modle",), "Did you mean 'hybrid_model'"),
        (("no_such_module:build",), "there is no module 'no_such_module'"),
        (("missing.py:build",), "no file missing.py"),
        (("math:tau",), "has no function 'tau'"),
        (("builtins:dict",), "returned dict"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        call(*arguments)
