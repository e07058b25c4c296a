"""The speed of probes is measured on the task's own functions, and what is extracted is what the encoder gives."""

import json
from pathlib import Path

import torch

from benchmarks import probe_speed


def test_both_are_timed_and_features_are_the_encoders(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        out = tmp_path / "speed.json"
        arguments = ["--vectors", "200", "--width", "8", "--images", "70", "--turns", "1", "--out", str(out)]
        assert probe_speed.main(arguments) == 0
    finally:
        torch.set_num_threads(threads)
    found = json.loads(out.read_text())
    assert found["probe"]["penalties"] == 11
    assert found["probe"]["seconds"] > 0
    assert found["extraction"]["largest_difference"] < 1e-5
    assert found["extraction"]["ratio"] > 0
    assert found["machine"]["torch"]
