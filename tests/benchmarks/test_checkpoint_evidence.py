"""Evidence of a checkpoint: scores as a confusion matrix gives them, floors by brute force, pairs by image."""

import json

import numpy as np
import pytest
import yaml

from benchmarks.checkpoint_evidence import control_result, evidence, main
from hqzoo.compare.unit_runs import UnitRun

CLASSES = ("roof", "road", "grass")


def counts(truth: np.ndarray, found: np.ndarray) -> dict[str, np.ndarray]:
    right, said = truth[..., None] == np.arange(3), found[..., None] == np.arange(3)
    return {"tp": (right & said).sum(1), "fp": (~right & said).sum(1), "fn": (right & ~said).sum(1)}


def miou(truth: np.ndarray, found: np.ndarray) -> float:
    ious = [((truth == k) & (found == k)).sum() / ((truth == k) | (found == k)).sum() for k in np.unique(truth)]
    return float(np.mean(ious))


@pytest.fixture
def maps() -> dict[str, np.ndarray]:
    """Twelve images of 400 pixels: half, and a tenth, of the answers of two models are drawn at random."""
    rng = np.random.default_rng(0)
    truth = rng.choice(3, (12, 400), p=[0.2, 0.3, 0.5])
    guess = rng.integers(0, 3, truth.shape)
    drawn = rng.random(truth.shape)
    return {"truth": truth, "ours": np.where(drawn < 0.1, guess, truth), "control": np.where(drawn < 0.5, guess, truth)}


def run(maps: dict[str, np.ndarray], name: str) -> UnitRun:
    names = np.array([f"town_{k:02d}" for k in range(12)])
    return UnitRun({"name": names, "group": names, **counts(maps["truth"], maps[name])}, classes=CLASSES)


def test_scores_floor_and_difference(maps: dict[str, np.ndarray]) -> None:
    found = evidence(run(maps, "ours"), run(maps, "control"))
    value, other = (miou(maps["truth"], maps[name]) for name in ("ours", "control"))
    assert found["value"] == pytest.approx(value, abs=1e-4)
    assert found["control"] == pytest.approx(other, abs=1e-4)
    floors = [miou(maps["truth"], np.full_like(maps["truth"], k)) for k in range(3)]
    assert (found["floor"], found["floor_name"]) == (pytest.approx(max(floors), abs=1e-4), "grass everywhere")
    assert found["interval"][0] < value < found["interval"][1]
    assert found["control_interval"][0] < value - other < found["control_interval"][1]
    assert found["images"] == 12
    # An independent bootstrap of images comes to about the same interval.
    draws = np.random.default_rng(1).integers(0, 12, (1000, 12))
    low, high = np.quantile([miou(maps["truth"][each], maps["ours"][each]) for each in draws], [0.025, 0.975])
    width = found["interval"][1] - found["interval"][0]
    assert width == pytest.approx(high - low, rel=0.25)
    told = control_result(run(maps, "ours"), run(maps, "control"))
    assert told["verdict"] == "better"
    assert told["difference"] == pytest.approx(value - other, abs=1e-4)
    assert control_result(run(maps, "control"), run(maps, "ours"))["verdict"] == "worse"


def test_a_run_against_itself_is_undecided(maps: dict[str, np.ndarray]) -> None:
    found = evidence(run(maps, "ours"), run(maps, "ours"))
    assert found["value"] == found["control"]
    assert found["control_interval"] is None  # nothing varies
    assert control_result(run(maps, "ours"), run(maps, "ours"))["verdict"] == "undecided"


def test_a_pixel_in_a_thousand_does_not_matter(maps: dict[str, np.ndarray]) -> None:
    almost = maps["ours"].copy()
    almost[0, :2], almost[1, :2] = maps["truth"][0, :2], (maps["truth"][1, :2] + 1) % 3
    found = control_result(run(maps, "ours"), run({**maps, "almost": almost}, "almost"))
    assert found["verdict"] == "equivalent"


def test_the_program_picks_images_by_prefix(maps, tmp_path, capsys) -> None:
    names = np.array([f"{'town' if k < 6 else 'coast'}_{k:02d}" for k in range(12)])
    for each in ("ours", "control"):
        np.savez(tmp_path / f"{each}.npz", name=names, group=names, **counts(maps["truth"], maps[each]))
    (tmp_path / "classes.json").write_text(json.dumps({"classes": {"1": "roof", "2": "road", "3": "grass"}}))
    scenes = [f"{name},{name[:4]}{k // 2},0" for k, name in enumerate(names)]
    (tmp_path / "folds.csv").write_text("\n".join(["name,scene,fold", *scenes]) + "\n")
    files = [str(tmp_path / "ours.npz"), str(tmp_path / "control.npz"), "--data", str(tmp_path)]
    assert main([*files, "--only", "town_", "--by", "scene"]) == 0
    (found,) = yaml.safe_load(capsys.readouterr().out)["scores"]
    assert found["images"] == 6
    assert found["value"] == pytest.approx(miou(maps["truth"][:6], maps["ours"][:6]), abs=1e-4)
