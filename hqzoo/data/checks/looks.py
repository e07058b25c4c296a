"""One look at every image of a data set: what a check needs of it, so that files are read once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data.base import DataModule
from hqzoo.data.checks.ground import Ground, ground_of
from hqzoo.data.checks.sketch import Sketch, sketch
from hqzoo.data.faults import going_on
from hqzoo.data.labels import IGNORE_INDEX
from hqzoo.data.records import Record
from hqzoo.data.targets import Targets

__all__ = ["Look", "Looks", "key_of", "look_at"]


class Look(NamedTuple):
    """What a look at one image found."""

    size: tuple[int, int]
    pixels: str
    """A hash of its pixels."""
    counts: npt.NDArray[np.int64]
    """Pixels of each class, ignored ones last."""
    sketch: Sketch
    ground: Ground | None


Looks = dict[object, Look | None]
"""By :func:`key_of` an image; None if it is refused."""


def key_of(split: str, record: Record) -> object:
    """Return what names a record in every fold."""
    own = record.source
    return own.file or (split, own.name)


def look_at(record: Record, module: DataModule[Any]) -> Look | None:
    """Read one record with its targets; None if it is refused."""
    with going_on():
        own = record.source
        arrays = own.arrays()
        images = [arrays[name] for name in module.sensors]
        text = b"".join(f"{image.shape} {image.dtype}".encode() + image.tobytes() for image in images)
        return Look(
            images[0].shape[1:],
            hashlib.blake2b(text, digest_size=16).hexdigest(),
            _counted(arrays, module.targets, own.labelled),
            sketch(images[0]),
            None if own.placed is None else ground_of(own.placed),
        )
    return None


def _counted(arrays: Mapping[str, npt.NDArray[Any]], targets: Targets | None, labelled: bool) -> npt.NDArray[np.int64]:
    """Return how many pixels, or images, have each class; ignored ones last."""
    counts = np.zeros((0 if targets is None else len(targets)) + 1, np.int64)
    if targets is None or not labelled:
        return counts
    if targets.kind == "mask":
        found = np.bincount(arrays["mask"].ravel(), minlength=256)
        counts[:-1], counts[-1] = found[: len(targets)], found[IGNORE_INDEX]
    elif targets.kind == "label":
        counts[int(arrays["label"])] = 1
    else:
        counts[:-1] = arrays["label"]
    return counts
