"""Which pairs cannot be read: found once for all processes before training, and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from hqzoo._files import write_text
from hqzoo.data._progress import progress
from hqzoo.data.files.listing import some
from hqzoo.data.paired.records import PairRecord
from hqzoo.data.processes import found_once
from hqzoo.errors import DataError

__all__ = ["find_faults", "tell_faults"]


def find_faults(records: Sequence[PairRecord], kept: Path | None) -> dict[str, str]:
    """Read every pair once, in one process for all, and return what is wrong with those that training cannot take.

    Args:
        records: Pairs; every process must ask at the same point.
        kept: Folder where the answer is kept from one run to the next; None: it is found in each.

    Returns:
        Name of a pair to its fault, in the order of the records.
    """
    return found_once(lambda: _stored(records, kept))


def tell_faults(faults: Mapping[str, str], of: int, split: str) -> str:
    """Return a sentence about the pairs that are left out, by the kind of their fault."""
    named = [f"{name} ({fault})" for name, fault in faults.items()]
    return f"{len(faults)} of {of} pairs of the split '{split}' are skipped (`on_bad: skip`): {some(named)}."


def _stored(records: Sequence[PairRecord], kept: Path | None) -> dict[str, str]:
    if kept is None or not records:
        return _faults(records)
    bands = records[0].layout.bands
    names = [[record.name, record.absent] for record in records]
    digest = hashlib.sha256(json.dumps([bands, names]).encode()).hexdigest()
    file = kept.expanduser() / f"faults_{digest[:12]}.json"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["key"] == digest:
            return dict(stored["faults"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent or half-written: look again
    found = _faults(records)
    write_text(file, json.dumps({"key": digest, "faults": found}, indent=2))
    return found


def _faults(records: Sequence[PairRecord]) -> dict[str, str]:
    faults = {}
    for record in progress(records, "pairs that cannot be read"):
        try:
            record.arrays()
        except DataError as error:
            faults[record.name] = record.absent or str(error)
    return faults
