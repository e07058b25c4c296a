"""Why masks have one class alone: of what each pixel is ignored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hqzoo.data._progress import progress
from hqzoo.data.faults import going_on
from hqzoo.data.files.raw_masks import read_mask
from hqzoo.data.labels import ClassMap, raw_values
from hqzoo.errors import DataError

__all__ = ["one_class"]

HIDDEN = "transparent or masked out"
MOST = 5  # reasons that a sentence lists


def one_class(masks: Sequence[Path], classes: ClassMap) -> DataError:
    """Return the fault of masks in which every pixel that counts has the same class.

    Args:
        masks: All mask files.
        classes: The only class, and what is ignored beside it.
    """
    pixels, declared = Counter[int | str](), Counter[int | str]()
    for path in progress(masks, "pixels of the masks"):
        with going_on():
            mask = read_mask(path)
            values = raw_values(mask.values, path)
            shown = values if mask.hidden is None else values[~mask.hidden]
            pixels[HIDDEN] += values.size - shown.size
            pixels.update(dict(zip(*(each.tolist() for each in np.unique(shown, return_counts=True)), strict=True)))
            declared.update(set(mask.nodata))
    total, own = max(1, pixels.total()), classes.values[0] if classes.values else 0
    colours = bool(classes.colours)
    ignored = [_reason(value, count / total, declared[value], len(masks), colours)
               for value, count in pixels.most_common() if count and value != own]  # fmt: skip
    share = 1 - pixels[own] / total
    found = (
        f"Ignored are {share:.1%} of the pixels: {'; '.join(ignored[:MOST])}. " if ignored else "Nothing is ignored. "
    )
    return DataError(
        f"The masks in {masks[0].parent} leave one class only, '{classes.names[0]}' ({pixels[own] / total:.1%} of the "
        f"pixels): whatever a model predicts would score 1. {found}Name all classes, the background too, with "
        f"`classes`, such as {_example(own, pixels, colours)}; a value that is named there is counted, whatever the "
        "files declare. Where `ignore` holds it, take it out there."
    )


def _reason(value: int | str, share: float, declared: int, masks: int, colours: bool) -> str:
    if value == HIDDEN:
        return f"{HIDDEN} ({share:.1%})"
    name = f"colour #{value:06x}" if colours else f"value {value}"
    why = f"declared as nodata or transparent by {declared} of {masks} mask(s)" if declared else "in `ignore`"
    return f"{name} ({share:.1%}, {why})"


def _example(own: int, pixels: Counter[int | str], colours: bool) -> str:
    if colours:
        return "{0: background, 1: object} with their colours in `palette`"
    others = [value for value in pixels if value not in (own, HIDDEN)]
    return f"{{{others[0] if others else 0}: background, {own}: object}}"
