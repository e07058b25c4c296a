"""Finds the classes of a folder of masks: given, stored in ``classes.json``, or read from the masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hqzoo.data._progress import progress
from hqzoo.data.checks.one_class import one_class
from hqzoo.data.faults import going_on
from hqzoo.data.files.raw_masks import RawMask, mask_palette, read_mask
from hqzoo.data.labels import ClassMap, Colour, colour_value, default_palette, raw_values
from hqzoo.errors import DataError

__all__ = ["find_classes"]

_MOST_CLASSES = 64  # more distinct values than this are a picture, not a mask


def find_classes(
    masks: Sequence[Path],
    names: Mapping[int, str] | None,
    ignore: Sequence[int] | None,
    palette: Mapping[int, Sequence[int]] | None,
    stored: Path,
) -> ClassMap:
    """Return the classes of a set of masks.

    Args:
        masks: All mask files; may be empty when the classes are given or stored.
        names: Mask value to class name; None: from ``stored``, else from the masks.
        ignore: Mask values that are not counted; None: from ``stored``.
        palette: Mask value to colour; None: from ``stored``, else the masks' own palette, else distinct hues.
        stored: File ``classes.json``, which need not exist.

    Raises:
        DataError: If ``stored`` is malformed, RGB masks come without palette, or the masks hold too many values, or
            one class alone.
    """
    content = _read_classes_file(stored)
    names = content["classes"] if names is None else names
    skipped = tuple(content["ignore"] if ignore is None else ignore)
    given = content["palette"] if palette is None else palette
    colours = {int(value): _triple(colour) for value, colour in given.items()}
    first, raw = _first_mask(masks) if masks else (None, None)
    coloured = raw is not None and raw.values.ndim == 3
    if names is None and not masks:
        raise DataError("No class is known: no image has a mask. Name the classes with `classes`.")
    if names is None:
        names, colours, skipped = _discover(masks, skipped, coloured, colours)
    if coloured and (absent := [value for value in (*names, *skipped) if int(value) not in colours]):
        raise DataError(
            f"The masks in {masks[0].parent} are RGB: `palette` must give the colour of each mask value. "
            f"It has none for {absent}."
        )
    values = tuple(int(value) for value in names)
    if not values:
        raise DataError(
            f"No class was found: all pixels of the {len(masks)} mask(s), if they can be read, are ignored. Name the "
            "classes with `classes`."
        )
    own = colours or (mask_palette(first) if first is not None and not coloured else {})
    hues = default_palette(len(values))
    shown = tuple(own.get(value, hue) for value, hue in zip(values, hues, strict=True))
    found = ClassMap(tuple(names.values()), values, shown, skipped, colours if coloured else {})
    if masks and len(found) == 1:
        raise one_class(masks, found)
    return found


def _first_mask(masks: Sequence[Path]) -> tuple[Path, RawMask]:
    """Return the first mask that can be read, and what it holds; what stands before it is refused."""
    for mask in masks:
        with going_on():
            return mask, read_mask(mask)
    raise DataError(f"None of the {len(masks)} mask(s) in {masks[0].parent} can be read.")


def _triple(colour: Sequence[int]) -> Colour:
    value = colour_value(colour)  # checks it
    return value >> 16, value >> 8 & 255, value & 255


def _read_classes_file(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = {"classes": None, "palette": {}, "ignore": []}
    if not path.exists():
        return content
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        stored = stored if "classes" in stored else {"classes": stored}
        content.update(stored)
        content["classes"] = {int(value): str(name) for value, name in content["classes"].items()}
        content["palette"] = {int(value): list(colour) for value, colour in content["palette"].items()}
        content["ignore"] = [int(value) for value in content["ignore"]]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f'{path} is no class file ({error}). Expected {{"classes": {{"1": "building"}}, '
            '"palette": {"1": [97, 74, 74]}, "ignore": [0]}.'
        ) from error
    return content


def _discover(
    masks: Sequence[Path], ignore: Sequence[int], coloured: bool, colours: Mapping[int, Colour]
) -> tuple[dict[int, str], dict[int, Colour], tuple[int, ...]]:
    """Make a class of every value (or colour) that the masks hold, except what they declare as nodata.

    What one file declares is ignored in all.
    """
    found: set[int] = set()
    nodata: set[int] = set()
    for path in progress(masks, "values of the masks"):
        with going_on():
            mask = read_mask(path)
            values = raw_values(mask.values, path)
            if (mask.values.ndim == 3) != coloured:
                raise DataError(
                    f"The mask {path} holds {'numbers' if coloured else 'colours'}, but {masks[0]} "
                    f"{'colours' if coloured else 'numbers'}. Save all masks in one way: class numbers in one band, or "
                    "colours in three."
                )
            found.update(np.unique(values if mask.hidden is None else values[~mask.hidden]).tolist())
            nodata.update(mask.nodata)
        if len(found) > _MOST_CLASSES + len(ignore) + len(nodata):
            raise DataError(
                f"The masks up to {path} hold more than {_MOST_CLASSES} different values: is this a folder "
                "of masks? If so, name the classes with `classes` and `ignore`."
            )
    if coloured:
        named = {colour_value(colour): value for value, colour in colours.items()}
        skipped = {colour for colour, value in named.items() if value in ignore} | (nodata & found)
        kept = sorted(found - skipped)
        palette = {value: _triple((value >> 16, value >> 8 & 255, value & 255)) for value in sorted(found)}
        return {value: f"colour #{value:06x}" for value in kept}, palette, tuple(sorted(skipped))
    skipped = set(ignore) | (nodata & found)
    return {value: f"class {value}" for value in sorted(found - skipped)}, dict(colours), tuple(sorted(skipped))
