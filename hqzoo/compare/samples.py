"""What was found of every sample, beside the cells: for tests that pair images rather than folds.

``hqzoo test`` writes columns of arrays by sample name. While a table is filled, they lie beside each cell
(``cells/NAME.npz``); those of a full table lie in one archive (``samples.zip``), each as it was.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo._files import replacing
from hqzoo.compare.result import Result, Results, SampleFile
from hqzoo.compare.table import Cell
from hqzoo.errors import ConfigError

__all__ = ["keep_samples", "pack_samples", "read_samples", "samples_of", "samples_path"]

ARCHIVE = "samples.zip"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same archive whenever it is written

Columns = dict[str, npt.NDArray[Any]]


def samples_path(out: Path, cell: Cell) -> Path:
    """Return the file of a cell in a table that is being filled."""
    return out / "cells" / f"{cell.name}.npz"


def keep_samples(out: Path, cell: Cell, source: Path) -> SampleFile | None:
    """Copy what a run left of its samples beside its cell; return what the cell shall say of it.

    Args:
        out: The table's folder.
        cell: The cell.
        source: The file that a test wrote; where it is missing, the task kept nothing.
    """
    path = samples_path(out, cell)
    path.unlink(missing_ok=True)  # of an earlier run that did not come to its end
    if not source.is_file():
        return None
    content = source.read_bytes()
    with replacing(path) as beside:
        beside.write_bytes(content)
    return SampleFile(path.name, hashlib.sha256(content).hexdigest())


def read_samples(results: Results, out: Path) -> dict[str, dict[tuple[int, int], Columns]]:
    """Return by row and (fold, seed) the columns of all cells that have some.

    Args:
        results: Cells of a table, see :func:`hqzoo.compare.cells.read_cells`.
        out: The table's folder.

    Raises:
        ConfigError: If a file is missing or damaged, or two cells of a fold were scored on different samples.
    """
    found: dict[str, dict[tuple[int, int], Columns]] = {row: {} for row in results}
    first: dict[int, tuple[Cell, npt.NDArray[Any]]] = {}
    for row, cells in results.items():
        for key, result in cells.items():
            columns = samples_of(result, out)
            if columns is None:
                continue
            _check_same(result.cell, columns["name"], *first.setdefault(key[0], (result.cell, columns["name"])))
            found[row][key] = columns
    return found


def samples_of(result: Result, out: Path) -> Columns | None:
    """Return ``name`` ``(N,)`` and the other columns ``(N, ...)`` of one cell; None where it has none.

    Raises:
        ConfigError: If the file is missing, damaged, or another one.
    """
    if result.samples is None:
        return None
    where, content = _content(out, result.samples.file)
    if hashlib.sha256(content).hexdigest() != result.samples.sha256:
        raise ConfigError(
            f"{where} is not the file that the cell {result.cell.name} was written with. Put that one back, or remove "
            "the cell to run it again."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def pack_samples(out: Path, results: Mapping[Cell, Result]) -> None:
    """Put the sample files of cells into one archive, each as it is.

    Raises:
        ConfigError: If a file is missing.
    """
    files = sorted(result.samples.file for result in results.values() if result.samples)
    if not files:
        return
    with replacing(out / ARCHIVE) as beside, zipfile.ZipFile(beside, "w") as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file, LONG_AGO), _content(out, file)[1])  # they are compressed already


def _content(out: Path, file: str) -> tuple[str, bytes]:
    """Return where a sample file lies, and its content: beside its cell, else in the archive, where it moves to."""
    path = out / "cells" / file
    try:
        return str(path), path.read_bytes()
    except FileNotFoundError:
        where = f"{out / ARCHIVE}, {file}"
    try:
        with zipfile.ZipFile(out / ARCHIVE) as archive:
            return where, archive.read(file)
    except (FileNotFoundError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"The samples of a cell are missing: neither {path} nor {where} can be read ({error}). Put the file back, "
            "or remove the cell to run it again."
        ) from error


def _check_same(cell: Cell, names: npt.NDArray[Any], other: Cell, others: npt.NDArray[Any]) -> None:
    different = sorted(set(names.tolist()) ^ set(others.tolist()))
    if different:
        raise ConfigError(
            f"The cells {other.name} and {cell.name} were scored on different samples: {len(different)} belong to one "
            f"of them alone, such as '{different[0]}'. Use another --out for other data."
        )
