"""A fingerprint of what a data set holds: the same on every machine, another one as soon as anything differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hqzoo._files import write_text
from hqzoo.data.base import DataModule, Split
from hqzoo.data.records import Record
from hqzoo.errors import DataError

__all__ = ["FileDigests", "content_of", "content_of_split"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
WHOLE = 64 * 2**20  # bytes up to which files are read whole; of larger ones, blocks. CHOICE
BLOCK, BLOCKS = 2**20, 64
LOOKED_AT = 4  # records of a split that are read where they are no files of their own. CHOICE


class FileDigests:
    """Digests of files' contents, kept from one run to the next for as long as their sizes and times stay.

    Args:
        kept: JSON file that they are kept in, on this machine alone; None: nowhere.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self.kept = kept
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        if kept is not None and kept.is_file():
            try:
                self._known = dict(json.loads(kept.read_text()))
            except (OSError, ValueError, TypeError):
                self._known = {}  # what is damaged is computed anew

    def of(self, path: Path) -> str:
        """Return the digest of a file.

        Raises:
            DataError: If it cannot be read.
        """
        try:
            path = path.resolve()
            stat = path.stat()
            size, modified, digest = self._known.get(str(path), (0, 0, ""))
            if not digest or (size, modified) != (stat.st_size, stat.st_mtime_ns):
                digest = _digest(path, stat.st_size)
                self._known[str(path)] = [stat.st_size, stat.st_mtime_ns, digest]
                self._changed = True
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
        return str(digest)

    def keep(self) -> None:
        """Write what was found since the last time."""
        if self.kept is not None and self._changed:
            write_text(self.kept, json.dumps(self._known) + "\n")
            self._changed = False


def content_of(module: DataModule[Any], digests: FileDigests) -> str:
    """Return a digest of names, sizes and content of images and targets, of their splits, and of the classes.

    Neither folders nor times of the files count.

    Args:
        module: The data, prepared.
        digests: Knows the files.

    Raises:
        DataError: If files are missing or damaged.
    """
    found = [
        [split, *each] for split in SPLITS for each in sorted(_each(module.records(split), digests), key=json.dumps)
    ]
    classes = None if module.targets is None else module.targets.classes
    digests.keep()
    return hashlib.sha256(json.dumps([found, classes]).encode()).hexdigest()[:12]


def content_of_split(module: DataModule[Any], split: Split, digests: FileDigests) -> str:
    """Return a digest of all that the samples of a split are made of: files, what is stated of them, arrays.

    Unlike in :func:`content_of`, the arrays of all records without files of their own are read.

    Args:
        module: The data, prepared.
        split: The split.
        digests: Knows the files.

    Raises:
        DataError: If files are missing or damaged.
    """
    records = list(module.records(split))
    found = [
        [list(record.identity), record.source.stated, _of_files(record, digests) or _of_arrays(record)]
        for record in records
    ]
    digests.keep()
    return hashlib.sha256(json.dumps(found, default=str).encode()).hexdigest()[:24]


def _each(records: Iterable[Record], digests: FileDigests) -> Iterable[list[Any]]:
    """Yield what each record is, and the digests of its files, or of its arrays for a few without files."""
    every = list(records)
    without = [number for number, record in enumerate(every) if not record.source.files]
    read = set(without[:: max(1, len(without) // LOOKED_AT)])
    for number, record in enumerate(every):
        content = _of_arrays(record) if number in read else _of_files(record, digests)
        yield [list(record.identity), content]


def _of_files(record: Record, digests: FileDigests) -> list[str]:
    return [digests.of(path) for path in record.source.files]


def _of_arrays(record: Record) -> list[str]:
    return [
        hashlib.blake2b(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes()).hexdigest()
        for name, array in sorted(record.arrays().items())
    ]


def _digest(path: Path, size: int) -> str:
    """Return the digest of a file's size and content: all of it, or blocks spread over a large one."""
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    starts = range(0, size, BLOCK) if size <= WHOLE else [(size - BLOCK) * n // (BLOCKS - 1) for n in range(BLOCKS)]
    with path.open("rb") as file:
        for start in starts:
            file.seek(start)
            digest.update(file.read(BLOCK))
    return digest.hexdigest()
