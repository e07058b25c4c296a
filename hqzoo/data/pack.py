"""A data set packed into records of one size, which are mapped into memory: how the folder is laid out, and read.

A pack is a folder of plain files that anybody can read:

* ``index.json``: schema, number of records, and name, type and shape of their arrays, beside what the pack was made of;
* ``records.npy``: the records, one behind the other, as a NumPy array of a structured type;
* ``rows.jsonl``: a line for each record: its name, and what its data set knows about it;
* ``checksums.npy``: for each record the CRC-32 of its bytes plus 1; 0 where it is not written yet, 2⁴⁰ where it is bad;
* ``faults.jsonl``: what is wrong with bad records, which could not be read from their files, if that was allowed.

No file depends on the number of processes that wrote it. NumPy's own format was chosen by measurement (see
``benchmarks/pack``): zarr was ten times slower; LMDB with safetensors and HDF5 took as much processor time or more
and were not faster beyond the noise, though they check no record as it is read, and need packages of their own.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data._progress import progress
from hqzoo.data.files.listing import some
from hqzoo.data.records import Record
from hqzoo.errors import DataError

__all__ = [
    "BAD",
    "CHECKSUMS",
    "FAULTS",
    "INDEX",
    "RECORDS",
    "ROWS",
    "SCHEMA",
    "Pack",
    "PackIndex",
    "PackRow",
    "find_records",
]

SCHEMA = 1
BAD = 1 << 40  # in place of a checksum
KIND = "hqzoo pack"
INDEX, RECORDS, ROWS, CHECKSUMS, FAULTS = "index.json", "records.npy", "rows.jsonl", "checksums.npy", "faults.jsonl"

_ALIGNED = 64  # bytes: no array straddles a cache line or a vector register

Arrays = dict[str, npt.NDArray[Any]]


class PackRow(NamedTuple):
    """A record's name, unique in the pack, and what its data set knows about it, in plain types."""

    name: str
    facts: dict[str, Any]


class PackIndex(NamedTuple):
    """What ``index.json`` says.

    Args:
        module: Name of the class of data modules that it was made by.
        records: Number of records.
        arrays: Name of an array to its type, as the data module wants it back, and its shape.
        float16: None: arrays are stored in their own types. Else real numbers are stored as float16, each of them
            within this of its value.
        rows: SHA-256 of ``rows.jsonl``.
    """

    module: str
    records: int
    arrays: dict[str, tuple[str, tuple[int, ...]]]
    float16: float | None
    rows: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a record."""
        formats, offsets, end = [], [], 0
        for kind, shape in self.arrays.values():
            stored = np.dtype("<f2") if self.float16 is not None and np.dtype(kind).kind == "f" else np.dtype(kind)
            formats.append((stored, shape))
            offsets.append(end)
            end = _aligned(end + np.dtype((stored, shape)).itemsize)
        fields = {"names": list(self.arrays), "formats": formats, "offsets": offsets, "itemsize": end}
        return np.dtype(fields)  # type: ignore[call-overload, no-any-return]

    @property
    def source(self) -> str:
        """A fingerprint of what was packed: names and facts of all records, their arrays, and who read them."""
        return hashlib.sha256(json.dumps([self.module, self.arrays, self.rows]).encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Return the text of the file."""
        known = {**self._asdict(), "arrays": {name: {"dtype": d, "shape": s} for name, (d, s) in self.arrays.items()}}
        return json.dumps({"kind": KIND, "schema": SCHEMA, "source": self.source, **known}, indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> PackIndex:
        """Read the index of a folder.

        Raises:
            DataError: If there is none, it is damaged, or of another schema.
        """
        file = folder / INDEX
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            if known.get("kind") == KIND and known["schema"] != SCHEMA:
                raise DataError(
                    f"The pack {folder} has schema {known['schema']}, but this version of hqzoo reads schema {SCHEMA}. "
                    "Pack the data anew with `hqzoo data pack`, or use the version that wrote it."
                )
            arrays = {name: (each["dtype"], tuple(each["shape"])) for name, each in known["arrays"].items()}
            found = cls(known["module"], known["records"], arrays, known["float16"], known["rows"])
            if known["kind"] != KIND or known["source"] != found.source:
                raise ValueError("its fingerprint does not fit it")
        except FileNotFoundError as error:
            raise DataError(
                f"{folder} is no pack: it has no {INDEX}. Write one with `hqzoo data pack -c RECIPE --out {folder}`."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{file} is damaged or no index of a pack: {error}. Pack the data anew.") from error
        return found


class Pack:
    """A finished pack, whose records are read in any order; each is compared with its checksum as it is read.

    It can be handed to other processes, which open it anew.

    Args:
        folder: Folder of the pack.

    Raises:
        DataError: If there is no pack, or it is damaged, truncated, not finished, or of another schema.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = PackIndex.read(folder)
        self._dtype = self.index.dtype
        self._kinds = {name: np.dtype(kind) for name, (kind, _) in self.index.arrays.items()}
        self._checksums = self._read_checksums()
        self._map, self._first = self._open()

    def __len__(self) -> int:
        return self.index.records

    def __reduce__(self) -> tuple[type[Pack], tuple[Path]]:
        return Pack, (self.folder,)

    @cached_property
    def rows(self) -> list[PackRow]:
        """Name and facts of every record."""
        text = _bytes(self.folder / ROWS)
        if hashlib.sha256(text).hexdigest() != self.index.rows:
            raise DataError(f"{self.folder / ROWS} is damaged: it is not what {INDEX} says. Pack the data anew.")
        return [PackRow(*json.loads(line)) for line in text.splitlines()]

    @cached_property
    def faults(self) -> dict[str, str]:
        """Name of a record that could not be read when the pack was written, to its fault."""
        file = self.folder / FAULTS
        lines = _bytes(file).splitlines() if file.exists() else []
        # A line that ends in the middle is of a block that was written once more.
        return dict(json.loads(line) for line in lines if line.endswith(b"]"))

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Name of a record to its number."""
        return {row.name: number for number, row in enumerate(self.rows)}

    def must_hold(self, records: Sequence[Record]) -> None:
        """Refuse records that are not in the pack.

        Raises:
            DataError: If there are any: the pack is one of other data.
        """
        if absent := [record.name for record in records if record.name not in self.numbers]:
            raise DataError(
                f"The pack {self.folder} lacks {len(absent)} of {len(records)} records: {some(absent)}. It is one of "
                "other data, or of another division of them: pack the data of this recipe."
            )

    def read(self, number: int) -> Arrays:
        """Return the arrays of a record, which cannot be written to.

        Raises:
            DataError: If its bytes are not those that were written, or it could not be read then.
        """
        start = self._first + number * self._dtype.itemsize
        if self._checksums[number] == BAD:
            name = self.rows[number].name
            raise DataError(f"{name} was bad when {self.folder} was packed: {self.faults.get(name, 'unreadable')}")
        if not self.intact(number):
            raise DataError(
                f"The record {self.rows[number].name} of the pack {self.folder} is damaged: its bytes do not fit their "
                f"checksum. List all such records with `hqzoo data pack --verify --out {self.folder}`, and copy the "
                "pack or write it anew."
            )
        found = Arrays()
        for name, kind in self._kinds.items():
            stored, offset = self._dtype.fields[name][:2]  # type: ignore[index]
            array: npt.NDArray[Any] = np.ndarray(stored.shape, stored.base, self._map, start + offset)
            found[name] = array if stored.base == kind else array.astype(kind)
        return found

    def intact(self, number: int) -> bool:
        """Return whether the bytes of a record fit their checksum; a bad one has none."""
        if self._checksums[number] == BAD:
            return True
        start = self._first + number * self._dtype.itemsize
        with memoryview(self._map) as view, view[start : start + self._dtype.itemsize] as record:
            return zlib.crc32(record) + 1 == int(self._checksums[number])

    def damaged(self) -> list[str]:
        """Read all records and return the names of those whose bytes do not fit their checksums."""
        return [row.name for number, row in enumerate(progress(self.rows, "verify")) if not self.intact(number)]

    def _read_checksums(self) -> npt.NDArray[np.uint64]:
        file = self.folder / CHECKSUMS
        with _opened(file) as stream:
            stream.seek(find_records(stream, file, np.dtype("<u8"), len(self)))
            found = np.frombuffer(stream.read(), "<u8")
        if (written := int(np.count_nonzero(found))) < len(self):
            raise DataError(
                f"The pack {self.folder} is not finished: {written} of {len(self)} records are written. Run the same "
                "`hqzoo data pack` again, which goes on."
            )
        return found

    def _open(self) -> tuple[mmap.mmap, int]:
        with _opened(self.folder / RECORDS) as stream:
            first = find_records(stream, self.folder / RECORDS, self._dtype, len(self))
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), first


def find_records(stream: BinaryIO, file: Path, dtype: np.dtype[Any], records: int) -> int:
    """Return where the first of so many records of a type begins in an open file.

    Raises:
        DataError: If the file is truncated, or holds something else.
    """
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("its version of NumPy's format is not 1.0")
        shape, _, found = np.lib.format.read_array_header_1_0(stream, max_header_size=1 << 16)
        if shape != (records,) or found != dtype:
            raise ValueError(f"it holds {shape} records of {found}, but {INDEX} says {records} of {dtype}")
    except (ValueError, EOFError) as error:
        raise DataError(f"{file} is damaged: {error}. Copy the pack again, or write it anew.") from error
    first = stream.tell()
    size, expected = stream.seek(0, 2), first + records * dtype.itemsize
    if size != expected:
        raise DataError(
            f"{file} has {size} bytes, but {expected} are expected: it is truncated, or was changed. Copy the pack "
            "again, or write it anew."
        )
    return first


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror or error}. Copy the pack again.") from error


def _bytes(file: Path) -> bytes:
    with _opened(file) as stream:
        return stream.read()


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
