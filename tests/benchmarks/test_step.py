"""The benchmark of training steps: small ones run, and its table says what was measured."""

import json

import pytest

from benchmarks.step import __main__ as step
from hqzoo.errors import ConfigError

MACHINE = {"processor": "made up", "threads": 1, "load": 0.25, "gpu": "none", "torch": "2.0"}


def test_a_small_case_is_measured(monkeypatch, tmp_path, capsys):
    small = step.Case("Small", "qu_net", ("quantum", "zero"), 2, (64, 64), 2, {"patch": (2, 2)})
    monkeypatch.setattr(step, "CASES", {"small": small})
    monkeypatch.setattr(step, "RESULT", tmp_path / "step.json")
    assert step.main(["--turns", "2"]) == 0
    (found,) = json.loads((tmp_path / "step.json").read_text()).values()
    assert set(found["step_ms"]) == {"quantum", "zero"}
    assert 0 < found["circuit_ms"] < found["step_ms"]["quantum"]
    text = (tmp_path / "step.md").read_text()
    assert f"| Small | 2 × 64×64 | {found['step_ms']['quantum']:.1f} |" in text
    assert "small: " in capsys.readouterr().out


def test_ratios_are_to_each_control(monkeypatch):
    monkeypatch.setattr(step, "CASES", {"a": step.Case("A", "qu_net", ("quantum", "zero", "conv"), 4, (8, 16), 2)})
    steps, peaks = {"quantum": 12.0, "zero": 10.0, "conv": 8.0}, {"quantum": 70.4, "zero": 69.6, "conv": None}
    found = {"a": {"step_ms": steps, "peak_mb": peaks, "circuit_ms": 1.5, "machine": MACHINE}}
    rows = [line.strip("| ").split(" | ") for line in step.markdown(found).splitlines() if line.startswith("|")]
    assert rows[2] == ["A", "4 × 8×16", "12.0", "1.50", "70", "`zero`", "10.0", "1.200x", "70"]
    assert rows[3][-3:] == ["`conv`", "8.0", "1.500x"]
    assert "made up, 1 thread, torch 2.0; load of the machine, model by model: 0.2." in step.markdown(found)


@pytest.mark.parametrize("name", step.CASES)
def test_every_case_has_its_controls(name):
    case = step.CASES[name]
    assert case.controls[0] == "quantum"
    for control in case.controls:
        assert case.task(control).model is not None
    with pytest.raises(ConfigError):
        case.task("nonsense")
