"""Recall of small objects: how many of the small connected areas of a class were found."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torchmetrics import Metric

from hqzoo.data.labels import IGNORE_INDEX
from hqzoo.errors import ConfigError

__all__ = ["SMALL_AREA", "SmallObjectRecall"]

SMALL_AREA = 256
FOUND_SHARE = 0.5
EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


class SmallObjectRecall(Metric):
    """Share of small objects of which at least half the pixels got their class.

    An object is a connected area of one class in the truth (8 neighbours) within a window. CHOICE: small is at most
    ``max_area`` pixels, and objects that touch the edge of the window or an unlabelled pixel are left out, since
    nobody knows how large they are.

    Args:
        num_classes: Number of classes K.
        ignore_index: Mask value of unlabelled pixels.
        max_area: Largest area of a small object, in pixels.

    Raises:
        ConfigError: If ``max_area`` is not positive.
    """

    is_differentiable = False
    full_state_update = False
    counts: Tensor

    def __init__(self, num_classes: int, ignore_index: int = IGNORE_INDEX, max_area: int = SMALL_AREA) -> None:
        super().__init__()
        if max_area < 1:
            raise ConfigError(f"max_area={max_area}: a small object has at least one pixel.")
        self.num_classes, self.ignore_index, self.max_area = num_classes, ignore_index, max_area
        self.add_state("counts", torch.zeros(2, num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Count one batch of class indices ``(B, H, W)``; the truth may hold ``ignore_index``."""
        counts = np.zeros((2, self.num_classes), np.int64)
        for window, found in zip(truth.cpu().numpy(), prediction.cpu().numpy(), strict=True):
            blank = window == self.ignore_index
            unknown = ndimage.binary_dilation(blank, EIGHT_NEIGHBOURS) if blank.any() else blank
            for label in np.unique(window[~blank]):
                counts[:, label] += _count(window == label, found == label, unknown, self.max_area)
        self.counts += torch.from_numpy(counts).to(self.counts.device)

    def compute(self) -> Tensor:
        """Return how many small objects of each class were found, and how many there are, ``(2, K)``."""
        return self.counts

    def report(self) -> dict[str, Any]:
        """Return ``recall`` and ``objects`` per class, ``total_recall`` and ``total_objects`` as plain types.

        A recall is None where there are no small objects.
        """
        hits, objects = self.compute().tolist()
        return {
            "recall": [_share(*pair) for pair in zip(hits, objects, strict=True)],
            "objects": objects,
            "total_recall": _share(sum(hits), sum(objects)),
            "total_objects": sum(objects),
        }


def _count(
    truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_], unknown: npt.NDArray[np.bool_], max_area: int
) -> tuple[int, int]:
    """Return how many small objects were found, and how many there are."""
    labels, number = ndimage.label(truth, EIGHT_NEIGHBOURS)
    areas = np.bincount(labels.ravel(), minlength=number + 1)
    hits = np.bincount(labels[found], minlength=number + 1)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[unknown]])
    small = (areas <= max_area) & (areas > 0)
    small[0] = False
    small[np.unique(edge)] = False
    return int((hits[small] >= FOUND_SHARE * areas[small]).sum()), int(small.sum())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
