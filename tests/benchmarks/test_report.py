"""What the repository shows is what its results say."""

import json
import shutil

import pytest

from benchmarks.report import __main__ as report
from hqzoo.compare import read_table, summarize_table
from hqzoo.compare.cells import read_cells

FOLDERS = sorted(path.parent for path in report.RESULTS.glob("*/cells.jsonl"))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the results and of every page that is rendered from them."""
    shutil.copytree(report.HERE, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__", "runs"))
    shutil.copytree(report.REPOSITORY / "docs/pages", tmp_path / "docs/pages")
    shutil.copy(report.REPOSITORY / "README.md", tmp_path)
    here = tmp_path / "benchmarks"
    monkeypatch.setattr(report, "REPOSITORY", tmp_path)
    monkeypatch.setattr(report, "RESULTS", here / "results")
    monkeypatch.setattr(report, "HERE", here)
    return tmp_path


def test_pages_are_rendered_from_the_results(copy):
    pages = [copy / "README.md", *copy.glob("docs/pages/*.md"), *copy.rglob("report.md"), *copy.rglob("claims/*.md")]
    committed = {path: path.read_text() for path in pages}
    assert report.main([]) == 0
    for path, text in committed.items():
        assert path.read_text() == text, f"{path.relative_to(copy)}: run `hqzoo bench report`"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_summaries_are_what_the_cells_say(folder):
    """All numbers, to the last digit: the form of cells may change, what was measured may not."""
    table = read_table(folder / "table.yaml")
    found = summarize_table(table, folder, read_cells(table, folder))
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


def test_every_result_is_on_a_page(copy):
    text = "".join(path.read_text() for path in copy.glob("docs/pages/*.md"))
    for name in ("tables", "aerial_dubai", "ph2_qu_net", "quantum", "step", "accelerate"):
        assert f"<!-- begin {name} -->" in text


@pytest.mark.slow
def test_a_changed_number_reaches_the_pages(copy):
    path = copy / "benchmarks/results/aerial_dubai/cells.jsonl"
    first, *others = path.read_text().splitlines()
    cell = json.loads(first)
    cell["report"]["scores"]["miou"] = 0.1
    path.write_text("\n".join([json.dumps(cell), *others, ""]))
    pages = [copy / "docs/pages/results.md", copy / "benchmarks/results/aerial_dubai/report.md"]
    before = [page.read_text() for page in pages]
    assert report.main([]) == 0
    assert all(page.read_text() != text for page, text in zip(pages, before, strict=True))


def test_a_part_without_a_result_is_named(copy, capsys):
    shutil.rmtree(copy / "benchmarks/results")
    shutil.rmtree(copy / "benchmarks/claims")
    assert report.main([]) == 2
    assert "data.md shows 'pack', of which there is no result" in capsys.readouterr().err


@pytest.mark.parametrize("page", ["README.md", "docs/pages/results.md"])
def test_links_of_a_part_start_at_its_page(page):
    path = report.REPOSITORY / page
    target = path.read_text().partition("satellite images of Dubai, leave one tile out](")[2].partition(")")[0]
    assert (path.parent / target).is_file()
