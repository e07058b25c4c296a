"""What the repository shows is what its results say."""

import json
import shutil

import pytest

from benchmarks.report import __main__ as report
from hqzoo.compare import read_cells, read_table, summarize

FOLDERS = sorted(path.parent for path in report.RESULTS.glob("*/cells.jsonl"))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the results and of every page that is rendered from them."""
    shutil.copytree(report.HERE, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__", "runs"))
    shutil.copy(report.README, tmp_path / "README.md")
    here = tmp_path / "benchmarks"
    monkeypatch.setattr(report, "README", tmp_path / "README.md")
    monkeypatch.setattr(report, "RESULTS", here / "results")
    monkeypatch.setattr(report, "HERE", here)
    return tmp_path


def test_pages_are_rendered_from_the_results(copy):
    pages = [copy / "README.md", *copy.rglob("report.md"), *copy.rglob("claims/*.md")]
    committed = {path: path.read_text() for path in pages}
    assert report.main([]) == 0
    for path, text in committed.items():
        assert path.read_text() == text, f"{path.relative_to(copy)}: run `hqzoo bench report`"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_summaries_are_what_the_cells_say(folder):
    """All numbers, to the last digit: the form of cells may change, what was measured may not."""
    found = summarize(read_table(folder / "table.yaml"), read_cells(read_table(folder / "table.yaml"), folder))
    stored = json.loads((folder / "summary.json").read_text())
    assert_same(json.loads(json.dumps(found)), stored, folder.name)


def assert_same(found, stored, where):
    if isinstance(stored, dict):
        assert list(found) == list(stored), where
        for key in stored:
            assert_same(found[key], stored[key], f"{where}: {key}")
    elif isinstance(stored, list):
        assert len(found) == len(stored), where
        for number, (one, other) in enumerate(zip(found, stored, strict=True)):
            assert_same(one, other, f"{where} {number}")
    else:  # libraries of other versions add up in another order
        assert found == (pytest.approx(stored, rel=1e-9, abs=1e-12) if isinstance(stored, float) else stored), where


def test_tables_keep_their_cells_in_one_file():
    assert len(FOLDERS) >= 6
    assert not list(report.RESULTS.glob("*/cells"))


def test_a_changed_number_reaches_the_readme(copy):
    path = copy / "benchmarks/results/aerial_dubai/cells.jsonl"
    cells = [json.loads(line) for line in path.read_text().splitlines()]
    cells[0]["report"]["scores"]["miou"] = 0.987
    path.write_text("".join(json.dumps(cell) + "\n" for cell in cells))
    before = (copy / "README.md").read_text()
    assert report.main([]) == 0
    assert (copy / "README.md").read_text() != before
