"""The verb as a user calls it: real runs on a small folder, in processes of their own."""

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from hqzoo.cli import main
from hqzoo.compare.machine import cores
from tests.cli.conftest import recipe, write_recipe
from tests.fixtures.folder import write_csv, write_folder

PATIENCE = 300.0  # seconds; a loaded machine imports torch slowly
OVERRIDES = ("model.init_args.optimizer.lr=0.02", "data.init_args.num_workers=0")
SAME = ("losses", "settings", "command")  # of a cell
SAME_IN_REPORTS = ("scores", "metrics", "classes", "details")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hqzoo", "compare", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, start_new_session=True)  # fmt: skip


def cells(out: Path) -> dict[str, dict]:
    """Return the cells of a table, of which a full one has one file, by name."""
    path = out / "cells.jsonl"
    together = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    found = [*together, *(json.loads(path.read_text()) for path in (out / "cells").glob("*.json"))]
    return {f"{cell['row']}-fold{cell['fold']}-seed{cell['seed']}": cell for cell in found}


def same(cell: dict) -> dict:
    """Return what must not depend on how a cell came about."""
    reports = {name: {key: cell[name][key] for key in SAME_IN_REPORTS} for name in ("report", "best")}
    return {**{key: cell[key] for key in SAME}, **reports}


def samples(out: Path, name: str) -> dict[str, np.ndarray]:
    """Return what was found of every test image in one cell of a full table."""
    with zipfile.ZipFile(out / "samples.zip") as archive, np.load(io.BytesIO(archive.read(f"{name}.npz"))) as columns:
        return dict(columns)


@pytest.fixture(scope="module")
def settings(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of two steps."""
    content = recipe(folder, Path("unset"))
    content["trainer"]["max_epochs"] = 1
    content["data"]["init_args"]["crops_per_epoch"] = 4
    return write_recipe(content, tmp_path_factory.mktemp("recipe") / "small.yaml")


@pytest.fixture(scope="module")
def finished(settings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Two controls on two folds, filled by two processes; the folder, and what was printed."""
    out = tmp_path_factory.mktemp("compare") / "out"
    process = start("-c", str(settings), "--no-zero", "--controls", "quantum", "mlp", "--folds", "0", "1",
                    "--out", str(out), "--workers", "2", "--", *OVERRIDES)  # fmt: skip
    printed, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 0, printed
    return out, printed


def test_two_controls_on_two_folds(finished: tuple[Path, str]) -> None:
    out, printed = finished
    found = cells(out)
    assert sorted(found) == ["mlp-fold0-seed0", "mlp-fold1-seed0", "quantum-fold0-seed0", "quantum-fold1-seed0"]
    for cell in found.values():
        report = cell["report"]
        assert report["schema"] == 2
        assert report["model"]["architecture_args"]["control"] == cell["row"]
        assert report["data"]["init_args"]["fold"] == cell["fold"]
        assert "root" not in report["data"]["init_args"]
        assert (report["run"]["step"], len(cell["losses"])) == (2, 1)
        assert (report["run"]["checkpoint"], cell["best"]["run"]["checkpoint"]) == ("last", "best")
        assert "--model.init_args.optimizer.lr=0.02" in cell["settings"]
        assert report["costs"]["training_seconds"] > 0
        assert cell["machine"]["threads"] == max(1, cell["machine"]["cores"] // 2)
        assert cell["finished"].endswith("+00:00")
    assert found["quantum-fold0-seed0"]["report"]["model"]["quantum_parameters"] == 8
    assert "[4/4] row" in printed
    assert "quantum − mlp, paired over 2 folds" in printed
    summary = json.loads((out / "summary.json").read_text())
    miou = {name: cell["report"]["scores"]["miou"] for name, cell in found.items()}
    gaps = [miou[f"quantum-fold{fold}-seed0"] - miou[f"mlp-fold{fold}-seed0"] for fold in (0, 1)]
    assert summary["metric"] == "miou"  # the first score of the task
    assert list(summary["comparisons"][0]["units"].values()) == pytest.approx(gaps)
    table = yaml.safe_load((out / "table.yaml").read_text())
    assert table["set"] == ["--model.init_args.optimizer.lr=0.02"]  # num_workers says how, not what
    assert not list((out / "runs").rglob("*.ckpt"))
    assert not (out / "cells").exists()  # the table is full: one file has them all


def test_every_image_that_was_scored_is_kept(finished: tuple[Path, str]) -> None:
    out, _ = finished
    for name, cell in cells(out).items():
        content = zipfile.ZipFile(out / "samples.zip").read(cell["samples"]["file"])
        assert hashlib.sha256(content).hexdigest() == cell["samples"]["sha256"]
        found = samples(out, name)
        assert found["name"].tolist() == samples(out, f"quantum-fold{cell['fold']}-seed0")["name"].tolist()
        hits, misses = found["tp"].sum(0), found["fn"].sum(0)
        assert (hits + misses).tolist() == [row["truth_pixels"] for row in cell["report"]["classes"]]
        ious = hits / (hits + misses + found["fp"].sum(0))
        assert ious.mean() == pytest.approx(cell["report"]["scores"]["miou"])


def test_the_report_written_again_is_the_same(finished: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = finished
    before = {name: (out / name).read_bytes() for name in ("report.md", "report.png", "summary.json", "table.yaml")}
    assert main(["compare", "--out", str(out), "--report-only"]) == 0
    assert {name: (out / name).read_bytes() for name in before} == before
    assert "Written: " in capsys.readouterr().out


def test_scores_of_images_say_which_scene_they_are_of(
    finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every fold of this table is one scene, so that images within it cannot say how much scenes vary."""
    out = shutil.copytree(finished[0], tmp_path / "out")
    found = samples(out, "mlp-fold0-seed0")
    assert set(found) == {"name", "group", "tp", "fp", "fn", "soft", "calibration"}
    assert (found["name"].tolist(), found["group"].tolist()) == (["scene0_0", "scene0_1"], ["scene0"] * 2)
    (out / "report.md").unlink()
    assert main(["compare", "--out", str(out), "--report-only", "--units"]) == 2
    assert "A fold has one cluster" in capsys.readouterr().err
    assert (out / "report.md").exists()
    assert main(["compare", "--out", str(out), "--report-only", "--units", "miuo"]) == 2
    assert "Unknown score of units 'miuo'. Did you mean 'miou'?" in capsys.readouterr().err


def test_a_full_table_runs_nothing(finished: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = finished
    before = cells(out)
    assert main(["compare", "--out", str(out), "--no-report"]) == 0
    assert capsys.readouterr().out == "4 cells, 4 of them finished already.\n"
    assert cells(out) == before


def test_further_rows_and_folds_join_the_table(finished: tuple[Path, str], settings: Path, tmp_path: Path) -> None:
    shutil.copytree(finished[0], tmp_path / "out")
    arguments = ["-c", str(settings), "--controls", "constant", "--folds", "0", "--out", str(tmp_path / "out")]
    assert main(["compare", *arguments, "--", *OVERRIDES]) == 0
    assert len(cells(tmp_path / "out")) == 5
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [row["name"] for row in summary["rows"]] == ["quantum", "mlp", "constant"]
    assert [each["interval"]["n"] for each in summary["comparisons"]] == [2, 1]
    assert summary["missing"] == ["constant-fold1-seed0"]


def test_other_data_are_noticed(finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(finished[0], tmp_path / "out")
    found = cells(tmp_path / "out")
    data = found["mlp-fold0-seed0"]["report"]["data"]
    assert data["images"] == found["quantum-fold0-seed0"]["report"]["data"]["images"]
    data["images"] = "others"
    (tmp_path / "out" / "cells.jsonl").write_text("".join(json.dumps(cell) + "\n" for cell in found.values()))
    assert main(["compare", "--out", str(tmp_path / "out"), "--report-only"]) == 2
    assert "tested on other images" in capsys.readouterr().err


def test_other_settings_do_not_mix(finished: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = finished
    table = (out / "table.yaml").read_bytes()
    assert main(["compare", "--out", str(out), "--", "--model.init_args.optimizer.lr=0.5"]) == 2
    assert "was made with other settings" in capsys.readouterr().err
    assert (out / "table.yaml").read_bytes() == table


def test_in_this_process_it_finds_the_same(finished: tuple[Path, str], tmp_path: Path) -> None:
    """Runs one after another in one process equal runs in processes of their own."""
    out, _ = finished
    table = str(out / "table.yaml")
    torch.set_num_threads(max(1, cores() // 2))  # as many as each of the two workers had
    try:
        assert main(["compare", "--table", table, "--out", str(tmp_path), "--folds", "1", "--keep"]) == 0
    finally:
        torch.set_num_threads(1)
    found = cells(tmp_path)
    assert sorted(found) == ["mlp-fold1-seed0", "quantum-fold1-seed0"]
    for name, cell in found.items():
        assert same(cell) == same(cells(out)[name])
    assert sorted(path.suffix for path in (tmp_path / "cells").iterdir()) == [".json", ".json", ".npz", ".npz"]
    assert (tmp_path / "runs" / "mlp-fold1-seed0" / "checkpoints" / "last.ckpt").is_file()
    assert "2 cells are still missing" in (tmp_path / "report.md").read_text()


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_epoch(settings: Path, tmp_path: Path) -> None:
    """One cell of three epochs of thirty steps, killed behind the first, equals one that was left alone."""
    arguments = ["-c", str(settings), "--controls", "quantum", "--folds", "0"]
    overrides = ["--", "--trainer.max_epochs=3", "--data.init_args.crops_per_epoch=60"]
    out, metrics = tmp_path / "out", tmp_path / "out" / "runs" / "quantum-fold0-seed0" / "metrics.csv"

    def done() -> int:
        if not metrics.exists():
            return 0
        with metrics.open(newline="") as file:
            return sum(bool(row.get("train/loss")) for row in csv.DictReader(file))

    process = start(*arguments, "--out", str(out), *overrides)
    deadline = time.monotonic() + PATIENCE
    while done() < 35:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert not cells(out)

    assert main(["compare", "--out", str(out)]) == 0
    assert main(["compare", *arguments, "--out", str(tmp_path / "whole"), *overrides]) == 0
    resumed, whole = cells(out)["quantum-fold0-seed0"], cells(tmp_path / "whole")["quantum-fold0-seed0"]
    assert len(whole["losses"]) == 3
    assert same(resumed) == same(whole)
    spent, costs = resumed["report"]["costs"], whole["report"]["costs"]
    assert spent["training_seconds"] is None  # the killed process took its count along
    assert costs["training_seconds"] > 0
    assert spent["steps"] < costs["steps"]  # timed steps: the first epoch was not trained again


@pytest.mark.slow
def test_interrupted_workers_save_and_end(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start("-c", str(settings), "--no-zero", "--controls", "quantum", "mlp", "--folds", "0", "--out", str(out),
                    "--workers", "2", "--", "--trainer.max_epochs=2000")  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while len(list(out.glob("runs/*/checkpoints/last.ckpt"))) < 2:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, printed
    assert f"Go on with: hqzoo compare --out {out}" in printed
    for log in (out / "logs").iterdir():
        assert "Saved after" in log.read_text()
    notes = [json.loads(path.read_text()) for path in out.glob("runs/*/compare.json")]
    assert [note["trained"] for note in notes] == [False, False]
    assert all(note["seconds"] > 0 for note in notes)


@pytest.mark.slow
def test_a_failing_worker_is_quoted(settings: Path, tmp_path: Path) -> None:
    process = start("-c", str(settings), "--no-zero", "--controls", "quantum", "mlp", "--folds", "0",
                    "--out", str(tmp_path), "--rows", "mlp", "--workers", "2", "--",
                    'model.init_args.optimizer.options={"betas": [2, 2]}')  # fmt: skip
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, printed
    assert "A worker ended with exit code 2" in printed
    assert "refuses its settings" in printed.split("The end of ", 1)[1].split("\n", 1)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Nothing to compare"),
        (["--controls", "mlp"], "either -c RECIPE with --controls"),
        (["-c", "x", "--controls", "mlp", "--table", "x"], "either -c RECIPE with --controls"),
        (["-c", "hq_unet/landscape", "--controls", "mlp"], "Did you mean 'hq_unet/landscapes'"),
        (["--table", "x.yaml"], "Cannot read the table file x.yaml"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--rows", "mpl"], "Did you mean 'mlp'"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--", "--trainer.max_steps", "2"], "write KEY=VALUE"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--", "data.fold=2"], "sets data.fold for every cell"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--report-only", "--out", "x"], "nothing to report"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "mlp"], "different controls"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--workers", "0"], "at least one process"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "data.fold=2"], "Put -- in front of overrides"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "mpl"], "Did you mean 'mlp'"),
        (["-c", "qu_net/ph2", "--controls", "mlp", "--folds", "0", "1"], "there is no such fold"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--seeds", "0", "0"], "names one twice"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--folds", "0", "1"], "one split and no folds"),
        (["-c", "hq_unet/landscapes", "--controls", "quantum", "mlp_time"], "Row 'mlp_time': "),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--", "data.crop_size=72"], "Row 'mlp': "),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--metric", "mioo"], "Unknown metric 'mioo'. Did you mean"),
        (["-c", "hq_unet/landscapes", "--controls", "mlp", "--metric", "iou/fores"], "Unknown class 'fores'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_named(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_folds_of_data_that_have_one_split(settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path / "set", size=(64, 64))
    splits = ["train", "train", "val", "val", "test", "test"]
    rows = [{"name": f"scene{i // 2}_{i % 2}", "split": split} for i, split in enumerate(splits)]
    write_csv(root / "split.csv", rows)
    arguments = [
        "-c",
        str(settings),
        "--controls",
        "quantum",
        "mlp",
        "--folds",
        "0",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["compare", *arguments, "--", f"data.root={root}"]) == 2
    assert "one split and no folds" in capsys.readouterr().err


def test_tables_have_a_row_with_nothing_in_the_circuits_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ["compare", "-c", "hq_unet/landscapes", "--out", str(tmp_path / "out")]
    asked = ["--controls", "quantum", "mlp"]
    for arguments, added in (([*asked], True), ([*asked, "zero"], False), ([*asked, "--no-zero"], False)):
        assert main([*plain, *arguments, "--rows", "zero", "--report-only"]) == 2  # there is nothing to report
        assert ("A row 'zero'" in capsys.readouterr().out) == added


def test_help_is_instant_and_unknown_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--help"]) == 0
    assert "usage: hqzoo compare" in capsys.readouterr().out
    assert main(["compare", "--fold", "1"]) == 2


def test_other_data_are_refused_before_anything_is_run(
    finished: tuple[Path, str], folder: Path, settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the finished cells nor a new row of a table are given for data that differ by one pixel of a mask."""
    out, other = tmp_path / "out", tmp_path / "other"
    shutil.copytree(finished[0], out)
    shutil.copytree(folder, other)
    before = cells(out)
    root = ["--", *OVERRIDES, f"data.init_args.root={other}"]
    assert main(["compare", "--out", str(out), *root]) == 0  # the same data elsewhere
    mask = next((other / "masks").iterdir())
    pixels = np.array(Image.open(mask))
    pixels[0, 0] = 3 - pixels[0, 0]
    Image.fromarray(pixels).save(mask)
    capsys.readouterr()
    for arguments in (
        ["--out", str(out)],
        ["-c", str(settings), "--controls", "constant", "--folds", "0", "--out", str(out)],
    ):
        assert main(["compare", *arguments, *root]) == 2
        printed = capsys.readouterr()
        assert "was made with other data than these" in printed.err
        assert "miou" not in printed.out.lower()
    shutil.rmtree(other)
    assert main(["compare", "--out", str(out), *root]) == 2
    assert "other" in capsys.readouterr().err
    assert cells(out) == before
    assert main(["compare", "--out", str(out), "--report-only", *root]) == 0
    fingerprint = json.loads((out / "summary.json").read_text())["data"]["fingerprint"]
    data = f"Data: FolderSegmentationDataModule with fingerprint {fingerprint}."
    assert data in capsys.readouterr().out
    assert data in (out / "report.md").read_text()
    assert all(cell["content"] for cell in before.values())


@pytest.mark.slow
def test_every_data_set_has_its_default_folder_and_is_remembered(
    settings: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = yaml.safe_load(settings.read_text())
    content["data"]["init_args"]["root"] = "nowhere"
    recipe_file = write_recipe(content, tmp_path / "small.yaml")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "first")
    write_folder(tmp_path / "second", size=(64, 64), seed=50)
    arguments = ["compare", "-c", str(recipe_file), "--controls", "mlp", "--folds"]
    for root in ("first", "second"):
        assert main([*arguments, "0", "--", f"data.init_args.root={root}"]) == 0
    first, second = (next(Path("runs/compare").glob(f"*small-{root}-*")) for root in ("first", "second"))
    scores = [cells(out)["mlp-fold0-seed0"]["content"] for out in (first, second)]
    assert scores[0] != scores[1]
    capsys.readouterr()
    assert main([*arguments, "0", "--", "data.init_args.root=third"]) == 2
    assert "third" in capsys.readouterr().err
    assert not list(Path("runs/compare").glob("*small-third-*"))
    assert main([*arguments, "1"]) == 2  # of which data?
    assert "Several tables" in capsys.readouterr().err
    shutil.rmtree(second)
    assert main([*arguments, "1"]) == 0  # the only table there is, with the data that it remembers
    assert main(["compare", "--out", str(first), "--folds", "2"]) == 0
    assert sorted(cells(first)) == ["mlp-fold0-seed0", "mlp-fold1-seed0", "mlp-fold2-seed0"]
    assert yaml.safe_load((first / "table.yaml").read_text())["folds"] == [0, 1, 2]
    assert main(["compare", "--out", str(first), "--folds", "7"]) == 2
    assert "7" in capsys.readouterr().err
    assert yaml.safe_load((first / "table.yaml").read_text())["folds"] == [0, 1, 2]
