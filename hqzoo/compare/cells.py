"""The files of a table: one JSON file per finished cell, read back as the table's cells."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hqzoo._files import write_text
from hqzoo.compare.table import Cell, Table, recipe_name
from hqzoo.errors import ConfigError, unknown_name

__all__ = [
    "Report",
    "Reports",
    "cell_path",
    "check_settings",
    "read_cell",
    "read_cells",
    "recipe_digest",
    "score",
    "write_json",
]

Report = Mapping[str, Any]
Reports = dict[str, dict[tuple[int, int], Report]]  # row -> (fold, seed) -> report


def cell_path(out: Path, cell: Cell) -> Path:
    """Return the file of a finished cell."""
    return out / "cells" / f"{cell.name}.json"


def read_cell(out: Path, cell: Cell) -> Report | None:
    """Return a finished cell, or None if it is missing.

    Raises:
        ConfigError: If its file is damaged, or another cell's.
    """
    path = cell_path(out, cell)
    if not path.is_file():
        return None
    try:
        report: dict[str, Any] = json.loads(path.read_text())
        own = Cell(report["row"], report["fold"], report["seed"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no cell of a table ({error}). Remove it to run the cell again.") from error
    if own != cell:
        raise ConfigError(f"{path} holds the cell {own.name}. Rename it, or remove it to run the cell again.")
    return report


def read_cells(table: Table, out: Path) -> Reports:
    """Return the finished cells of a table, by row and (fold, seed).

    Raises:
        ConfigError: If a file is damaged, was made with other settings than the table's, or not all were made with the
            same recipe.
    """
    reports: Reports = {name: {} for name in table.row_names}
    digest, images = "", dict[int, Any]()
    for cell in table.cells():
        report = read_cell(out, cell)
        if report is not None:
            check_settings(report, table, cell_path(out, cell), digest)
            digest = digest or report.get("recipe_digest", "")
            _check_images(report, images, cell_path(out, cell))
            reports[cell.row][cell.fold, cell.seed] = report
    return reports


def recipe_digest(path: Path) -> str:
    """Return a digest of what a recipe file says; comments and layout do not count."""
    content = json.dumps(yaml.safe_load(path.read_text()), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def check_settings(report: Report, table: Table, where: Path, digest: str = "") -> None:
    """Refuse a run that was made with another recipe or other settings than the table's row.

    Args:
        report: A cell, or the note of an unfinished one; what it does not hold is trusted.
        table: The table.
        where: Its file.
        digest: :func:`recipe_digest` of the table's recipe; empty: not known.

    Raises:
        ConfigError: If recipe or settings differ.
    """
    mend = "Use another --out, or remove the file to run the cell again."
    recipe = report.get("recipe", table.recipe)
    if recipe_name(recipe) != recipe_name(table.recipe):
        raise ConfigError(f"{where} was made with recipe {recipe}; the table has {table.recipe}. {mend}")
    if digest and report.get("recipe_digest", digest) != digest:
        raise ConfigError(f"{where} was made before recipe {table.recipe} was changed. {mend}")
    wanted = table.settings_of(report["row"])
    made = report.get("settings", wanted)
    if made != wanted:
        other = sorted(set(made) ^ set(wanted)) or made
        raise ConfigError(f"{where} was made with other settings than the table has now: {', '.join(other)}. {mend}")


def _check_images(report: Report, known: dict[int, Any], where: Path) -> None:
    """Refuse a cell whose images or masks are not those of the fold's other cells.

    Args:
        report: A cell; what it does not know of its images is trusted.
        known: By fold, what other cells know of theirs; the cell's own is added.
        where: Its file.
    """
    images = (report.get("data") or {}).get("images")
    truth = [(each["name"], each["truth_pixels"]) for each in report["classes"] if "truth_pixels" in each]
    of_fold = known.setdefault(report["fold"], {})
    for what, own in (("images", images), ("masks", truth)):
        if own and of_fold.setdefault(what, own) != own:
            raise ConfigError(
                f"{where} was tested on other {what} than the other cells of fold {report['fold']}. Use another "
                "--out for other data, or remove the file, and what its run left in runs, to run the cell again."
            )


def score(report: Report, metric: str) -> float | None:
    """Return one score of a test report; None where the class is absent from the fold.

    Args:
        report: What ``hqzoo test`` wrote.
        metric: A key of the report, ``miou``, or one of a class, ``iou/lesion``.

    Raises:
        ConfigError: If the report has no such score.
    """
    name, of_class, class_name = metric.partition("/")
    place = report
    if of_class:
        classes = {entry["name"]: entry for entry in report["classes"]}
        if class_name not in classes:
            raise ConfigError(unknown_name("class", class_name, classes))
        place = classes[class_name]
    if name not in place or not isinstance(place[name], (int, float, type(None))):
        known = {each for each, value in place.items() if isinstance(value, float)}
        raise ConfigError(unknown_name("metric", metric, {f"{each}{of_class}{class_name}" for each in known}))
    value = place[name]
    return None if value is None or math.isnan(value) else float(value)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain types, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
