"""Pairs of Sentinel-2 and Sentinel-1 in several formats, each read by the same data module."""

from __future__ import annotations

import csv
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import zarr
from safetensors.numpy import save

from hqzoo.data import BigEarthNetV2DataModule
from hqzoo.data.pack import Pack
from hqzoo.data.pack_writer import write_pack
from hqzoo.data.paired.module import PlacedPair
from hqzoo.data.paired.records import PairRecord, Planes
from hqzoo.data.paired.sentinel import NATIVE_SIDES

__all__ = ["BATCH", "Opened", "write_formats"]

BATCH = 32
SHARD = 256  # pairs in a file of zarr
SPLIT = "all_to_train.csv"
Opened = Callable[[], BigEarthNetV2DataModule]


def write_formats(root: Path, folder: Path) -> dict[str, tuple[Callable[[], BigEarthNetV2DataModule], list[Path]]]:
    """Write an archive in every format; return what opens each, and the files that are read."""
    folder.mkdir()
    with (root / "metadata.csv").open(newline="") as file:
        patches = [row["patch_id"] for row in csv.DictReader(file)]
    (root / SPLIT).write_text("name,split\n" + "".join(f"{patch},train\n" for patch in patches))
    records = list(module_of(root).undivided_records())
    planes = [record.stored() for record in records]
    write_pack(module_of(root), folder / "pack")
    write_lmdb(folder / "lmdb", root, planes)
    write_hdf5(folder / "bands.h5", planes)
    write_records(folder / "records.h5", planes, Pack(folder / "pack").index.dtype)
    write_zarr(folder / "zarr", planes)
    opened: dict[str, Opened] = {
        "tiff": lambda: module_of(root),
        "pack": lambda: module_of(root, packed=str(folder / "pack")),
        "lmdb + safetensors": lambda: module_of(root, encoded=str(folder / "lmdb")),
        "hdf5, bands": lambda: reading(root, Bands(folder / "bands.h5")),
        "hdf5, records": lambda: reading(root, Records(folder / "records.h5")),
        "zarr": lambda: reading(root, Shards(folder / "zarr")),
    }
    places = [root, *(folder / name for name in ("pack", "lmdb", "bands.h5", "records.h5", "zarr"))]
    files = [[place] if place.is_file() else sorted(filter(Path.is_file, place.rglob("*"))) for place in places]
    for path in (path for each in files for path in each):
        with path.open("rb") as file:
            os.fsync(file.fileno())  # pages that are not on the disk yet cannot be dropped
    return dict(zip(opened, zip(opened.values(), files, strict=True), strict=True))


def module_of(
    root: Path,
    cls: type[BigEarthNetV2DataModule] = BigEarthNetV2DataModule,
    packed: str | None = None,
    encoded: str | None = None,
) -> BigEarthNetV2DataModule:
    """Return a data module that trains on all pairs, as its split file says, and keeps nothing in memory."""
    options: dict[str, Any] = {"batch_size": BATCH, "cache_gib": 0, "drop_last": False, "packed": packed}
    return cls(str(root), labels="none", split_file=str(root / SPLIT), encoded=encoded, **options)


class Handle:
    """An open file of pairs, which every process opens for itself."""

    def __init__(self, path: Path) -> None:
        self.path, self._opened = path, (0, None)

    def read(self, number: int) -> Planes:
        """Return the bands of a pair."""
        if self._opened[0] != os.getpid():
            self._opened = (os.getpid(), self.open())
        return self.planes(self._opened[1], number)

    @abstractmethod
    def open(self) -> Any:  # noqa: ANN401 - each format's own
        """Open the file."""

    def planes(self, opened: Any, number: int) -> Planes:  # noqa: ANN401 - what `open` returned
        """Return the bands of a pair in the open file."""
        return {band: opened[band][number] for band in NATIVE_SIDES}


class Bands(Handle):
    """HDF5 with a dataset for each band."""

    def open(self) -> Any:  # noqa: ANN401 - each format's own
        """Open the file and its datasets."""
        file = h5py.File(self.path, "r")
        return {band: file[band] for band in NATIVE_SIDES}


class Records(Handle):
    """HDF5 with one dataset of whole records."""

    def open(self) -> Any:  # noqa: ANN401 - each format's own
        """Open the dataset."""
        return h5py.File(self.path, "r")["records"]

    def planes(self, opened: Any, number: int) -> Planes:  # noqa: ANN401 - what `open` returned
        """Return the fields of a record."""
        record = opened[number]
        return {band: record[band] for band in NATIVE_SIDES}


class Shards(Handle):
    """A zarr group with an array for each band."""

    def open(self) -> Any:  # noqa: ANN401 - each format's own
        """Open the arrays."""
        group = zarr.open_group(self.path, mode="r")
        return {band: group[band] for band in NATIVE_SIDES}


class Numbered(PairRecord):
    """A pair by its number in a file."""

    def __init__(self, like: PairRecord, handle: Handle, number: int) -> None:
        super().__init__(like.name, like.layout, place=like.place)
        self.handle, self.number = handle, number

    def native(self, bands: Sequence[str]) -> Planes:
        """Read all bands."""
        return self.handle.read(self.number)


def reading(root: Path, handle: Handle) -> BigEarthNetV2DataModule:
    """Return a data module over the archive's table that reads pairs from a file."""

    class Reading(BigEarthNetV2DataModule):
        def find_pairs(self) -> Sequence[PlacedPair]:
            pairs = super().find_pairs()
            return [PlacedPair(Numbered(pair, handle, n), split) for n, (pair, split) in enumerate(pairs)]

    return module_of(root, Reading)


def write_lmdb(folder: Path, root: Path, planes: Sequence[Planes]) -> None:
    """Write as rico-hdl does: a value for each patch of each sensor."""
    with (root / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with lmdb.open(str(folder), map_size=1 << 36) as database, database.begin(write=True) as transaction:
        for row, bands in zip(rows, planes, strict=True):
            for column, radar in (("patch_id", False), ("s1_name", True)):
                chosen = {band: plane for band, plane in bands.items() if (band in ("VV", "VH")) == radar}
                transaction.put(row[column].encode(), save(chosen))


def write_hdf5(file: Path, planes: Sequence[Planes]) -> None:
    """Write a contiguous dataset for each band."""
    with h5py.File(file, "w") as target:
        for band in planes[0]:
            target[band] = np.stack([each[band] for each in planes])


def write_records(file: Path, planes: Sequence[Planes], dtype: np.dtype[Any]) -> None:
    """Write one contiguous dataset of records."""
    rows = np.zeros(len(planes), dtype)
    for number, each in enumerate(planes):
        for band, plane in each.items():
            rows[band][number] = plane
    with h5py.File(file, "w") as target:
        target["records"] = rows


def write_zarr(folder: Path, planes: Sequence[Planes]) -> None:
    """Write an array for each band: a chunk a pair, many of them in a file."""
    group = zarr.create_group(folder)
    for band, first in planes[0].items():
        shape, shard = (len(planes), *first.shape), (min(SHARD, len(planes)), *first.shape)
        whole = (-(-len(planes) // shard[0]) * shard[0], *first.shape)
        array = group.create_array(
            band, shape=whole, dtype=first.dtype, chunks=(1, *first.shape), shards=shard, compressors=None
        )
        array[: shape[0]] = np.stack([each[band] for each in planes])
