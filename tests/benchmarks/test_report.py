"""What the repository shows is what its results say."""

import json
import shutil

import pytest

from benchmarks.report import __main__ as report


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


def test_a_changed_number_reaches_the_readme(copy):
    cell = next((copy / "benchmarks/results/aerial_dubai/cells").glob("quantum-fold0-*.json"))
    text = cell.read_text()
    content = json.loads(text)
    content["miou"] = 0.987
    cell.write_text(json.dumps(content))
    before = (copy / "README.md").read_text()
    assert report.main([]) == 0
    assert (copy / "README.md").read_text() != before
