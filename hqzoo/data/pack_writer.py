"""Writes a pack (see :mod:`hqzoo.data.pack`), and goes on where it was stopped."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset

from hqzoo._files import write_text
from hqzoo.data._progress import progress
from hqzoo.data.base import DataModule
from hqzoo.data.pack import BAD, CHECKSUMS, FAULTS, INDEX, RECORDS, ROWS, Pack, PackIndex, PackRow, find_records
from hqzoo.data.records import Record
from hqzoo.errors import ConfigError, DataError, WriteError

__all__ = ["Packed", "write_pack"]

BLOCK = 64  # records that are made durable together: what a kill costs at most. CHOICE

Arrays = dict[str, npt.NDArray[Any]]


class Packed(NamedTuple):
    """What was done.

    Args:
        pack: The finished pack.
        before: Records that an earlier call had written.
    """

    pack: Pack
    before: int


def write_pack(
    module: DataModule[Any], folder: Path, float16: float | None = None, workers: int | None = None
) -> Packed:
    """Pack all records of a data set, or go on with a pack of the same data that was not finished.

    Every record is read once, by its own reader with all its checks, before normalisation and augmentation, in its
    native sizes (:meth:`~hqzoo.data.records.Record.stored`). The files do not depend on the number of workers.

    Args:
        module: The data, prepared.
        folder: Where to write; created if need be.
        float16: Store real numbers in 16 bits, each within this of its value; None: as they are, bit for bit. Half
            precision keeps 11 binary digits: a value of Sentinel-1 between 16 and 32 dB to 0.0079 dB.
        workers: Processes that read; None: those of the data module.

    Raises:
        ConfigError: If the bound is no positive number, or the folder holds something else.
        DataError: If a record cannot be read (unless the data module skips such), has other arrays than the others, or
            a value that 16 bits do not hold to the bound.
        WriteError: If the disk is full, or another process writes the same pack.
    """
    if float16 is not None and not float16 > 0:
        raise ConfigError(f"`float16` is the largest error that real numbers may have, above 0; got {float16}.")
    records, rows = _listed(module)
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    arrays = {name: (array.dtype.str, array.shape) for name, array in _first(records, module).items()}
    digest = hashlib.sha256(text.encode()).hexdigest()
    index = PackIndex(type(module).__name__, len(records), arrays, float16, digest)
    if any(np.dtype(kind).kind not in "biuf" for kind, _ in arrays.values()):
        raise DataError(f"Arrays of numbers can be packed, but {records[0].name} has {arrays}.")
    if (folder / INDEX).exists():
        _must_be_the_same(folder, index)
    else:
        _begin(folder, index, text)
    with _opened(folder) as files:
        before = files.written()
        samples = _Reading(records[before:], index, module.on_bad == "skip")
        workers = min(module.num_workers if workers is None else workers, -(-len(samples) // BLOCK))
        loader: Any = DataLoader(samples, BLOCK, num_workers=workers, collate_fn=list)
        at = before
        for block in progress(loader, "pack"):
            files.append(at, block, rows[at : at + len(block)])
            at += len(block)
    return Packed(Pack(folder), before)


def _listed(module: DataModule[Any]) -> tuple[list[Record], list[PackRow]]:
    found = module.to_pack()
    records, rows = [record for record, _ in found], [PackRow(record.name, facts) for record, facts in found]
    if not records:
        raise DataError(f"There is nothing to pack: {module.where()}.")
    names: set[str] = set()
    for name, _ in rows:
        if name in names:
            raise DataError(f"Two records are named {name}, but records of a pack are told apart by their names.")
        names.add(name)
    return records, rows


def _first(records: Sequence[Record], module: DataModule[Any]) -> Arrays:
    """Return the arrays of the first record that can be read, as which all others must be."""
    for record in records:
        try:
            return record.stored()
        except DataError:
            if module.on_bad != "skip":
                raise
    raise DataError(f"None of {len(records)} records can be read: {module.where()}.")


def _must_be_the_same(folder: Path, index: PackIndex) -> None:
    there = PackIndex.read(folder)
    for name, old, new in zip(index._fields, there, index, strict=True):
        if old != new:
            raise ConfigError(
                f"{folder} holds a pack of other data or settings: its {name} {_short(old)}, but now {_short(new)}. "
                "Remove it, or choose another folder with --out."
            )


def _short(value: object) -> str:
    text = f"is {value}"
    return text if len(text) < 200 else f"{text[:200]}..."


def _begin(folder: Path, index: PackIndex, rows: str) -> None:
    """Write all files but the records themselves; the index comes last, so that a folder without it is begun anew."""
    ours = {RECORDS, ROWS, CHECKSUMS, FAULTS}
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - ours):
        raise ConfigError(f"{folder} is no pack and not empty: choose another folder with --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FAULTS).unlink(missing_ok=True)
        write_text(folder / ROWS, rows)
        np.save(folder / CHECKSUMS, np.zeros(index.records, np.uint64))
        with (folder / RECORDS).open("wb") as file:
            descr = np.lib.format.dtype_to_descr(index.dtype)
            header = {"descr": descr, "fortran_order": False, "shape": (index.records,)}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + index.records * index.dtype.itemsize)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    write_text(folder / INDEX, index.to_json())


class _Reading(Dataset[bytes | str | DataError]):
    """The bytes of each record, or what is wrong with it where that is allowed.

    Faults that are not come back as errors that worker processes cannot raise in words of their own.
    """

    def __init__(self, records: Sequence[Record], index: PackIndex, skip: bool) -> None:
        self.records, self.index, self.skip = records, index, skip

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, number: int) -> bytes | str | DataError:
        record = self.records[number]
        try:
            return _as_bytes(record.name, record.stored(), self.index)
        except DataError as error:
            return str(error) if self.skip else error


def _as_bytes(name: str, arrays: Arrays, index: PackIndex) -> bytes:
    """Return the bytes of a record."""
    found = {key: (array.dtype.str, array.shape) for key, array in arrays.items()}
    if found != index.arrays:
        different = [key for key in {**found, **index.arrays} if found.get(key) != index.arrays.get(key)]
        told = ", ".join(f"{key} is {found.get(key)}, not {index.arrays.get(key)}" for key in different)
        raise DataError(
            f"The record {name} has other arrays than the first of its data set: {told}. Records of a pack have one "
            "size: resize the images, or leave this one out."
        )
    row = np.zeros((), index.dtype)
    for key, array in arrays.items():
        row[key] = array
        if row[key].dtype != array.dtype:
            _check_bound(name, key, array, row[key], float(index.float16 or 0))
    return row.tobytes()


def _check_bound(name: str, key: str, array: npt.NDArray[Any], stored: npt.NDArray[Any], bound: float) -> None:
    # NaN stays NaN, infinity infinity: these are no error.
    same = (array == stored) | (np.isnan(array) & np.isnan(stored))
    with np.errstate(invalid="ignore"):
        error = float(np.where(same, 0, np.abs(array.astype(np.float64) - stored)).max(initial=0))
    if not error <= bound:
        raise DataError(
            f"{key} of {name} has a value that 16 bits store with an error of {error:g}, above the bound {bound:g}: "
            "allow a larger one with --float16, or leave it out, which stores every bit."
        )


class _Files:
    """The files of a pack that is being written."""

    def __init__(self, folder: Path, records: BinaryIO, checksums: BinaryIO) -> None:
        self.folder, self._records, self._checksums = folder, records, checksums
        index = PackIndex.read(folder)
        self._size = index.dtype.itemsize
        self._first = find_records(records, folder / RECORDS, index.dtype, index.records)
        self._first_sum = find_records(checksums, folder / CHECKSUMS, np.dtype("<u8"), index.records)

    def written(self) -> int:
        """Return how many records are written, which are the first ones."""
        # By the open file: to close another one of it would end the lock.
        self._checksums.seek(self._first_sum)
        return int(np.count_nonzero(np.frombuffer(self._checksums.read(), "<u8")))

    def append(self, number: int, block: Sequence[bytes | str | DataError], rows: Sequence[PackRow]) -> None:
        """Write records from a number on: first their bytes, and once these are safe their checksums.

        Raises:
            DataError: The first of the records, if any could not be read; those before it are written.
            WriteError: If they cannot be written.
        """
        fault, ready = None, list[bytes | str]()
        for each in block:
            if isinstance(each, DataError):
                fault = each
                break
            ready.append(each)
        whole = b"".join(bytes(self._size) if isinstance(each, str) else each for each in ready)
        told = [(row.name, each) for row, each in zip(rows, ready, strict=False) if isinstance(each, str)]
        sums = np.array([BAD if isinstance(each, str) else zlib.crc32(each) + 1 for each in ready], "<u8")
        try:
            self._write(self._records, self._first + number * self._size, whole)
            if told:
                self._tell(told)
            self._write(self._checksums, self._first_sum + number * 8, sums.tobytes())
        except OSError as error:
            raise _cannot_write(self.folder, error) from error
        if fault is not None:
            raise fault

    def _tell(self, faults: Sequence[tuple[str, str]]) -> None:
        with (self.folder / FAULTS).open("a", encoding="utf-8") as file:
            # Lines are ended from the front, as the one before may have been cut off.
            file.writelines(f"\n{json.dumps(fault)}" for fault in faults)
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _write(file: BinaryIO, at: int, data: bytes) -> None:
        file.seek(at)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _opened(folder: Path) -> Iterator[_Files]:
    with ExitStack() as stack:
        try:
            records, checksums = (stack.enter_context((folder / name).open("r+b")) for name in (RECORDS, CHECKSUMS))
            fcntl.lockf(checksums, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WriteError(f"Another process is writing the pack {folder}: wait for it, or stop it.") from error
        except OSError as error:
            raise _cannot_write(folder, error) from error
        yield _Files(folder, records, checksums)


def _cannot_write(folder: Path, error: OSError) -> WriteError:
    return WriteError(f"Cannot write the pack {folder}: {error.strerror or error}. Is the disk full, or read-only?")
