"""Class maps over pictures, with the names of the classes: what viewers draw on top of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hqzoo.data.labels import default_palette

__all__ = ["UNLABELLED", "Overlay", "Overlays", "as_codes", "class_codes"]

UNLABELLED = 255
"""Code of pixels without a label: masks of viewers hold 0 to 255, whatever value a data set ignores."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Overlay:
    """One image and its class maps.

    Args:
        name: Of the image.
        picture: Its colours, ``(H, W, 3)``.
        masks: Codes ``(H, W)`` by what they are, such as ``truth`` and ``prediction``.
    """

    name: str
    picture: Pixels
    masks: Mapping[str, Pixels]


@dataclass(frozen=True)
class Overlays:
    """Images with class maps of the same classes.

    Args:
        classes: Name of every code, that of unlabelled pixels among them.
        palette: Colour (0 to 255) of every code.
        images: The images.
    """

    classes: Mapping[int, str]
    palette: Mapping[int, Sequence[int]]
    images: tuple[Overlay, ...]


def class_codes(
    classes: Sequence[str], palette: Sequence[Sequence[int]] | None
) -> tuple[dict[int, str], dict[int, Sequence[int]]] | None:
    """Return names and colours by code; None if there are more classes than codes.

    Args:
        classes: Names of the K classes.
        palette: One RGB colour per class; None: distinct hues.
    """
    if len(classes) > UNLABELLED:
        return None
    colours = default_palette(len(classes)) if palette is None else palette
    return {**dict(enumerate(classes)), UNLABELLED: "unlabelled"}, {**dict(enumerate(colours)), UNLABELLED: (255,) * 3}


def as_codes(labels: Tensor, classes: int, ignore_index: int) -> Pixels:
    """Return class indices or ``ignore_index`` ``(H, W)`` as codes."""
    known = (labels >= 0) & (labels < classes) & (labels != ignore_index)
    codes: Pixels = labels.where(known, UNLABELLED).cpu().numpy().astype(np.uint8)
    return codes
