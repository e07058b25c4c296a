"""Rows of a table compared unit by unit: from cells with samples to the report."""

import json
from pathlib import Path

import numpy as np
import pytest

from hqzoo.cli import main
from hqzoo.compare import compare_units, units_of_row
from hqzoo.compare.cell_files import compact, write_cell
from hqzoo.compare.report import write_report
from hqzoo.compare.statistics import holm
from hqzoo.compare.table import Cell
from hqzoo.compare.table_file import dump_table
from hqzoo.compare.unit_report import compare_rows_by_unit, unit_section, unit_sentences
from hqzoo.errors import ConfigError
from tests.compare.conftest import SCORES, report, result, table, write_cells

GAIN = {"hybrid": 0.15, "mlp": 0.1, "unet": 0.0}


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    """Cells of five folds with six images each in two groups, whose scores are those of their images."""
    for row, folds in SCORES.items():
        for fold, values in folds.items():
            for seed in range(len(values)):
                counts = columns(row, fold, seed)
                np.savez_compressed(tmp_path / "test.npz", **counts)
                hits, false, misses = (counts[name].sum(0) for name in ("tp", "fp", "fn"))
                cell = Cell(row, fold, seed)
                own = report(cell, float((hits / (hits + false + misses)).mean()))
                write_cell(tmp_path / "out", result(own, cell), tmp_path / "test.npz")
    return tmp_path / "out"


def columns(row: str, fold: int, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng((len(row), fold, seed))
    truth = np.random.default_rng(fold).integers(200, 400, (6, 3))
    hits = generator.binomial(truth, 0.5 + GAIN[row])
    names = np.array([f"{fold}_{n}" for n in range(6)])
    groups = np.array([f"{fold}_{n % 2}" for n in range(6)])
    return {"name": names, "group": groups, "tp": hits, "fp": generator.poisson(100, (6, 3)), "fn": truth - hits}


def test_rows_are_paired_unit_by_unit(sampled: Path) -> None:
    summary = write_report(table(), sampled, "")
    against_unet, against_mlp = summary["comparisons"]
    found = {(each["row"], each["against"]): each for each in summary["units"]["comparisons"]}
    assert summary["units"]["statistic"] == "miou"
    # the same difference as that of folds, which has the same mean
    assert found["hybrid", "mlp"]["mean"] == pytest.approx(against_mlp["interval"]["mean"])
    assert found["hybrid", "unet"]["mean"] == pytest.approx(against_unet["interval"]["mean"])
    runs = {row: units_of_row(table(), sampled, row) for row in ("hybrid", "mlp")}
    assert runs["mlp"][0].classes == ("skin", "lesion", "hair")
    direct = compare_units(runs["hybrid"], runs["mlp"], "miou")
    assert {"low": direct.low, "high": direct.high}.items() <= found["hybrid", "mlp"].items()
    assert direct.scope == "runs of this training on these 5 training sets (10 runs, 30 units in 10 clusters)"
    # one seed alone is shared with the U-Net
    assert found["hybrid", "unet"]["scope"].startswith("these checkpoints, one in each of 5 folds (30 units in 10")
    text = (sampled / "report.md").read_text()
    assert "Paired unit by unit" in text
    assert f"{direct.mean:+.4f} [{direct.low:+.4f}, {direct.high:+.4f}]" in text
    assert direct.scope in text
    assert any(direct.scope in sentence for sentence in unit_sentences(summary))
    before = text
    json.loads((sampled / "summary.json").read_text())
    compact(table(), sampled)
    write_report(table(), sampled, "")
    assert (sampled / "report.md").read_text() == before  # seeded, and the same from the archive


def test_the_command_compares_what_it_is_asked_to(sampled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sampled / "table.yaml").write_text(dump_table(table()))
    assert main(["compare", "--out", str(sampled), "--report-only", "--units", "image_iou/lesion"]) == 0
    found = json.loads((sampled / "summary.json").read_text())["units"]
    runs = [units_of_row(table(), sampled, row) for row in ("hybrid", "mlp")]
    direct = compare_units(*runs, "image_iou/lesion")
    assert found["comparisons"][1]["mean"] == pytest.approx(direct.mean)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"hybrid − mlp, paired by unit: {direct.mean:+.4f} [{direct.low:+.4f}, {direct.high:+.4f}]" in printed
    assert f"holds for {direct.scope}." in printed


def test_p_values_are_corrected_within_their_family(sampled: Path) -> None:
    rows = table().rows
    pair = table(rows=(*rows[:2], type(rows[2])("mlp", against=("hybrid", "unet"))))
    found = compare_rows_by_unit(pair, sampled, "image_iou")["comparisons"]
    assert [each["method"] for each in found] == ["components"] * 3
    units = {row: units_of_row(pair, sampled, row) for row in pair.row_names}
    first = {row: [run for run in runs if run.seed == 0] for row, runs in units.items()}
    plain = [
        compare_units(first["hybrid"], first["unet"], "image_iou").p,
        compare_units(units["mlp"], units["hybrid"], "image_iou").p,
        compare_units(first["mlp"], first["unet"], "image_iou").p,
    ]
    assert [each["p"] for each in found] == pytest.approx(holm([p for p in plain if p is not None]))


def test_folds_of_a_shared_draw_of_weights_are_one_run(sampled: Path, tmp_path: Path) -> None:
    old = table(seed_rule="shared")
    with pytest.raises(ConfigError, match="seed by the rule"):
        units_of_row(old, sampled, "mlp")
    runs = {}
    for row in ("hybrid", "mlp"):
        for fold in range(5):
            for seed in range(2):
                np.savez_compressed(tmp_path / "test.npz", **columns(row, fold, seed))
                cell = Cell(row, fold, seed)
                write_cell(tmp_path / "old", result(report(cell, 0.5), cell, seed_rule="shared"), tmp_path / "test.npz")
        runs[row] = units_of_row(old, tmp_path / "old", row)
    found = compare_units(runs["hybrid"], runs["mlp"], "image_iou")
    assert (found.runs, found.clusters) == (2, 10)


def test_nobody_asked(sampled: Path) -> None:
    summary = write_report(table(), sampled)
    assert "units" not in summary
    assert (unit_section(summary), unit_sentences(summary)) == ([], [])


def test_cells_without_units_are_named_where_units_are_asked_for(tmp_path: Path) -> None:
    write_cells(tmp_path)
    write_report(table(), tmp_path)
    with pytest.raises(ConfigError, match=r"cell unet-fold0-seed0 has no units.*run it again"):
        write_report(table(), tmp_path, "")
    with pytest.raises(ConfigError, match=r"Unknown row 'mpl'.*'mlp'"):
        units_of_row(table(), tmp_path, "mpl")
