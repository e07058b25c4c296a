"""Rows that were barely trained are marked, and their table has no verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hqzoo.compare.cells import read_cells
from hqzoo.compare.claims import write_claims
from hqzoo.compare.losses import read_losses
from hqzoo.compare.report import body, brief
from hqzoo.compare.summary import summarize
from hqzoo.compare.table import Cell, Row
from hqzoo.compare.table_file import dump_table
from hqzoo.compare.training import barely_trained
from tests.compare.conftest import SCORES, put, report, result, table, write_cells

T = np.linspace(0, 1, 20)


def of_curve(losses: object, **changes: object) -> list[str]:
    cell = Cell("mlp", 0, 0)
    return barely_trained([result(report(cell, 0.5), cell, losses=tuple(losses), **changes)])


@pytest.mark.parametrize("losses", [
    1 - 0.3 * T, 2 - 0.9 * T**2, np.exp(-0.6 * T), 0.5 + np.exp(-T), (1.2, 1.0, 0.9), (0.7, 0.6), (5 - T),
])  # fmt: skip
def test_a_loss_that_still_falls_is_told(losses: object) -> None:
    (reason,) = of_curve(losses)
    assert reason.startswith("the training loss still falls steeply, from ")


@pytest.mark.parametrize("losses", [
    np.exp(-5 * T), 0.7 + 0.3 * np.exp(-6 * T), 1 - 0.9 * T, (1.0, 0.5), (), [0.9, *[0.6] * 10],
])  # fmt: skip
def test_a_loss_that_has_levelled_off_or_come_down_is_not(losses: object) -> None:
    assert of_curve(losses) == []


def test_a_loss_that_says_nothing_good() -> None:
    assert of_curve([0.7]) == ["one training loss alone was logged"]
    assert of_curve([0.7] * 8) == ["the training loss did not fall"]
    assert of_curve([0.7, 0.8, 0.75]) == ["the training loss did not fall"]


def test_the_finer_curve_is_looked_at_where_there_is_one() -> None:
    (reason,) = of_curve([0.9], curve=(1.0, 0.95, 0.9, 0.85))
    assert reason == "the training loss still falls steeply, from 0.9 to 0.85 over the last quarter"


def test_classes_at_zero_are_told_where_most_runs_have_them() -> None:
    cells = [Cell("mlp", fold, 0) for fold in range(3)]
    ious = ((0.0, 0.5), (0.005, None), (0.3, 0.0))
    rows = [
        ({"name": "a", "iou": a, "truth_pixels": 9}, {"name": "b", "iou": b, "truth_pixels": 9},
         {"name": "absent", "iou": 0.0, "truth_pixels": 0}) for a, b in ious
    ]  # fmt: skip
    found = [result(report(cell, 0.5, classes=row), cell) for cell, row in zip(cells, rows, strict=True)]
    assert barely_trained(found) == ["a stays at zero"]


def test_such_a_table_has_no_verdict(tmp_path: Path) -> None:
    """Two rows that score alike within the margin are no longer equivalent when a third was barely trained."""
    scores = {"hybrid": SCORES["hybrid"], "mlp": {k: (a + 1e-4 * k, b) for k, (a, b) in SCORES["hybrid"].items()}}
    rows = (Row("hybrid"), Row("mlp", control_of="hybrid"), Row("other", against=("hybrid",)))
    own = replace(table(), rows=rows)
    write_cells(tmp_path, scores)
    write_cells(tmp_path, {"other": SCORES["mlp"]})
    before = summarize(own, read_cells(own, tmp_path))
    assert before["comparisons"][0]["verdict"] == "equivalent"
    assert "arely trained" not in body(before, "x.png")
    for fold in range(5):
        for seed in range(2):
            cell = Cell("other", fold, seed)
            put(tmp_path, result(report(cell, SCORES["mlp"][fold][seed]), cell, losses=(1.0, 0.9, 0.8, 0.7)))
    found = summarize(own, read_cells(own, tmp_path))
    assert [each["verdict"] for each in found["comparisons"]] == ["undecided: barely trained"] * 2
    assert [each["p"] for each in found["comparisons"]] == [each["p"] for each in before["comparisons"]]
    for text in (body(found, "x.png"), brief(found, "x.png", "x.md")):
        assert "No verdict, as rows are barely trained: other (the training loss still falls steeply" in text
        assert "| `other` (barely trained) |" in text
        assert "**equivalent" not in text


@pytest.mark.parametrize("control", ["zero", "constant"])
def test_a_control_that_sees_nothing_may_have_nothing_to_learn(control: str, tmp_path: Path) -> None:
    rows = (Row("hybrid"), Row("nothing", settings=(f"--a.control={control}",), control_of="hybrid"))
    own = replace(table(), rows=rows)
    write_cells(tmp_path, {"hybrid": SCORES["hybrid"]})
    for fold in range(5):
        for seed in range(2):
            cell = Cell("nothing", fold, seed)
            put(tmp_path, result(report(cell, 0.1), cell, losses=(1.0, 1.0, 1.0, 1.0)))
    found = summarize(own, read_cells(own, tmp_path))
    assert [row["barely_trained"] for row in found["rows"]] == [[], []]
    assert found["comparisons"][0]["verdict"].startswith("better")


def test_claims_about_such_a_table_are_undecided(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "table.yaml").write_text(dump_table(table()))
    write_cells(tmp_path / "t", losses=(1.0, 0.9, 0.8))
    line = {"published": "x", "table": "t", "row": "hybrid", "against": "unet"}
    claims = [{"claim": "better", **line}, {"claim": "steadier", "about": "spread", **line}]
    (tmp_path / "claims.yaml").write_text(str({"title": "Claims", "claims": claims}))
    text = write_claims(tmp_path / "claims.yaml", tmp_path, tmp_path / "claims.md")
    assert text.count("**undecided: barely trained**") == 2


def test_the_curve_has_equal_parts(tmp_path: Path) -> None:
    rows = "".join(f"{step},{step // 50},{100 - step}\n" for step in range(100))
    (tmp_path / "metrics.csv").write_text("step,epoch,train/loss\n" + rows)
    epochs, curve = read_losses(tmp_path / "metrics.csv")
    assert epochs == (75.5, 25.5)
    assert len(curve) == 16
    assert np.diff(curve).tolist() == pytest.approx([-6.25] * 15, abs=0.5)
    assert read_losses(tmp_path / "absent.csv") == ((), ())
