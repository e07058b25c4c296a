"""Scores of a checkpoint as plain types for a JSON file, and as a table for the eye."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hqzoo import __version__
from hqzoo.data import SegmentationDataModule
from hqzoo.data.segmentation import Split

if TYPE_CHECKING:
    from hqzoo._lightning import pl
    from hqzoo.tasks import SegmentationTask

__all__ = ["print_scores", "score_report"]

COLUMNS = ("iou", "f1", "precision", "recall", "boundary_iou")


def score_report(
    task: SegmentationTask,
    datamodule: pl.LightningDataModule,
    verb: str,
    checkpoint: Path,
    step: int,
    config: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Return what a run of ``hqzoo test`` or ``hqzoo validate`` found, as plain types.

    Args:
        task: The task after its trainer ran.
        datamodule: The data; where it knows them, the fingerprint of its images and the number of its folds go into
            the report.
        verb: ``test`` or ``validate``.
        checkpoint: Where its weights came from.
        step: Optimizer steps done in the checkpoint.
        config: The parsed command line; its data section goes into the report.
        seconds: How long the run took.

    Returns:
        The task's report (scores, per-class scores, numbers of parameters), and where all that came from. A
        class that is absent from the split has the score None.
    """
    scores = task.test_report() if verb == "test" else _validation_scores(task)
    split: Split = "test" if verb == "test" else "val"
    module = datamodule if isinstance(datamodule, SegmentationDataModule) else None
    data = {
        "class_path": config["data"]["class_path"],
        "init_args": _plain(config["data"].get("init_args") or {}),
        "images": None if module is None else module.fingerprint(split),
        "folds": None if module is None else len(module.fold_numbers()),
    }
    return {
        "split": "test" if verb == "test" else "validation",
        "checkpoint": str(checkpoint),
        "step": step,
        "data": data,
        "seconds": round(seconds, 3),
        "hqzoo": __version__,
        **scores,
    }


def _validation_scores(task: SegmentationTask) -> dict[str, Any]:
    logged = {name: value.item() for name, value in task.trainer.callback_metrics.items()}
    numbers = {name: None if math.isnan(value) else value for name, value in logged.items()}
    scores = {name: numbers.get(f"val/{name}") for name in ("miou", "oa", "boundary_iou", "loss")}
    classes = [{"name": name, "iou": numbers.get(f"val/iou/{name}")} for name in task.classes or ()]
    return {**scores, "classes": classes, **task.description()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any tree of parsed arguments
    if hasattr(value, "as_dict"):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def print_scores(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print a report as a table: one row per class, and the means.

    Args:
        report: What :func:`score_report` returned.
        console: Where to; default: standard output.
    """
    columns = [name for name in COLUMNS if any(name in row for row in report["classes"])]
    table = Table(title=f"{report['split'].capitalize()} scores")
    table.add_column("class", overflow="fold")
    for name in columns:
        table.add_column(_heading(name), justify="right")
    for row in report["classes"]:
        table.add_row(row["name"], *(_number(row.get(name)) for name in columns))
    table.add_section()
    means = {"iou": report["miou"], "boundary_iou": report["boundary_iou"]}
    table.add_row("mean", *(_number(means[name]) if name in means else "" for name in columns))
    console = console or Console()
    console.print(table)
    console.print(
        f"mIoU {_number(report['miou'])}   OA {_number(report['oa'])}   "
        f"parameters {report['parameters']:,} (quantum {report['quantum_parameters']:,})   "
        f"{report['seconds']:.1f} s",
        highlight=False,
    )


def _heading(name: str) -> str:
    return {"iou": "IoU", "f1": "F1", "boundary_iou": "boundary IoU"}.get(name, name)


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{value:.4f}"
