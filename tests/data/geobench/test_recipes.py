"""GEO-Bench's recipes: every set and the switches that they name on its layout, and real files in processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hqzoo.cli import main
from tests.fixtures.geobench import CLASSES, write_geobench

RECIPES = Path(__file__).parents[3] / "recipes"
A, M, D = "--model.init_args.architecture_args", "--model.init_args", "--data.init_args"
QUICK = [f"{A}.encoder_args.weights", "random", f"{D}.num_workers", "0", f"{D}.batch_size", "2"]
FEW = [f"{M}.epochs", "1", f"{M}.grid", "[0.01]", f"{M}.batch", "4"]
JEPA = {"architecture_args": {"image_size": 24, "patch": 12, "width": 16, "heads": 2, "depth": 2}}
SETS = {"m-bigearthnet": 24, "m-eurosat": 16, "m-so2sat": 16, "m-brick-kiln": 16}


def recipe(name: str) -> list[str]:
    return ["-c", str(RECIPES / f"{name}.yaml")]


def scored(folder: Path) -> dict:
    return json.loads((folder / "test.json").read_text())["scores"]


@pytest.mark.parametrize(
    ("name", "band_map"), [*((name, "true") for name in SETS), ("m-eurosat", "by_name"), ("m-brick-kiln", "by_name")]
)
def test_labels_of_every_set(name: str, band_map: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_geobench(tmp_path, name, side=SETS[name], label_stats=name == "m-bigearthnet")
    options = [*QUICK, f"{D}.root", str(folder), f"{D}.band_map", band_map]
    assert main(["fit", *recipe("classifier/geobench"), *options]) == 0
    assert main(["test", "-c", "runs/classifier/geobench/config.yaml"]) == 0
    assert {"accuracy", "micro_f1", "macro_f1"} <= scored(tmp_path / "runs/classifier/geobench").keys()


@pytest.mark.parametrize("name", ["m-SA-crop-type", "m-cashew-plant"])
@pytest.mark.parametrize("without", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_masks_of_both_sets(name: str, without: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_geobench(tmp_path, name, (2, 1, 1), side=128)
    options = [*QUICK, *FEW, f"{D}.root", str(folder), *([f"{D}.ignore", "[0]"] if without else [])]
    assert main(["fit", *recipe("dense_classifier/geobench"), *options]) == 0
    assert main(["test", "-c", "runs/dense_classifier/geobench/config.yaml"]) == 0
    report = json.loads((tmp_path / "runs/dense_classifier/geobench/test.json").read_text())
    assert len(report["classes"]) == CLASSES[name] - without
    assert report["details"]["pixels"] == 128**2 or without
    assert report["scores"]["jaccard"] <= report["scores"]["miou"]
    assert report["details"]["probe"]["chosen"] == 0.01


@pytest.mark.parametrize(
    "switches",
    [
        [f"{A}.encoder", "random_convolutions", f"{A}.encoder_args", '{"cell": 8}'],
        [f"{A}.encoder", "hq_jepa_encoder", f"{A}.encoder_args", json.dumps({**JEPA, "size": 48}), f"{A}.patch", "12",
         f"{D}.crop_size", "null"],
        [f"{A}.head", "conv"],
        [f"{A}.head", "hybrid", f"{A}.control", "separable"],
        [f"{D}.partition", "0.50x_train"],
    ],
)  # fmt: skip
def test_switches_of_the_dense_recipe(switches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_geobench(tmp_path, "m-SA-crop-type", (2, 1, 1), side=64)
    options = [*(QUICK if f"{A}.encoder" not in switches else QUICK[2:]), *FEW, f"{D}.root", str(folder)]
    assert main(["fit", *recipe("dense_classifier/geobench"), *options, *switches]) == 0


@pytest.mark.parametrize(
    ("name", "dataset"),
    [("classifier/geobench_fine_tune", "m-eurosat"), ("dense_classifier/geobench_fine_tune", "m-cashew-plant")],
)
def test_fine_tuning(name: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_geobench(tmp_path, dataset, (4, 1, 1), side=64)
    crops = [f"{D}.crops_per_epoch", "4"] if "dense" in name else []
    short = ["--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1", *crops]
    assert main(["fit", *recipe(name), *QUICK, f"{D}.root", str(folder), *short]) == 0
    assert main(["test", "-c", f"runs/{name}/config.yaml"]) == 0


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "folder", "more"),
    [("classifier/geobench", "eurosat", []), ("dense_classifier/geobench", "southAfricaCropType", FEW)],
)
def test_real_files_and_real_weights(name: str, folder: str, more: list[str], real_data: Path, tmp_path: Path) -> None:
    """Through the command line, in processes of their own."""
    root = ["--data.init_args.root", str(real_data / "geobench_v1" / folder)]
    weights = [f"{A}.encoder_args.weights", str(real_data / "weights" / "galileo_nano")]
    fit = ["fit", *recipe(name), *root, *weights, *more, f"{D}.num_workers", "0"]
    for verb in (fit, ["test", "-c", f"runs/{name}/config.yaml"]):
        done = subprocess.run(
            [sys.executable, "-m", "hqzoo", *verb], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "runs" / name / "test.json").read_text())
    assert "galileo_nano/encoder.pt" in json.dumps(report["model"]["frozen"])
    assert report["details"]["probe"]["tried"]
