"""Sketches of images that stay alike when an image is compressed, brightened or resized: a perceptual hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqzoo.data.records import Image

__all__ = ["Sketch", "alike", "sketch"]

Sketch = npt.NDArray[np.int8]

SIDE = 16
FLAT = 0.1  # steps below this share of the thumbnail's standard deviation are noise. CHOICE
ALIKE = 0.85  # cosine of two sketches from which on they show the same picture. CHOICE
PARTNERS = 20  # of one image that are told: a thousand copies need no million of pairs
_BLOCK = 1024  # rows of the matrix of cosines at a time


def sketch(image: Image) -> Sketch:
    """Return whether each pixel of a thumbnail is darker (1), brighter (-1) or like (0) its right neighbour.

    This is a difference hash (dHash) of 16 x 16 steps that leaves out those that are too small to tell.

    Args:
        image: Image ``(C, H, W)``; bands are averaged.

    Returns:
        Steps ``(256,)``; all 0 where the image is flat.
    """
    grey = image.mean(axis=0, dtype=np.float32)
    small = np.asarray(Pillow.fromarray(grey).resize((SIDE + 1, SIDE), Pillow.Resampling.BOX), dtype=np.float32)
    steps = np.diff(small, axis=1)
    return np.where(np.abs(steps) > FLAT * small.std(), np.sign(steps), 0).astype(np.int8).ravel()


def alike(sketches: Sequence[Sketch]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of two sketches, the smaller one first, that show the same picture; flat ones show none."""
    if not sketches:
        return
    steps = np.stack(sketches).astype(np.float32)
    steps /= np.maximum(1.0, np.linalg.norm(steps, axis=1, keepdims=True))
    for start in range(0, len(steps), _BLOCK):
        cosines = steps[start : start + _BLOCK] @ steps[start:].T
        for row, cosine in enumerate(cosines):
            found = np.flatnonzero(cosine[row + 1 :] >= ALIKE) + row + 1
            for other in found[:PARTNERS]:
                yield start + row, start + int(other)
