"""Where cells and their samples lie: a file each while a table is filled, one for all once it is full."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hqzoo.compare.cell_files import archive_path, cell_path, compact, has_cells, read_cell, write_cell
from hqzoo.compare.cells import read_cells
from hqzoo.compare.locks import locked
from hqzoo.compare.result import Result
from hqzoo.compare.samples import read_samples, samples_of
from hqzoo.compare.table import Cell
from hqzoo.errors import ConfigError
from tests.compare.conftest import SCORES, put, report, result, table, write_cells


def write_samples(path: Path, names: list[str], value: int = 1) -> Path:
    np.savez_compressed(path, name=np.array(names), tp=np.full((len(names), 2), value))
    return path


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    """The cells of the table, each with samples."""
    for row, folds in SCORES.items():
        for fold, values in folds.items():
            for seed, value in enumerate(values):
                cell = Cell(row, fold, seed)
                source = write_samples(tmp_path / "test.npz", [f"{fold}a", f"{fold}b"], round(1000 * value))
                write_cell(tmp_path / "out", result(report(cell, value), cell), source)
    return tmp_path / "out"


def test_a_result_is_the_same_behind_its_file(tmp_path: Path) -> None:
    cell = Cell("mlp", 1, 0)
    best = report(cell, 0.7)
    own = result(report(cell, 0.6), cell, best=best, settings=("--x=1",), recipe_digest="d", command="c", finished="f")
    assert Result.from_dict(json.loads(json.dumps(own.to_dict()))).to_dict() == own.to_dict()
    put(tmp_path, own)
    assert read_cell(tmp_path, cell) == own
    assert read_cell(tmp_path, Cell("mlp", 0, 0)) is None


def test_a_full_table_is_one_file_with_a_sorted_line_a_cell(out: Path) -> None:
    before = read_cells(table(), out)
    compact(table(), out)
    lines = [json.loads(line) for line in archive_path(out).read_text().splitlines()]
    keys = [(line["row"], line["fold"], line["seed"]) for line in lines]
    assert keys == sorted(keys)
    assert len(keys) == 25
    assert not (out / "cells").exists()
    assert read_cells(table(), out) == before
    written = archive_path(out).read_bytes()
    compact(table(), out)
    assert archive_path(out).read_bytes() == written


def test_a_table_with_gaps_keeps_its_files(out: Path) -> None:
    cell_path(out, Cell("mlp", 2, 1)).unlink()
    compact(table(), out)
    assert not archive_path(out).exists()
    assert len(list((out / "cells").iterdir())) == 24
    assert has_cells(out)


def test_a_table_that_grows_has_both(out: Path) -> None:
    compact(table(), out)
    grown = table(folds=(0, 1, 2, 3, 4, 5))
    more = {row: {5: folds[0]} for row, folds in SCORES.items()}
    write_cells(out, {"unet": more["unet"]})
    assert len(read_cells(grown, out)["unet"]) == 6
    compact(grown, out)  # not full yet
    assert cell_path(out, Cell("unet", 5, 0)).is_file()
    write_cells(out, more)
    compact(grown, out)
    assert len(archive_path(out).read_text().splitlines()) == 30
    assert not (out / "cells").exists()
    assert {row: len(cells) for row, cells in read_cells(grown, out).items()} == {"unet": 6, "hybrid": 12, "mlp": 12}


def test_cells_that_the_table_has_no_more_are_kept(out: Path) -> None:
    compact(table(), out)
    fewer = table(folds=(0, 1))
    write_cells(out, {row: {0: SCORES[row][0]} for row in SCORES})
    compact(fewer, out)
    assert len(archive_path(out).read_text().splitlines()) == 25


def test_a_cell_that_is_run_again_counts_instead_of_its_line(out: Path) -> None:
    compact(table(), out)
    cell = Cell("mlp", 2, 1)
    put(out, result(report(cell, 0.9), cell))
    assert read_cell(out, cell).report.scores["miou"] == 0.9
    compact(table(), out)
    assert read_cell(out, cell).report.scores["miou"] == 0.9


def test_another_process_that_packs_is_not_disturbed(out: Path) -> None:
    with locked(out, "compact"):
        compact(table(), out)
        assert not archive_path(out).exists()
    compact(table(), out)
    assert archive_path(out).exists()


def test_damaged_lines_are_named(out: Path) -> None:
    compact(table(), out)
    lines = archive_path(out).read_text().splitlines()
    archive_path(out).write_text("\n".join([*lines[:2], lines[2][:50], *lines[3:]]))
    with pytest.raises(ConfigError, match=r"cells\.jsonl, line 3, is no cell of a table .*Remove it to run"):
        read_cells(table(), out)
    archive_path(out).write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(ConfigError, match=r"cells\.jsonl holds the cell hybrid-fold0-seed0 twice"):
        read_cells(table(), out)


def test_samples_lie_beside_their_cells_and_then_in_one_archive(sampled: Path) -> None:
    cell = read_cell(sampled, Cell("mlp", 1, 1))
    content = (sampled / "cells" / "mlp-fold1-seed1.npz").read_bytes()
    assert cell.samples.file == "mlp-fold1-seed1.npz"
    assert cell.samples.sha256 == hashlib.sha256(content).hexdigest()
    before = read_samples(read_cells(table(), sampled), sampled)
    assert before["mlp"][1, 1]["tp"].tolist() == [[600, 600], [600, 600]]
    assert before["mlp"][1, 1]["name"].tolist() == ["1a", "1b"]
    assert sum(map(len, before.values())) == 25

    compact(table(), sampled)
    assert sorted(path.name for path in sampled.iterdir()) == ["cells.jsonl", "runs", "samples.zip"]
    after = read_samples(read_cells(table(), sampled), sampled)
    for row, cells in before.items():
        for key, columns in cells.items():
            for name, values in columns.items():
                np.testing.assert_array_equal(after[row][key][name], values)
    with zipfile.ZipFile(sampled / "samples.zip") as archive:
        assert archive.read("mlp-fold1-seed1.npz") == content


def test_samples_of_a_table_that_grows_join_the_archive(sampled: Path) -> None:
    compact(table(), sampled)
    grown = table(rows=(*table().rows, type(table().rows[0])("new")), seeds=(0, 1))
    for cell in grown.cells(rows=["new"]):
        source = write_samples(sampled / "test.npz", [f"{cell.fold}a", f"{cell.fold}b"])
        write_cell(sampled, result(report(cell, 0.5), cell), source)
    compact(grown, sampled)
    found = read_samples(read_cells(grown, sampled), sampled)
    assert {row: len(cells) for row, cells in found.items()} == {"unet": 5, "hybrid": 10, "mlp": 10, "new": 10}


def test_cells_without_samples_have_none(out: Path) -> None:
    assert read_samples(read_cells(table(), out), out) == {"unet": {}, "hybrid": {}, "mlp": {}}
    assert samples_of(read_cell(out, Cell("mlp", 0, 0)), out) is None
    compact(table(), out)
    assert not (out / "samples.zip").exists()


def test_samples_of_an_earlier_attempt_do_not_pass_for_the_cells(tmp_path: Path) -> None:
    cell = Cell("mlp", 0, 0)
    write_cell(tmp_path, result(report(cell, 0.5), cell), write_samples(tmp_path / "test.npz", ["a"]))
    assert write_cell(tmp_path, result(report(cell, 0.6), cell), tmp_path / "none.npz").samples is None
    assert not (tmp_path / "cells" / "mlp-fold0-seed0.npz").exists()


def test_other_samples_in_another_row_are_refused(sampled: Path, tmp_path: Path) -> None:
    cell = Cell("mlp", 2, 1)
    write_cell(sampled, result(report(cell, 0.5), cell), write_samples(tmp_path / "other.npz", ["2a", "2c"]))
    with pytest.raises(
        ConfigError, match=r"unet-fold2-seed0 and mlp-fold2-seed1 were scored on different samples: 2 .* such as '2b'"
    ):
        read_samples(read_cells(table(), sampled), sampled)


def test_damaged_and_missing_samples_are_refused(sampled: Path) -> None:
    path = sampled / "cells" / "mlp-fold2-seed1.npz"
    write_samples(path, ["2a", "2b"], 7)
    cell = read_cell(sampled, Cell("mlp", 2, 1))
    with pytest.raises(ConfigError, match=r"mlp-fold2-seed1\.npz is not the file that the cell mlp-fold2-seed1 was"):
        samples_of(cell, sampled)
    path.unlink()
    with pytest.raises(ConfigError, match=r"samples of a cell are missing: neither .*samples\.zip, mlp-fold2-seed1"):
        samples_of(cell, sampled)


def test_samples_cannot_run_code(tmp_path: Path) -> None:
    cell = Cell("mlp", 0, 0)
    np.savez_compressed(tmp_path / "test.npz", name=np.array(["a"]), tp=np.array([{"an": "object"}], dtype=object))
    written = write_cell(tmp_path, result(report(cell, 0.5), cell), tmp_path / "test.npz")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        samples_of(written, tmp_path)
