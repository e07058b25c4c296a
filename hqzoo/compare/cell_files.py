"""The files of a table's cells: one JSON file each while the table is filled, one line each once it is full."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hqzoo._files import write_text
from hqzoo.compare.locks import locked
from hqzoo.compare.result import Result
from hqzoo.compare.samples import keep_samples, pack_samples, samples_path
from hqzoo.compare.table import Cell, Table
from hqzoo.errors import ConfigError

__all__ = ["archive_path", "cell_path", "compact", "has_cells", "place", "read_cell", "write_cell", "write_json"]


def cell_path(out: Path, cell: Cell) -> Path:
    """Return the file of a finished cell in a table that is being filled."""
    return out / "cells" / f"{cell.name}.json"


def archive_path(out: Path) -> Path:
    """Return the file of all cells of a full table."""
    return out / "cells.jsonl"


def place(out: Path, cell: Cell) -> str:
    """Return where a finished cell is, for messages."""
    path = cell_path(out, cell)
    return str(path) if path.is_file() else f"{archive_path(out)}, line of {cell.name},"


def has_cells(out: Path) -> bool:
    """Return whether any cell is finished."""
    return archive_path(out).is_file() or any((out / "cells").glob("*.json"))


def read_cell(out: Path, cell: Cell) -> Result | None:
    """Return a finished cell, or None if it is missing.

    Raises:
        ConfigError: If its file is damaged, or another cell's.
    """
    path = cell_path(out, cell)
    try:  # in this order: another process may be moving it from its own file to the one of all cells
        text = path.read_text()
    except FileNotFoundError:
        return _archive(out).get(cell)
    result = _parse(text, str(path))
    if result.cell != cell:
        raise ConfigError(f"{path} holds the cell {result.cell.name}. Rename it, or remove it to run the cell again.")
    return result


def write_cell(out: Path, result: Result, samples: Path) -> Result:
    """Write a finished cell, and what was found of every sample before it: a cell that is there is whole.

    Args:
        out: The table's folder.
        result: The cell.
        samples: The file that its test wrote of its samples; need not exist.

    Returns:
        The cell with the name of its sample file.
    """
    result = replace(result, samples=keep_samples(out, result.cell, samples))
    write_json(cell_path(out, result.cell), result.to_dict())
    return result


def compact(table: Table, out: Path) -> None:
    """Move the cells of a table, if it is full, from their own files into one with a line each.

    Until then every cell is a file, so that several processes can fill the table and none can harm another's cells.
    A table that is widened afterwards gets new files, which join the others when it is full again.

    Raises:
        ConfigError: If a file is damaged.
    """
    cells = table.cells()
    if not any(cell_path(out, cell).is_file() for cell in cells):
        return
    with locked(out, "compact") as mine:
        if not mine:  # whoever is at it finds the same cells
            return
        found = {cell: read_cell(out, cell) for cell in cells}
        finished = {cell: result for cell, result in found.items() if result is not None}
        if len(finished) < len(cells):
            return
        every = {**_archive(out), **finished}
        order = sorted(every, key=lambda cell: (cell.row, cell.fold, cell.seed))
        pack_samples(out, every)
        write_text(archive_path(out), "".join(_line(every[cell]) for cell in order))
        for cell in cells:
            cell_path(out, cell).unlink(missing_ok=True)
            samples_path(out, cell).unlink(missing_ok=True)
        with suppress(OSError):  # something else lies there
            (out / "cells").rmdir()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain types, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _line(result: Result) -> str:
    return json.dumps(result.to_dict(), allow_nan=False) + "\n"


def _archive(out: Path) -> Mapping[Cell, Result]:
    """Return the cells that lie in one file together."""
    path = archive_path(out)
    try:
        stat = path.stat()
    except FileNotFoundError:
        return {}
    return _read_archive(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _read_archive(path: Path, modified: int, size: int) -> Mapping[Cell, Result]:
    """Read it once for all its cells; who changes it changes the other arguments."""
    lines = path.read_text().splitlines()
    results = [_parse(line, f"{path}, line {number},") for number, line in enumerate(lines, 1)]
    found = {result.cell: result for result in results}
    if len(found) < len(results):
        twice = next(cell for cell in found if sum(result.cell == cell for result in results) > 1)
        raise ConfigError(f"{path} holds the cell {twice.name} twice. Remove one of the lines.")
    return found


def _parse(text: str, where: str) -> Result:
    try:
        return Result.from_dict(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{where} is no cell of a table ({error}). Remove it to run the cell again.") from error
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
