"""A test's report completed with where it came from, as files of the run folder and as a table for the eye."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from hqzoo import __version__
from hqzoo.data.base import DataModule

if TYPE_CHECKING:
    from hqzoo._lightning import pl
    from hqzoo.tasks import Report

__all__ = ["Source", "completed_report", "images_scored", "plain", "print_report"]


@dataclass(frozen=True)
class Source:
    """Where the numbers of a report come from.

    Args:
        datamodule: The data; where it knows them, the fingerprint of its images and the number of its folds go into
            the report.
        config: The parsed command line; its data section goes into the report.
        part: ``val``, ``test``, ``train``, or ``all``.
        checkpoint: Where the weights came from.
        step: Optimizer steps done in the checkpoint.
        images: How many images were scored; None: nobody knows.
    """

    datamodule: pl.LightningDataModule
    config: Mapping[str, Any]
    part: str
    checkpoint: Path
    step: int
    images: int | None


def images_scored(trainer: pl.Trainer, samples: Mapping[str, npt.NDArray[Any]]) -> int | None:
    """Return how many images a trainer has scored; None where that is not known.

    Args:
        trainer: It ran a test or a validation.
        samples: What the task kept of every image.
    """
    if "name" in samples:
        return len(samples["name"])
    loaders = trainer.test_dataloaders or trainer.val_dataloaders
    dataset = getattr(loaders, "dataset", None)
    records = getattr(dataset, "records", dataset)
    limit = trainer.limit_test_batches if trainer.test_dataloaders else trainer.limit_val_batches
    return len(records) if isinstance(records, Sized) and limit == 1.0 else None


def completed_report(found: Report, source: Source, seconds: float) -> Report:
    """Return what a run of ``hqzoo test`` or ``hqzoo validate`` found, and where all that came from.

    Args:
        found: What the task reports after its trainer ran.
        source: Where it came from.
        seconds: How long the run took.
    """
    module = source.datamodule if isinstance(source.datamodule, DataModule) else None
    section, validates = source.config["data"], source.part == "val"
    data = {
        "class_path": section["class_path"],
        "init_args": plain(section.get("init_args") or {}),
        "images": None if module is None else module.fingerprint("val" if validates else "test"),
        "folds": None if module is None or source.part == "all" else len(module.fold_numbers()),
        "count": source.images,
        "pixels": found.details.get("pixels"),
        "notes": [] if module is None else list(module.notes()),
    }
    run = {
        **found.run,
        "split": "validation" if validates else source.part,
        "checkpoint": str(source.checkpoint),
        "step": source.step,
        "seconds": round(seconds, 3),
        "hqzoo": __version__,
    }
    return replace(found, data=data, run=run)


def plain(value: Any) -> Any:  # noqa: ANN401 - any tree of parsed arguments
    """Return a tree of parsed arguments as plain types."""
    if hasattr(value, "as_dict"):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
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
    console.print(f"scored on {_extent(report)}", highlight=False)
    for note in report.data.get("notes", ()):
        console.print(f"note: {note}", highlight=False, markup=False)
    model = report.model
    console.print(
        f"parameters {model['parameters']:,} (quantum {model['quantum_parameters']:,})   {report.run['seconds']:.1f} s",
        highlight=False,
    )


def _extent(report: Report) -> str:
    """Return how much the scores rest on."""
    images, pixels, split = report.data["count"], report.data["pixels"], report.run["split"]
    parts = [f"{images:,} image(s)"] if images is not None else []
    parts += [f"{pixels:,} labelled pixels"] if pixels is not None else []
    where = "all images of the data" if split == "all" else f"the {split} split"
    return f"{', '.join(parts)} ({where})" if parts else where


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
