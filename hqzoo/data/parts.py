"""All of a data set, however it is divided; and whether two data sets are the same one."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hqzoo.data.records import Record
from hqzoo.errors import DataError

if TYPE_CHECKING:
    from hqzoo.data.base import DataModule

__all__ = ["DIVIDING", "Part", "all_records", "contents"]

Part = Literal["train", "val", "test", "all"]

DIVIDING = frozenset({
    "fold", "val_fold", "num_folds", "fold_seed", "folds", "split_file", "split", "splits", "test_share", "draw_seed",
    "scene_pattern", "inner_val", "label_fraction", "ignore", "val_share", "drop_from",
})  # fmt: skip
"""Arguments of data modules that say how one data set is divided, and what of it is not counted: nothing to take to
another one."""

_LOOK = 1 << 16  # bytes at either end of a file; CHOICE: with its length they tell any two images apart


def all_records(module: DataModule[Any]) -> Sequence[Record]:
    """Return the records of a whole data set, each once; names are unique.

    Raises:
        DataError: If files are missing or do not fit each other.
    """
    if undivided := module.undivided_records():
        return undivided
    splits = {split: module.load_records(split) for split in ("train", "val", "test")}
    times = Counter(record.name for records in splits.values() for record in records)
    return [
        record if times[record.name] == 1 else _renamed(record, f"{split}/{record.name}")
        for split, records in splits.items()
        for record in records
    ]


def _renamed(record: Record, name: str) -> Record:
    renamed = copy(record)
    renamed.name = name
    return renamed


def contents(module: DataModule[Any]) -> str:
    """Return a digest of all images of a data set, whatever its folder and folds; empty if they cannot be read.

    Files are told apart by name, length, and the bytes at both ends.
    """
    try:
        found = sorted(_look(record) for record in all_records(module))
    except (DataError, OSError):  # whoever needs the records will hear of it
        return ""
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:12]


def _look(record: Record) -> list[str]:
    file = record.source.file
    seen = "" if file is None else _ends(file)
    return [*map(str, record.source.identity), seen]


def _ends(file: Path) -> str:
    with file.open("rb") as stream:
        length = stream.seek(0, 2)
        stream.seek(0)
        head = stream.read(_LOOK)
        stream.seek(max(0, length - _LOOK))
        return f"{length} {hashlib.sha256(head + stream.read()).hexdigest()}"
