"""Panels as Weights & Biases takes them. Nothing of it is imported before there is something to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from hqzoo.tasks.overlays import Overlays

if TYPE_CHECKING:
    from hqzoo._lightning import pl

__all__ = ["MOST_IMAGES", "keep_files", "show_histogram", "show_overlays", "show_table"]

MOST_IMAGES = 108
"""Images of one key and step; Weights & Biases drops further ones."""

MOST_ROWS = 10_000
"""Rows of a table, likewise."""


def show_table(logger: pl.loggers.WandbLogger, key: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
    """Show a table."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    data = [[row.get(name) for name in columns] for row in rows[:MOST_ROWS]]
    logger.log_table(key=key, columns=columns, data=data, step=step)


def show_histogram(logger: pl.loggers.WandbLogger, key: str, values: npt.NDArray[Any], step: int) -> None:
    """Show how values are distributed."""
    import wandb

    logger.log_metrics({key: wandb.Histogram(values.tolist())}, step)  # type: ignore[dict-item]


def show_overlays(logger: pl.loggers.WandbLogger, key: str, overlays: Overlays, step: int) -> None:
    """Show images with class maps to switch on and off."""
    names = dict(overlays.classes)
    images = overlays.images[:MOST_IMAGES]
    masks = [
        {kind: {"mask_data": codes, "class_labels": names} for kind, codes in image.masks.items()} for image in images
    ]
    captions = [image.name for image in images]
    logger.log_image(key=key, images=[image.picture for image in images], step=step, masks=masks, caption=captions)


def keep_files(
    logger: pl.loggers.WandbLogger, kind: str, files: Mapping[str, Path], metadata: Mapping[str, Any]
) -> None:
    """Keep files as an artifact of the run."""
    import wandb

    artifact = wandb.Artifact(f"{kind}-{logger.experiment.id}", type=kind, metadata=dict(metadata))
    for name, path in files.items():
        artifact.add_file(str(path), name=name)
    logger.experiment.log_artifact(artifact)
