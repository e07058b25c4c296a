"""Runs given one by one are judged as the table that they would fill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hqzoo.compare.cells import read_cells
from hqzoo.compare.page.folders import Run, read_folders
from hqzoo.compare.page.verdicts import judge_runs
from hqzoo.compare.summary import summarize
from hqzoo.compare.table_file import read_table
from tests.fixtures.run_folders import LOSSES, write_run

PUBLISHED = Path(__file__).parents[3] / "benchmarks/results/ph2_hq_unet"


def runs_of(*folders: Path) -> list[Run]:
    return read_folders(folders)[0]


def test_runs_of_a_published_table_get_its_statistics(tmp_path: Path) -> None:
    whole = read_table(PUBLISHED / "table.yaml").scored_by("miou")
    table = replace(whole, rows=tuple(whole.row(name) for name in ("quantum", "mlp", "separable")))
    results = read_cells(table, PUBLISHED)
    folders = [
        write_run(tmp_path / result.cell.name, row, fold=fold, seed=seed, report=result.report)
        for row, cells in results.items()
        for (fold, seed), result in cells.items()
    ]
    assert len(folders) == 15
    (found,) = judge_runs(runs_of(*folders))
    assert (found.metric, found.unit) == ("mIoU", "fold")
    expected = summarize(table, results)["comparisons"]
    for ours, theirs in zip(found.comparisons, expected, strict=True):
        for key in ("row", "against", "interval", "p", "p_equivalence", "smallest_detectable", "verdict"):
            assert ours[key] == theirs[key], key


def test_two_single_runs_have_one_pair(tmp_path: Path) -> None:
    (found,) = judge_runs(runs_of(write_run(tmp_path / "a", miou=0.7), write_run(tmp_path / "b", "mlp", 0.6)))
    (each,) = found.comparisons
    assert each["interval"]["mean"] == pytest.approx(0.1)
    assert each["interval"]["n"] == each["runs"] == 1
    assert each["verdict"] == "undecided: one pair"


def test_seeds_of_one_split_are_pairs(tmp_path: Path) -> None:
    scores = {"quantum": (0.70, 0.72, 0.71, 0.73), "mlp": (0.60, 0.61, 0.60, 0.62)}
    folders = [
        write_run(tmp_path / f"{control}{seed}", control, score, seed=seed)
        for control, values in scores.items()
        for seed, score in enumerate(values)
    ]
    (found,) = judge_runs(runs_of(*folders))
    (each,) = found.comparisons
    assert found.unit == "seed"
    assert each["units"] == pytest.approx({0: 0.10, 1: 0.11, 2: 0.11, 3: 0.11})
    assert each["verdict"].startswith("better")
    (note,) = found.notes
    assert note.startswith("Nothing shows that this table could tell")


def test_runs_that_cannot_tell_say_so(tmp_path: Path) -> None:
    scores = {"quantum": (0.700, 0.701, 0.702), "zero": (0.701, 0.700, 0.702)}
    folders = [
        write_run(tmp_path / f"{control}{seed}", control, score, seed=seed)
        for control, values in scores.items()
        for seed, score in enumerate(values)
    ]
    (found,) = judge_runs(runs_of(*folders))
    assert found.comparisons[0]["verdict"].startswith("equivalent")
    assert "cannot tell what the circuit of quantum is worth" in found.notes[0]


def test_seeds_of_folds_that_have_their_own_are_numbered(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / f"{control}{fold}", control, 0.5 + 0.01 * fold + gain, seed=900 + fold, fold=fold)
        for control, gain in (("quantum", 0.02), ("mlp", 0.0))
        for fold in (1, 2, 3)
    ]
    (found,) = judge_runs(runs_of(*folders))
    assert found.unit == "fold"
    assert found.comparisons[0]["units"] == pytest.approx({1: 0.02, 2: 0.02, 3: 0.02})
    assert found.comparisons[0]["verdict"] == "undecided: no spread"  # and not that others are to be run


def test_other_recipes_are_not_compared(tmp_path: Path) -> None:
    assert judge_runs(runs_of(write_run(tmp_path / "a"), write_run(tmp_path / "b", "mlp", lr=0.5))) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": "other"}, "other images"),
        ({"control": "quantum"}, None),
        ({"losses": LOSSES[::-1]}, "barely trained: the training loss did not fall"),
        ({"checkpoint": "best.ckpt"}, "Scored: best.ckpt, last.ckpt"),
        ({"losses": (1.0, float("nan"))}, "diverged"),
        ({"step": 9}, "Not trained alike: for 8, 9 steps"),
    ],
)
def test_what_forbids_or_qualifies_a_verdict(tmp_path: Path, changes: dict[str, object], words: str | None) -> None:
    second = write_run(tmp_path / "b", **{"control": "mlp", **changes})  # type: ignore[arg-type]
    found = judge_runs(runs_of(write_run(tmp_path / "a"), second))
    if words is None:
        assert found == []
    else:
        assert words in " ".join(found[0].notes)


def test_the_same_cell_twice_is_told(tmp_path: Path) -> None:
    folders = write_run(tmp_path / "a"), write_run(tmp_path / "b"), write_run(tmp_path / "c", "mlp")
    (found,) = judge_runs(runs_of(*folders))
    assert "share control, fold and seed" in found.notes[0]


def test_controls_alone_say_nothing_of_the_circuit(tmp_path: Path) -> None:
    (found,) = judge_runs(runs_of(write_run(tmp_path / "a", "constant"), write_run(tmp_path / "b", "mlp")))
    assert "None of these runs has the circuit itself" in found.notes[0]
