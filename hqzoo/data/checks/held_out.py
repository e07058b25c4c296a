"""Which images of a training set another data set keeps to validate or test on, by their names.

GEO-Bench's m-bigearthnet is cut from BigEarthNet v1, whose splits differ from v2's: pretraining on v2 may see images
that it is scored on. Names tell: v2's table holds v1's name of each patch (column ``s2v1_name``).

A converted sample may be called ``id_123`` in place of its patch: GEO-Bench's converter numbers the patches of v1's
three lists in the order training, validation, test. With these lists beside the partition, the numbers are names again;
so they are with lists in the data's own folder, if the partition's folder is called after BigEarthNet, for other data
sets are numbered as well. Without, nobody can tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from hqzoo.data.records import Record
from hqzoo.errors import DataError

__all__ = ["V1_LISTS", "HeldOut", "Overlap", "find_partition", "overlap", "read_held_out"]

PARTITION = "default_partition.json"
PARTS = {"valid": "validation", "val": "validation", "validation": "validation", "test": "test"}
V1_LISTS = ("bigearthnet-train.csv", "bigearthnet-val.csv", "bigearthnet-test.csv")

_NUMBERED = re.compile(r"id_(\d+)$")
# v1: platform, time (some lack a digit), row, column. v2: also baseline, orbit and tile.
_V1 = re.compile(r"(S2[AB]_MSIL2A_\d{8})T\d{5,6}_\d+_\d+$")
_V2 = re.compile(r"(S2[AB]_MSIL2A_\d{8})T\d{6}_N\d{4}_R\d{3}_T\w{5}_\d+_\d+$")


class HeldOut(NamedTuple):
    """The images that a partition keeps for validation and test."""

    source: Path
    parts: Mapping[str, str]
    """Name to ``validation`` or ``test``."""
    unnamed: int
    """Samples that are numbered, and whose names nobody knows."""


class Overlap(NamedTuple):
    """What of some records is held out."""

    known: dict[str, str]
    """Name of a record to the part that holds it."""
    unknown: dict[str, str]
    """Name of a record of which it cannot be told, to the reason."""


def find_partition(path: Path) -> Path | None:
    """Return the partition that a path names, or that a folder holds; None if there is none."""
    file = path / PARTITION if path.is_dir() else path
    return file if file.is_file() and file.suffix == ".json" else None


def read_held_out(path: Path, *folders: Path) -> HeldOut:
    """Read the validation and test part of a partition in GEO-Bench's form.

    Args:
        path: JSON file ``{"train": [names], "valid": [...], "test": [...]}``, or the folder of its
            ``default_partition.json``.
        *folders: Where v1's lists may lie, apart from the partition's own folder, if that is called after BigEarthNet.

    Raises:
        DataError: If there is no such file, it has another form, or a number has no line in v1's lists.
    """
    if (file := find_partition(path)) is None:
        raise DataError(f"There is no partition {path}: expected a JSON file, or a folder with {PARTITION}.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        parts = {str(name): PARTS[part] for part, names in content.items() if part in PARTS for name in names}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"The partition {file} cannot be read: {error}.") from error
    if not parts:
        raise DataError(
            f'The partition {file} names no validation or test image: expected {{"train": [...], "valid": [...], '
            '"test": [...]}.'
        )
    numbers = {name: int(found[1]) for name in parts if (found := _NUMBERED.match(name))}
    if "bigearthnet" not in file.resolve().parent.name.casefold():
        folders = ()
    lists = _v1_names(file.parent, *folders) if numbers else None
    if lists is None:
        return HeldOut(file, {name: part for name, part in parts.items() if name not in numbers}, len(numbers))
    if max(numbers.values()) >= len(lists):
        raise DataError(
            f"{file} has the sample id_{max(numbers.values())}, but v1's lists name {len(lists)} patches: the two do "
            f"not belong together. Put the published {', '.join(V1_LISTS)} beside it."
        )
    return HeldOut(file, {lists[numbers[name]] if name in numbers else name: parts[name] for name in parts}, 0)


def overlap(records: Iterable[Record], held: HeldOut) -> Overlap:
    """Tell which records a partition holds out, and of which it cannot be told.

    A name of v1 does not say the tile, and time and position may differ slightly in v2. A patch of v2 whose name in v1
    is not known is therefore none of those held out only if none of them was taken by the same satellite on its day.
    """
    acquired = {found[1] for name in held.parts if (found := _V1.match(name))}
    known: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for record in records:
        names = (record.name, *record.aliases)
        if part := next((held.parts[name] for name in names if name in held.parts), None):
            known[record.name] = part
        elif reason := _doubt(names, acquired, held.unnamed):
            unknown[record.name] = reason
    return Overlap(known, unknown)


def _doubt(names: tuple[str, ...], acquired: set[str], unnamed: int) -> str | None:
    if unnamed:
        return f"the partition numbers its samples (id_N), and {', '.join(V1_LISTS)} are not beside it"
    if not acquired or any(_V1.match(name) for name in names):
        return None
    if found := next((found for name in names if (found := _V2.match(name))), None):
        return "their names in v1 (`s2v1_name`) are not known" if found[1] in acquired else None
    return "their names do not say which patches they are"


def _v1_names(*folders: Path) -> list[str] | None:
    """Return the patches of v1's lists in their order, from the first folder that has all three."""
    for folder in folders:
        files = [folder / name for name in V1_LISTS]
        if all(file.is_file() for file in files):
            return [line.split(",")[0].strip() for file in files for line in file.read_text().split()]
    return None
