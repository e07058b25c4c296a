"""Which data a table is of: their fingerprint, and the folder that they lie in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hqzoo.cli.parsing import CommandLine
from hqzoo.cli.recipes import find_recipe
from hqzoo.compare import Runner
from hqzoo.compare.overrides import is_of_data
from hqzoo.compare.table import Cell
from hqzoo.data import DataModule
from hqzoo.data.contents import FileDigests, content_of

__all__ = ["contents", "own_root"]


def contents(runner: Runner) -> Callable[[Cell], str]:
    """Return what tells the fingerprint of a cell's data; empty for data modules that are none of hqzoo's.

    Cells whose rows set nothing else of the data share it, whatever their seed.

    Args:
        runner: Knows the table, and which arguments its data module takes.
    """
    digests = FileDigests(runner.out / "runs" / "digests.json")
    known: dict[tuple[int, tuple[str, ...]], str] = {}

    def content(cell: Cell) -> str:
        key = cell.fold, tuple(filter(is_of_data, runner.table.settings_of(cell.row)))
        if key not in known:
            known[key] = _content(runner, cell, digests)
        return known[key]

    return content


def _content(runner: Runner, cell: Cell, digests: FileDigests) -> str:
    command = CommandLine("test", ["-c", find_recipe(runner.table.recipe), *runner.settings(cell), *runner.local])
    if not isinstance(command.datamodule, DataModule):
        return ""
    command.datamodule.prepare_data()
    return content_of(command.datamodule, digests)


def own_root(recipe: str) -> Path | None:
    """Return the folder of the data that a recipe names itself, if it does."""
    arguments = CommandLine("test", ["-c", find_recipe(recipe)]).config["data"].get("init_args")
    root = arguments.as_dict().get("root") if arguments else None
    return Path(root).expanduser() if isinstance(root, str) else None
