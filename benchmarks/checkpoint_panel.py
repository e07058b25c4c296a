"""The picture on a card: of each kind of image the window whose truth has the most classes, as the checkpoint maps it.

    python -m benchmarks.checkpoint_panel RUN panel.png data/aerial:dubai_ data/aerial:flair_

A place is a folder and how the names of its images begin; two windows are drawn of each, of different images of fold 0.
What is chosen depends on the truth alone, not on what the checkpoint makes of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hqzoo.data import IGNORE_INDEX, FolderSegmentationDataModule
from hqzoo.tasks import SegmentationTask
from hqzoo.weights.checkpoint import find_checkpoint, load

__all__ = ["choose", "main", "variety"]

WINDOW = (128, 128)  # of checkpoints that do not say
WINDOWS = 2  # of each place
MOST_IGNORED = 0.1  # share of a window


def main(argv: list[str] | None = None) -> int:
    """Draw the panel; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="checkpoint or run folder")
    parser.add_argument("panel", type=Path, help="PNG file to write")
    parser.add_argument("places", nargs="+", metavar="FOLDER:PREFIX")
    args = parser.parse_args(argv)
    task = load(find_checkpoint(args.checkpoint)).eval()
    if not isinstance(task, SegmentationTask):
        parser.error(f"{args.checkpoint} holds a {type(task).__name__}, which draws no maps.")
    window = task.trained.window if task.trained and task.trained.window else WINDOW
    samples = [sample for place in args.places for sample in choose(*place.rsplit(":", 1), window)]
    with torch.no_grad():
        found = [task(sample["image"][None])[0].argmax(0) for sample in samples]
    task.draw_panel(samples, found, args.panel)
    return 0


def choose(folder: str, prefix: str, window: tuple[int, int]) -> list[dict[str, Any]]:
    """Return the windows of a folder's fold 0 with the greatest variety, each of another image."""
    data = FolderSegmentationDataModule(folder, folds="folds.csv", fold=0, val_fold=None, crop_size=window)
    records = [record for record in data.records("test") if record.name.startswith(prefix)]
    windows = data.evaluation_samples(records)
    best: dict[str, tuple[float, int]] = {}
    for index in range(len(windows)):
        sample = windows[index]
        best[sample["scene"]] = max(best.get(sample["scene"], (-1.0, 0)), (variety(sample["mask"].numpy()), index))
    return [windows[index] for _, index in sorted(best.values(), reverse=True)[:WINDOWS]]


def variety(mask: np.ndarray[Any, Any]) -> float:
    """Return the entropy in bits of the classes of a mask ``(H, W)``; -1 where much of it is ignored."""
    shown = mask[mask != IGNORE_INDEX]
    if shown.size < (1 - MOST_IGNORED) * mask.size:
        return -1.0
    shares = np.bincount(shown) / shown.size
    return float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())


if __name__ == "__main__":
    sys.exit(main())
