"""Train rows of a comparison fold by fold and seed by seed, and say what their scores support.

    hqzoo compare -c hq_unet/folder --controls quantum mlp constant --folds 0 1 2 3 4 -- data.init_args.root=FOLDER
    hqzoo compare -c qu_net/ph2 --controls quantum mlp --folds 1 2 3 4 5 --seeds 0 1 2 --workers 2
    hqzoo compare -c hq_unet/landcoverai --controls quantum mlp --seeds 0 1 2 3 4     # one split: paired by seed
    hqzoo compare -c own.yaml --controls quantum mlp --metric val_acc --direction max     # a LightningModule of yours
    hqzoo compare --table TABLE.yaml --out FOLDER      # any rows of a recipe; --rows, --folds, --seeds: a part of it
    hqzoo compare --out FOLDER                         # go on with the table in there
    hqzoo compare --out FOLDER --folds 0 1 2 3 4       # with further folds
    hqzoo compare --out FOLDER --report-only           # write its report anew
    hqzoo compare --out FOLDER --plan                  # how many folds and seeds would tell one point
    hqzoo compare -c qu_net/ph2 --controls quantum mlp --plan --plan-components fold=0.02 residual=0.03
    hqzoo compare --out FOLDER --report-only --units   # and compare its rows image by image, not only fold by fold

What follows -- are overrides KEY=VALUE of every run, as `hqzoo fit` takes them. All rows and folds are checked before
anything is trained. Finished cells are skipped, interrupted ones go on from their last checkpoint, and several
processes may fill one folder, so the command can be repeated until the table is full; with further controls, folds or
seeds, the table of the folder grows. A table is of one data set: names, sizes and content of images and masks, folds
and classes are checked before anything is run. It remembers where its data lie, and other data have another default
folder. Nothing is chosen on the fold that is tested: the last epoch's score counts.

Leaves in the folder: table.yaml, cells/ (one JSON file each, and what was found of every sample; once all are there,
cells.jsonl and samples.zip), runs/ (curves and settings), summary.json, report.md and report.png: scores, paired
differences with intervals, corrected p-values, a verdict, costs.
"""

from __future__ import annotations

import argparse
import glob
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hqzoo.errors import ConfigError, FailedRunsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hqzoo.compare import Runner, Table
    from hqzoo.compare.table import Cell

__all__ = ["add_arguments", "run"]

TABLE_FILE = "table.yaml"
COLUMNS = ("row", "published", "parameters", "step as run, ms")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hqzoo compare``."""
    parser.add_argument("-c", "--config", metavar="RECIPE", help="recipe whose model has controls")
    parser.add_argument("--controls", nargs="+", metavar="NAME", help="rows: quantum and what stands in its place")
    parser.add_argument("--no-zero", action="store_true", help="leave the row zero out that every table has")
    parser.add_argument("--table", type=Path, metavar="FILE", help="a table file instead of -c and --controls")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: runs/compare/NAME, or NAME-DATA of other data"
    )
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="run these rows only")
    parser.add_argument("--folds", nargs="+", type=int, metavar="K", help="folds (default: the recipe's, the table's)")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="S", help="seeds (default: 0, or the table's)")
    parser.add_argument(
        "--metric",
        metavar="M",
        help="score that the report compares: NAME, or NAME/CLASS of one class (default: the table's, or the task's)",
    )
    parser.add_argument("--direction", choices=("max", "min"), help="whether a higher or a lower score is better")
    parser.add_argument("--margin", type=float, metavar="D", help="difference in the score that nobody would mind")
    parser.add_argument(
        "--units",
        nargs="?",
        const="",
        metavar="SCORE",
        help="compare image by image as well: accuracy, image_iou, miou, ... (default: the score of the table)",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that share the cells (default: 1)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the checkpoints of finished cells")
    reports = parser.add_mutually_exclusive_group()
    reports.add_argument("--report-only", action="store_true", help="train nothing")
    reports.add_argument("--no-report", action="store_true", help="only fill cells")
    reports.add_argument(
        "--plan",
        action="store_true",
        help="run nothing: say how many folds, seeds and hours a margin takes",
    )
    parser.add_argument(
        "--plan-components",
        nargs="+",
        metavar="PART=SD",
        help="plan from stated standard deviations, fold=0.02 residual=0.03, and seconds=T of a run, not from cells",
    )
    # What a comparison gives its own workers: it has checked their cells.
    parser.add_argument("--checked", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="behind --: overrides of every run")


def run(args: argparse.Namespace) -> int:
    """Run ``hqzoo compare``."""
    from hqzoo.compare import read_table
    from hqzoo.compare.cell_files import has_cells
    from hqzoo.compare.overrides import setting
    from hqzoo.compare.unit_statistics import check_name

    if args.plan_components and not args.plan:
        raise ConfigError("--plan-components are what --plan rests on: give --plan as well.")
    settings = [setting(each) for each in args.overrides]
    table = _table(args)
    if args.units:
        check_name(args.units)  # before hours of training
    out = args.out or _default_out(table, settings)
    table = _with_earlier(args, table.with_settings(settings), out)
    if args.plan:
        _plan(args, table, out)
        return 0
    try:
        if not args.report_only:
            table = _fill(args, table, out, settings)
    except FailedRunsError:
        if has_cells(out):
            _report(args, read_table(out / TABLE_FILE), out)
        raise
    _report(args, table, out)
    return 0


def _default_out(table: Table, settings: list[str]) -> Path:
    """Return the folder of a table that is given none: one of its own for each folder of data.

    Raises:
        ConfigError: If the recipe's own data are missing, and several tables could be meant.
    """
    from hqzoo.compare.local import folder_of_data, root_of

    folder = Path("runs") / "compare"
    if root := root_of(settings):
        return folder / folder_of_data(table.name, root)
    others = sorted(path.parent for path in folder.glob(f"{glob.escape(table.name)}-*/{TABLE_FILE}"))
    others = [path for path in others if re.fullmatch(r".+-[0-9a-f]{6}", path.name)]
    if (folder / table.name / TABLE_FILE).is_file() or not others or _has_own_data(table.recipe):
        return folder / table.name
    if len(others) > 1:
        names = ", ".join(map(str, others))
        raise ConfigError(f"Several tables of this name are there: {names}. Say which one goes on with --out.")
    return others[0]


def _has_own_data(recipe: str) -> bool:
    from hqzoo.cli.compare_data import own_root

    root = own_root(recipe)
    return root is None or root.is_dir()


def _report(args: argparse.Namespace, table: Table, out: Path) -> None:
    from hqzoo.compare import write_report

    if not args.no_report:
        shown = table.scored_by(args.metric) if args.metric else table
        summary = write_report(shown, out)
        if args.units is not None:  # where units are missing, the report of folds is there all the same
            summary = write_report(shown, out, args.units)
        _print(summary, out)


def _plan(args: argparse.Namespace, table: Table, out: Path) -> None:
    """Print how many folds and seeds a margin takes."""
    from rich.console import Console
    from rich.table import Table as Rich

    from hqzoo.compare.cells import read_cells
    from hqzoo.compare.differences import POWER
    from hqzoo.compare.plan import plan, read_stated

    shown = table.scored_by(args.metric) if args.metric else table
    stated = read_stated(args.plan_components) if args.plan_components else None
    console = Console()
    for each in plan(shown, read_cells(shown, out), stated):
        for sentence in each.sentences():
            console.print(sentence, markup=False, highlight=False)
        if not each.options:
            continue
        grid = each.grid()
        rich = Rich(title=f"{POWER:.0%} power at the level {each.alpha:.2g}", title_justify="left")
        for name in grid.head:
            rich.add_column(name)
        for row in grid.rows:
            rich.add_row(*row)
        console.print(rich)


def _table(args: argparse.Namespace) -> Table:
    """Return the table that the command line means.

    Raises:
        ConfigError: If it means none, or two.
    """
    from hqzoo.compare import Table, read_table

    built = args.config is not None or args.controls is not None
    if built and (args.table or not (args.config and args.controls)):
        raise ConfigError("Give either -c RECIPE with --controls NAME ..., or --table FILE.")
    if built:
        if misplaced := [each for each in args.controls if "=" in each]:
            raise ConfigError(f"{misplaced[0]} is no control. Put -- in front of overrides.")
        fold, key = _look(args.config)
        table = Table.of_controls(args.config, _with_zero(args), args.folds or fold, args.seeds or (0,), key)
        return _with_meaning(args, table)
    if args.direction or args.margin is not None:
        raise ConfigError("--direction and --margin go with -c; a table file has them under metric.")
    if not (args.table or args.out):
        raise ConfigError(
            "Nothing to compare: give -c RECIPE with --controls quantum mlp ..., --table FILE, or --out FOLDER of a "
            "table to go on with."
        )
    if args.table:
        return read_table(args.table)
    return _grown(args, read_table(args.out / TABLE_FILE))


def _with_zero(args: argparse.Namespace) -> list[str]:
    """Return the controls and, beside a circuit, the one that says whether anything is needed in its place."""
    if args.no_zero or len(args.controls) < 2 or "zero" in args.controls or "quantum" not in args.controls:
        return list(args.controls)
    sys.stdout.write(
        "A row 'zero', with nothing in the circuit's place, is added: without it no table can tell whether the place "
        "matters. --no-zero leaves it out.\n"
    )
    return [*args.controls, "zero"]


def _grown(args: argparse.Namespace, table: Table) -> Table:
    """Return a table with the folds that the command line asks for beside its own."""
    return replace(table, folds=tuple(dict.fromkeys((*table.folds, *(args.folds or ()))))) if table.folds else table


def _with_meaning(args: argparse.Namespace, table: Table) -> Table:
    """Return the table with what the command line says of its score.

    Raises:
        ConfigError: If it says a part of it only.
    """
    from hqzoo.tasks.metric import Metric

    if args.direction is None and args.margin is None:
        return table
    if not (args.metric and args.direction):
        raise ConfigError("--margin and --direction say what a score means: give --metric and --direction.")
    meaning = Metric(args.metric.partition("/")[0], args.direction, margin=args.margin)
    return replace(table, metric=args.metric, meaning=meaning)


def _look(recipe: str) -> tuple[tuple[int, ...], str]:
    from hqzoo.cli.compare_checks import look  # imports torch, which a report does without

    return look(recipe)


def _with_earlier(args: argparse.Namespace, table: Table, out: Path) -> Table:
    """Return the table together with the rows, folds and seeds that the folder has already.

    Raises:
        ConfigError: If the folder has a table of another kind.
    """
    from hqzoo.compare import read_table

    file = out / TABLE_FILE
    if args.config is None or not file.is_file():
        return table
    if args.rows is None:  # run what was asked for, and report all
        args.rows = list(table.row_names)
    args.folds, args.seeds = list(table.folds) or None, list(table.seeds)
    return table.widened(read_table(file))


def _fill(args: argparse.Namespace, table: Table, out: Path, settings: list[str]) -> Table:
    """Run the missing cells; return the table as it is then in the folder, which others may have widened."""
    from hqzoo._files import write_text
    from hqzoo.cli import main as hqzoo
    from hqzoo.cli.recipes import find_recipe
    from hqzoo.compare import Runner
    from hqzoo.compare.cell_files import compact
    from hqzoo.compare.local import read_root, remember_root, root_of
    from hqzoo.compare.overrides import is_local
    from hqzoo.compare.table_file import dump_table, read_table
    from hqzoo.compare.workers import fill_with_workers

    cells = table.cells(args.rows, args.folds, args.seeds)
    if (root := root_of(settings) or read_root(out)) and not root_of(settings):
        settings = [*settings, f"--data.init_args.root={root}"]
    local = tuple(filter(is_local, settings))
    runner = Runner(table, out, hqzoo, local, args.keep, Path(find_recipe(table.recipe)))
    runner.missing(table.cells())  # refuses a folder of other settings before its table is replaced
    runner = _checked(args, runner, cells)
    if root:
        remember_root(out, root)
    if len({(cell.fold, cell.seed) for cell in table.cells()}) == 1:
        sys.stdout.write("One fold, one seed: differences can be seen, but no verdict rests on one pair.\n")
    file = out / TABLE_FILE
    if not args.table and file.is_file():  # again: checking takes long enough for others to widen it
        table = table.widened(read_table(file)) if args.config is not None else _grown(args, read_table(file))
    if not file.is_file() or read_table(file) != table:  # a file that says the same keeps its comments
        write_text(file, dump_table(table))
    try:
        if args.workers == 1:
            runner.fill(cells)
        else:
            fill_with_workers(runner, cells, _worker(args, out, settings), args.workers)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nFinished cells are kept. Go on with: hqzoo compare --out {out}{_local(runner.local)}\n")
        raise
    table = read_table(file)
    if not args.checked:  # else whoever started this worker still waits for its cells
        compact(table, out)
    return table


def _checked(args: argparse.Namespace, runner: Runner, cells: Sequence[Cell]) -> Runner:
    """Return the runner, which now knows what its recipe and its data need, after a look at its cells.

    Raises:
        ConfigError: If a finished cell is of other data, or a row or fold cannot be run.
    """
    from hqzoo.cli.compare_checks import check, suited
    from hqzoo.cli.compare_data import contents

    runner = suited(runner)
    runner = replace(runner, content_of=contents(runner))
    runner.missing(runner.table.cells())
    missing = runner.missing(cells)
    if missing and not args.checked:
        check(runner, missing, args.metric or runner.table.metric)
    return runner


def _worker(args: argparse.Namespace, out: Path, settings: list[str]) -> list[str]:
    """Return the command with which one process fills the same cells of the table in ``out``."""
    parts = {"--rows": args.rows, "--folds": args.folds, "--seeds": args.seeds}
    part = [text for option, values in parts.items() if values for text in (option, *map(str, values))]
    keep = ["--keep"] if args.keep else []
    command = [sys.executable, "-m", "hqzoo", "compare", "--out", str(out), *part, *keep, "--no-report", "--checked"]
    return [*command, "--", *settings]


def _local(settings: tuple[str, ...]) -> str:
    return f" -- {' '.join(settings)}" if settings else ""


def _print(summary: dict[str, Any], out: Path) -> None:
    """Print the scores and what they support."""
    from rich.console import Console
    from rich.table import Table as Rich

    from hqzoo.compare.grids import row_grid
    from hqzoo.compare.report import data_text, sentence, short_training
    from hqzoo.compare.unit_report import unit_sentences

    grid = row_grid(summary)
    # A terminal is narrow: report.md has all columns.
    shown = [n for n, name in enumerate(grid.head) if name in (*COLUMNS, f"{summary['metric']}, last epoch")]
    rich = Rich(title=f"{summary['title']}: {summary['metric']}", title_justify="left")
    for place, number in enumerate(shown):
        rich.add_column(grid.head[number], justify="right" if place else "left")
    names = [row["name"] for row in summary["rows"] if row["score"]]
    for name, row in zip(names, grid.rows, strict=True):
        rich.add_row(name, *(row[number] for number in shown[1:]))
    console = Console()
    console.print(rich)
    for comparison in summary["comparisons"]:
        if comparison["interval"]:
            console.print(sentence(comparison, summary["metric"], summary["unit"]), markup=False, highlight=False)
    for warning in (*unit_sentences(summary), *short_training(summary)):
        console.print(warning, markup=False, highlight=False)
    if summary["missing"]:
        console.print(f"{len(summary['missing'])} cells are still missing.", highlight=False)
    if data := data_text(summary):
        console.print(data, markup=False, highlight=False)
    console.print(f"Written: {out / 'report.md'}, report.png, summary.json", highlight=False)
