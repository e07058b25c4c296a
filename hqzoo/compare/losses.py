"""The training losses that a run logged: by epoch, and over the whole of training."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from hqzoo.errors import DivergedError

__all__ = ["read_losses"]

TRAINING_LOSS = "train/loss"
PARTS = 16


def read_losses(metrics: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean training loss of every epoch, and of up to 16 equal parts of what was logged.

    Args:
        metrics: The table of a run; need not exist.

    Raises:
        DivergedError: If an epoch's is not finite.
    """
    by_epoch: dict[int, list[float]] = defaultdict(list)
    if metrics.is_file():
        with metrics.open(newline="") as file:
            table = csv.DictReader(file)
            column = _loss_column(table.fieldnames or ())
            for row in table:
                if row.get(column):
                    by_epoch[int(row["epoch"])].append(float(row[column]))
    epochs = tuple(round(fmean(by_epoch[epoch]), 4) for epoch in sorted(by_epoch))
    for number, loss in enumerate(epochs, 1):
        if not math.isfinite(loss):
            raise DivergedError(
                f"its training diverged, with a loss of {loss} in epoch {number}. Compare with a lower learning rate "
                "in all rows, or leave the row out."
            )
    return epochs, _parts([loss for epoch in sorted(by_epoch) for loss in by_epoch[epoch]])


def _parts(losses: Sequence[float]) -> tuple[float, ...]:
    count = min(PARTS, len(losses))
    ends = [len(losses) * part // count for part in range(count + 1)] if count else []
    return tuple(round(fmean(losses[start:end]), 4) for start, end in pairwise(ends))


def _loss_column(names: Sequence[str]) -> str:
    """Return the column of the training loss: hqzoo's own, else the first one of a loss in training."""
    training = [name for name in names if "loss" in name and not name.startswith(("val", "test"))]
    return TRAINING_LOSS if TRAINING_LOSS in training else (training or [""])[0]
