"""What `hqzoo compare` looks at before anything is trained: every row's model on images of every fold's data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from hqzoo.cli.own_process import in_own_process
from hqzoo.cli.parsing import CommandLine
from hqzoo.cli.recipes import find_recipe
from hqzoo.compare import Runner, Table
from hqzoo.compare.runner import FOLD, SEED
from hqzoo.compare.table import CONTROL, OWN_CONTROL, Cell
from hqzoo.data import DataModule
from hqzoo.data.splits import nothing_to_test
from hqzoo.errors import ConfigError, HqzooError, unknown_name
from hqzoo.tasks import Task
from hqzoo.tasks.metric import by_name

__all__ = ["check", "look", "suited"]

ONE_SPLIT = (
    "These data have one split and no folds: all of --folds would be the same runs. Use --seeds 0 1 2 ... instead, and "
    "leave --folds out."
)
UNKNOWN_DIRECTION = (
    "Nothing says whether a higher or a lower {name} is better in a LightningModule of your own: give --metric {name} "
    "and --direction max or min, or in table.yaml metric: {{name: {name}, direction: max}}."
)


def look(recipe: str) -> tuple[tuple[int, ...], str]:
    """Return the fold that a recipe's data module takes, if its data have folds, and the option of its controls."""
    command = CommandLine("fit", ["-c", find_recipe(recipe)])
    fold = _init_args(command).get(FOLD)
    return (fold,) if isinstance(fold, int) else (), OWN_CONTROL if command.own else CONTROL


def suited(runner: Runner) -> Runner:
    """Return a runner that knows what the recipe needs of it.

    That is which of the arguments that a comparison sets its data module takes, and a process of its own for every run
    where its trainer has several.
    """
    table = runner.table
    command = CommandLine("fit", ["-c", find_recipe(table.recipe), *table.settings, *runner.local])
    known = tuple(name for name in (SEED, FOLD) if name in _init_args(command))
    several = command.build_trainer([], []).world_size > 1
    return replace(runner, data_arguments=known, main=in_own_process if several else runner.main)


def check(runner: Runner, cells: Sequence[Cell], metric: str) -> None:
    """Build data module and task of every row and every fold once, before the first one is trained.

    Args:
        runner: Knows the table.
        cells: The cells to look at.
        metric: The score that will be compared; empty: the task's own.

    Raises:
        HqzooError: If a setting is wrong, the data have no such fold, or the task no such score.
    """
    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)
    table = runner.table
    if len(table.folds) > 1 and FOLD not in runner.data_arguments:
        raise ConfigError(ONE_SPLIT)
    rows, folds = set[str](), set[int]()
    for cell in cells:
        if cell.row in rows and cell.fold in folds:
            continue
        with _told_by_row(cell):
            command = CommandLine("fit", ["-c", find_recipe(table.recipe), *runner.settings(cell), *runner.local])
        if command.own and table.meaning is None:
            raise ConfigError(UNKNOWN_DIRECTION.format(name=metric or "NAME"))
        _check_fold(table, cell, command.datamodule)
        if cell.row not in rows:
            with _told_by_row(cell):
                _check_row(metric, command.model, command.datamodule)
        rows.add(cell.row)
        folds.add(cell.fold)


@contextmanager
def _told_by_row(cell: Cell) -> Iterator[None]:
    try:
        yield
    except HqzooError as error:
        raise ConfigError(f"Row '{cell.row}': {error}") from error


def _init_args(command: CommandLine) -> dict[str, Any]:
    """Return the arguments of a recipe's data module, those that it leaves as they are included."""
    arguments = command.config["data"].get("init_args")
    return dict(arguments.as_dict()) if arguments else {}


def _check_fold(table: Table, cell: Cell, data: Any) -> None:  # noqa: ANN401 - any data module
    """Refuse a fold that the data do not have, or that leaves nothing to compare scores on."""
    if isinstance(data, DataModule) and data.trains_on_all:
        raise nothing_to_test()
    if not table.folds or not isinstance(data, DataModule):
        return
    folds = data.fold_numbers()
    if not folds and len(table.folds) > 1:
        raise ConfigError(f"{ONE_SPLIT} Here {data.where()}.")
    if folds and cell.fold not in folds:
        raise ConfigError(f"The data have no fold {cell.fold}; folds: {list(folds)}.")


def _check_row(metric: str, task: Any, data: Any) -> None:  # noqa: ANN401 - any module, any data module
    """Build a row's model, and show it empty images of the size that it is to be trained on."""
    if not (isinstance(task, Task) and isinstance(data, DataModule)):  # of someone's own: they alone know how
        return
    data.prepare_data()
    data.setup("fit")
    task.adopt(data)
    task.configure_model()
    _check_metric(metric, task)
    images = {name: torch.zeros(1, *shape) for name, shape in data.sample_shapes().items()}
    with torch.no_grad():
        task.eval()(images)


def _check_metric(metric: str, task: Task) -> None:
    """Refuse a score that no report of the task will have."""
    if not metric:
        return
    by_name(metric, task.metrics)
    class_name = metric.partition("/")[2]
    if class_name and class_name not in task.classes:
        raise ConfigError(unknown_name("class", class_name, task.classes))
