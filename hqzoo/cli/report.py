"""A test's report completed with where it came from, as files of the run folder and as a table for the eye."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hqzoo import __version__
from hqzoo.data.base import DataModule

if TYPE_CHECKING:
    from hqzoo._lightning import pl
    from hqzoo.tasks import Report

__all__ = ["completed_report", "print_report"]


def completed_report(
    found: Report,
    datamodule: pl.LightningDataModule,
    verb: str,
    checkpoint: Path,
    step: int,
    config: Mapping[str, Any],
    seconds: float,
) -> Report:
    """Return what a run of ``hqzoo test`` or ``hqzoo validate`` found, and where all that came from.

    Args:
        found: What the task reports after its trainer ran.
        datamodule: The data; where it knows them, the fingerprint of its images and the number of its folds go into
            the report.
        verb: ``test`` or ``validate``.
        checkpoint: Where its weights came from.
        step: Optimizer steps done in the checkpoint.
        config: The parsed command line; its data section goes into the report.
        seconds: How long the run took.
    """
    stage, split = ("test", "test") if verb == "test" else ("val", "validation")
    module = datamodule if isinstance(datamodule, DataModule) else None
    data = {
        "class_path": config["data"]["class_path"],
        "init_args": _plain(config["data"].get("init_args") or {}),
        "images": None if module is None else module.fingerprint("test" if stage == "test" else "val"),
        "folds": None if module is None else len(module.fold_numbers()),
    }
    run = {
        **found.run,
        "split": split,
        "checkpoint": str(checkpoint),
        "step": step,
        "seconds": round(seconds, 3),
        "hqzoo": __version__,
    }
    return replace(found, data=data, run=run)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any tree of parsed arguments
    if hasattr(value, "as_dict"):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report: one row per class, if there are any, and the scores of the whole split.

    Args:
        report: What :func:`completed_report` returned.
        console: Where to; default: standard output.
    """
    console = console or Console()
    if report.classes:
        console.print(_class_table(report))
    headings = {metric.name: metric.heading for metric in report.metrics}
    scores = (f"{headings.get(name, name)} {_number(value)}" for name, value in report.scores.items())
    console.print("   ".join(scores), highlight=False)
    model = report.model
    console.print(
        f"parameters {model['parameters']:,} (quantum {model['quantum_parameters']:,})   {report.run['seconds']:.1f} s",
        highlight=False,
    )


def _class_table(report: Report) -> Table:
    named = {metric.name: metric for metric in report.metrics}
    columns = [name for name in _keys(report.classes) if name in named]
    scored = " of blended maps" if report.run.get("prediction") == "blended" else ""
    table = Table(title=f"{report.run['split'].capitalize()} scores{scored}")
    table.add_column("class", overflow="fold")
    for name in columns:
        table.add_column(named[name].heading, justify="right")
    for row in report.classes:
        table.add_row(row["name"], *(_number(row.get(name)) for name in columns))
    means = {named[name].mean_of: value for name, value in report.scores.items()}
    table.add_section()
    table.add_row("mean", *(_number(means[name]) if name in means else "" for name in columns))
    return table


def _keys(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{value:.4f}"
