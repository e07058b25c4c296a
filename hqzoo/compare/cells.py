"""The finished cells of a table, and whether they belong to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from hqzoo.compare.cell_files import place, read_cell
from hqzoo.compare.overrides import is_of_data
from hqzoo.compare.result import Identity, Result, Results
from hqzoo.compare.table import Table, recipe_name
from hqzoo.errors import ConfigError

__all__ = ["check_identity", "read_cells", "recipe_digest"]


def read_cells(table: Table, out: Path) -> Results:
    """Return the finished cells of a table, by row and (fold, seed).

    Raises:
        ConfigError: If a file is damaged, was made with other settings than the table's, or not all were made with the
            same recipe.
    """
    results: Results = {name: {} for name in table.row_names}
    digest, known, contents = "", dict[int, dict[str, Any]](), dict[tuple[int, tuple[str, ...]], str]()
    for cell in table.cells():
        result = read_cell(out, cell)
        if result is not None:
            where = place(out, cell)
            data = cell.fold, tuple(filter(is_of_data, table.settings_of(cell.row)))
            check_identity(result.identity, table, where, digest, contents.get(data, ""))
            contents[data] = contents.get(data, "") or result.identity.content
            digest = digest or result.identity.recipe_digest
            _check_images(result, known, where)
            results[cell.row][cell.fold, cell.seed] = result
    return results


def recipe_digest(path: Path) -> str:
    """Return a digest of what a recipe file says; comments and layout do not count."""
    content = json.dumps(yaml.safe_load(path.read_text()), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def check_identity(made: Identity, table: Table, where: str, digest: str = "", content: str = "") -> None:
    """Refuse a run that was made with another recipe, other settings, seeds or data than the table's row.

    Args:
        made: Which run it was, finished or not; what it does not know is trusted.
        table: The table.
        where: Where that was read.
        digest: :func:`recipe_digest` of the table's recipe; empty: not known.
        content: Fingerprint of the data that the row would be trained on now; empty: not known.

    Raises:
        ConfigError: If recipe, settings, rule of seeds or data differ.
    """
    mend = "Use another --out, or remove it to run the cell again."
    if recipe_name(made.recipe) != recipe_name(table.recipe):
        raise ConfigError(f"{where} was made with recipe {made.recipe}; the table has {table.recipe}. {mend}")
    if digest and made.recipe_digest and made.recipe_digest != digest:
        raise ConfigError(f"{where} was made before recipe {table.recipe} was changed. {mend}")
    wanted = tuple(table.settings_of(made.cell.row))
    if made.settings is not None and made.settings != wanted:
        other = sorted(set(made.settings) ^ set(wanted)) or made.settings
        raise ConfigError(f"{where} was made with other settings than the table has now: {', '.join(other)}. {mend}")
    if made.seed_rule != table.seed_rule:
        raise ConfigError(
            f"{where} has its seed by the rule '{made.seed_rule}', the table has '{table.seed_rule}': runs of two "
            f"rules are not paired. Say seed_rule: {made.seed_rule} in the table to go on with it, or use another "
            "--out."
        )
    if content and made.content and made.content != content:
        raise ConfigError(
            f"{where} was made with other data than these: their fingerprints are {made.content} and {content}, so "
            "that names, sizes or content of images or masks, their folds or the classes differ. Use another --out "
            "for other data, or put the earlier data back."
        )


def _check_images(result: Result, known: dict[int, dict[str, Any]], where: str) -> None:
    """Refuse a cell whose images or targets are not those of the fold's other cells.

    Args:
        result: A cell; what it does not know of its images is trusted.
        known: By fold, what other cells know of theirs; the cell's own is added.
        where: Where it was read.
    """
    fold = result.cell.fold
    of_fold = known.setdefault(fold, {})
    for what, own in (("images", result.report.data.get("images")), ("targets", result.report.truth)):
        if own and of_fold.setdefault(what, own) != own:
            raise ConfigError(
                f"{where} was tested on other {what} than the other cells of fold {fold}. Use another --out for other "
                "data, or remove it, and what its run left in runs, to run the cell again."
            )
