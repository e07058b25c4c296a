"""A panel of windows worth looking at: of different scenes, those with the most classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hqzoo.tasks.base import Task
from hqzoo.tasks.panels import draw_panel

__all__ = ["draw_varied_panel"]


def draw_varied_panel(
    task: Task, batches: Iterable[Mapping[str, Any]], path: Path, *, rows: int = 4, scale: float | None = None
) -> Path:
    """Draw image, truth, prediction and difference of one window per scene, those with the most classes first.

    Args:
        task: A task whose outputs are logits ``(B, K, H, W)``.
        batches: Samples with ``image``, ``mask`` and ``scene``.
        path: PNG file to write.
        rows: Most windows.
        scale: Value shown as white, see :func:`~hqzoo.tasks.panels.draw_panel`.

    Returns:
        The path.
    """
    best: dict[str, tuple[int, Tensor, Tensor]] = {}
    for batch in batches:
        for scene, image, mask in zip(batch["scene"], batch["image"], batch["mask"], strict=True):
            variety = len(mask.unique())
            if scene not in best or variety > best[scene][0]:
                best[scene] = (variety, image, mask)
    chosen = sorted(best.values(), key=lambda entry: -entry[0])[:rows]
    images = torch.stack([image for _, image, _ in chosen])
    truths = torch.stack([mask for _, _, mask in chosen])
    with torch.no_grad():
        predictions = task(images).argmax(1)
    return draw_panel(images, truths, predictions, task.classes, task.palette, path, scale=scale)
