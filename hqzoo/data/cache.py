"""Keeps decoded images for all workers of all loaders of a process together."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.data.pack import Pack
from hqzoo.data.records import Image, ImageRecord, Mask, Record, Window

__all__ = ["RecordCache"]

Arrays = dict[str, npt.NDArray[Any]]

_ALIGNED = 64  # bytes: no array straddles a cache line or a vector register
_HEADER = 512  # bytes for names, types and shapes of a record's arrays


class RecordCache:
    """Keeps decoded records up to a limit; what does not fit is read again each time.

    Which ones are kept is settled before any is read: the first ones that there is room for, by the size of the first
    of them. Nothing is thrown out: crops visit images in random order, where evicting the oldest would only add work.

    They lie in a file without a name in the folder for temporary files (``TMPDIR``), which this process and its
    workers, forked or spawned, map into their memory: it is there once, the system may write it out where memory is
    short, and it vanishes with the last process, however that ends. Shared memory would be no faster, and is small in
    containers.

    Args:
        limit: Bytes to keep at most.
        pack: Where records are read from in place of their files, by their names. They lie mapped there already, so
            that nothing more is kept.
    """

    def __init__(self, limit: int, pack: Pack | None = None) -> None:
        self.limit, self.pack = limit, pack
        self._shelves: list[_Shelf] = []
        self._places: dict[Record, tuple[_Shelf, int] | None] = {}

    @property
    def used(self) -> int:
        """Bytes of the records that are kept already."""
        return sum(shelf.used for shelf in self._shelves)

    def make_room(self, records: Sequence[Record]) -> None:
        """Settle which of these records are going to be kept; workers that start later share them.

        Raises:
            DataError: If the first one cannot be read.
        """
        if self.pack is not None:
            self.pack.must_hold(records)
            return
        new = [record for record in records if record not in self._places and not record.in_memory]
        left = self.limit - sum(shelf.size for shelf in self._shelves)
        self._places.update(dict.fromkeys(new))
        if not new or left <= _HEADER:
            return
        density = new[0].bytes_per_extent()
        kept, sizes = list[Record](), list[int]()
        for record in new:
            size = _aligned(_HEADER + density * record.extent() + 3 * _ALIGNED)
            if size <= left:
                kept.append(record)
                sizes.append(size)
                left -= size
        if not kept:
            return
        try:
            shelf = _Shelf(sizes)
        except OSError as error:
            _tell(error)
            return
        self._shelves.append(shelf)
        self._places.update({record: (shelf, place) for place, record in enumerate(kept)})

    def read(self, record: Record) -> Arrays:
        """Return all arrays of a record; do not write to them."""
        if self.pack is not None:
            return record.made_of(self.pack.read(self.pack.numbers[record.name]))
        if (place := self._places.get(record)) is None:
            return record.arrays()
        shelf, number = place
        if (found := shelf.get(number)) is not None:
            return found
        with shelf.locked(number):
            if (found := shelf.get(number)) is not None:  # another process was faster
                return found
            found = record.arrays()
            if not shelf.put(number, found):
                self._places[record] = None
            return found

    def read_window(self, record: ImageRecord, window: Window) -> tuple[Image, Mask]:
        """Return image ``(C, h, w)`` and mask ``(h, w)`` of a window that lies inside the record.

        A record without mask is ignored everywhere.
        """
        if self.pack is None and self._places.get(record) is None:
            return record.read_labelled(window)
        arrays = self.read(record)
        return window.of(arrays["image"]), window.of(arrays["mask"])

    def __getstate__(self) -> dict[str, Any]:
        if get_spawning_popen() is None:  # a file can be handed over to a process that is being started only
            return vars(RecordCache(self.limit, self.pack))
        return vars(self)


class _Shelf:
    """A file with a place for each of several records.

    It begins with a byte a record, which is 1 once all of the record is written, and which whoever decodes it locks.

    Args:
        sizes: Bytes of each place.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        first = _aligned(len(sizes))
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]) + first
        self.size = int(self._starts[-1])
        self._full = False
        with tempfile.TemporaryFile(prefix="hqzoo-") as file:
            os.truncate(file.fileno(), self.size)
            self._open(os.dup(file.fileno()))

    def _open(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_READ)

    @property
    def used(self) -> int:
        """Bytes of the places that are taken."""
        taken = np.frombuffer(self._map, np.bool_, len(self._starts) - 1)
        return int(np.diff(self._starts)[taken].sum())

    def get(self, number: int) -> Arrays | None:
        """Return the arrays of a place, which cannot be written to; None if there are none yet."""
        if not self._map[number]:
            return None
        start = int(self._starts[number])
        found, at = Arrays(), start + _HEADER
        for name, dtype, shape in json.loads(self._map[start : start + _HEADER].rstrip(b" ")):
            count = int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(self._map, dtype, count, at)
            found[name] = array.reshape(shape)
            at += _aligned(array.nbytes)
        return found

    @contextmanager
    def locked(self, number: int) -> Iterator[None]:
        """Keep other processes from decoding the same record meanwhile; the lock ends with its process."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, number)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)

    def put(self, number: int, arrays: Arrays) -> bool:
        """Write the arrays of a record; False if they are larger than their place, or the disk is full."""
        header = json.dumps([[name, array.dtype.str, array.shape] for name, array in arrays.items()]).encode()
        start, end = int(self._starts[number]), int(self._starts[number + 1])
        total = _HEADER + sum(_aligned(array.nbytes) for array in arrays.values())
        if self._full or total > end - start or len(header) > _HEADER:
            return False
        try:
            self._write(header.ljust(_HEADER), start)
            at = start + _HEADER
            for array in arrays.values():
                self._write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, at)
                at += _aligned(array.nbytes)
            self._write(b"\x01", number)
        except OSError as error:
            self._full = True
            _tell(error)
        return not self._full

    def _write(self, data: bytes | memoryview, at: int) -> None:
        view = memoryview(data)
        while view:
            # Not through the map: there a full disk would end the process.
            written = os.pwrite(self._file.fileno(), view, at)
            view, at = view[written:], at + written

    def __getstate__(self) -> dict[str, Any]:
        return {"starts": self._starts, "size": self.size, "file": DupFd(self._file.fileno())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._starts, self.size, self._full = state["starts"], state["size"], False
        self._open(state["file"].detach())


def _tell(error: OSError) -> None:
    warnings.warn(
        f"No more decoded images can be kept in {tempfile.gettempdir()}: {error.strerror}. They are read again each "
        "time. Make room there, set TMPDIR to another folder, or lower `cache_gib`.",
        stacklevel=4,
    )


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
