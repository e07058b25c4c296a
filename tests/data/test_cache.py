"""The memory of decoded images: its limit, one for all processes, and nothing left behind."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from hqzoo.data import ArrayRecord, ColourJitter, ImageRecord, Record, Sensor, Window
from hqzoo.data.cache import RecordCache
from hqzoo.data.windows import CropDataset

RGB = Sensor(("red", "green", "blue"))


class Counted(ImageRecord):
    """Notes in a file, which all processes can write to, what is read of it: W whole, w in part."""

    def __init__(self, name: str, log: Path, size: tuple[int, int] = (64, 64), dtype: str = "uint8") -> None:
        super().__init__(name, *size)
        self.log, self.dtype = log, dtype

    def read(self, window: Window | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        with self.log.open("a") as file:
            file.write("W" if window is None else "w")
        rng = np.random.default_rng(int(self.name))
        image = rng.integers(0, 200, (3, self.height, self.width)).astype(self.dtype)
        mask = rng.integers(0, 5, (self.height, self.width)).astype(np.uint8)
        return (image, mask) if window is None else (window.of(image), window.of(mask))


def counted(folder: Path, count: int, **options: Any) -> list[Counted]:
    return [Counted(str(number), folder / f"{number}.log", **options) for number in range(count)]


def reads(records: list[Counted]) -> list[str]:
    return [record.log.read_text() if record.log.exists() else "" for record in records]


def crops(records: list[Any], cache: RecordCache, length: int = 40) -> CropDataset:
    return CropDataset(records, cache, RGB, (16, 16), length, ColourJitter(), 0)


@pytest.mark.parametrize("room", [0, 1, 2.5, 10])
def test_limit_is_kept_and_changes_nothing(tmp_path: Path, room: float) -> None:
    records = counted(tmp_path, 4, size=(50, 60))
    one = 50 * 60 * 4 + 1024  # with what it says of itself
    cache = RecordCache(int(room * one))
    dataset, reference = crops(records, cache), crops(records, RecordCache(0))
    for index in range(40):
        for key in ("image", "mask"):
            assert torch.equal(dataset[index][key], reference[index][key])
    kept = min(4, int(room))
    assert kept * 50 * 60 * 4 <= cache.used <= min(cache.limit, kept * one)


def test_what_is_kept_is_read_whole_once_and_all_else_in_windows(tmp_path: Path) -> None:
    records = counted(tmp_path, 4)
    dataset = crops(records, RecordCache(2 * (64 * 64 * 4 + 1024)))
    for index in range(40):
        dataset[index]
    found = reads(records)
    assert [text.count("W") for text in found] == [1, 1, 0, 0]
    assert [text.count("w") for text in found] == [1, 0, 10, 10]  # one look at the first tells their size


def test_larger_kinds_of_image_are_read_whole_in_vain_once_at_most(tmp_path: Path) -> None:
    small, large = counted(tmp_path, 1), Counted("1", tmp_path / "1.log", dtype="float64")
    dataset = crops([*small, large], RecordCache(1 << 20))
    for index in range(40):
        dataset[index]
    assert reads([large])[0].count("W") == 1
    assert reads([large])[0].count("w") == 19


def test_what_is_in_memory_is_not_kept_again() -> None:
    image = np.zeros((3, 32, 32), np.uint8)
    cache = RecordCache(1 << 20)
    cache.make_room([record := ArrayRecord("a", image, image[0])])
    assert np.shares_memory(cache.read(record)["image"], image)
    assert cache.used == 0


class Pair(Record):
    """Two sensors of different size and type, and a label."""

    def arrays(self) -> dict[str, np.ndarray]:
        s1, s2 = np.full((2, 4, 4), -12.5, np.float32), np.arange(12 * 25, dtype=np.uint16).reshape(12, 5, 5)
        return {"s1": s1, "s2": s2, "label": np.array(3)}


def test_records_of_any_kind(tmp_path: Path) -> None:
    record, cache = Pair("a"), RecordCache(1 << 20)
    cache.make_room([record])
    first, kept = cache.read(record), cache.read(record)
    assert cache.used > 0
    assert list(kept) == ["s1", "s2", "label"]
    for name, array in Pair("b").arrays().items():
        assert kept[name].dtype == array.dtype
        np.testing.assert_array_equal(first[name], array)
        np.testing.assert_array_equal(kept[name], array)
        assert not kept[name].flags.writeable


class Everything(Dataset[dict[str, Any]]):
    """Reads all images, and tells which memory of its process is its own afterwards."""

    def __init__(self, records: list[Counted], cache: RecordCache) -> None:
        self.records, self.cache = records, cache

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        before = own_memory()
        total = sum(int(self.cache.read(record)["image"].sum()) for record in self.records)
        return {"pid": os.getpid(), "total": total, "grown": own_memory() - before}


def own_memory() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_share_what_one_of_them_decoded(tmp_path: Path, method: str) -> None:
    records = counted(tmp_path, 8, size=(1000, 1000))  # 4 MB each
    cache = RecordCache(1 << 30)
    cache.make_room(records)
    loader = DataLoader(Everything(records, cache), 1, num_workers=2, multiprocessing_context=method)
    first = list(loader)
    again = list(loader)  # new processes
    assert len({int(batch["pid"]) for batch in first + again}) == 4
    assert len({int(batch["total"]) for batch in first + again}) == 1
    assert max(int(batch["grown"]) for batch in again) < 8e6  # of 32 MB
    total = sum(int(cache.read(record)["image"].sum()) for record in records)
    assert total == int(first[0]["total"])
    assert [text.count("W") for text in reads(records)] == [1] * 8  # over all five processes


def test_nothing_is_left_behind_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    records = counted(tmp_path, 2)
    cache = RecordCache(1 << 20)
    cache.make_room(records)
    cache.read(records[0])
    assert cache.used > 0
    assert list(folder.iterdir()) == []  # the file has no name even now


def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    records = counted(tmp_path, 3)
    cache = RecordCache(1 << 20)
    cache.make_room(records)
    cache.read(records[0])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.warns(UserWarning, match="No more decoded images can be kept in .*: File too large"):
            found = cache.read(records[2])
        with pytest.warns(UserWarning, match="No more decoded images"):
            cache.make_room(counted(tmp_path, 3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    np.testing.assert_array_equal(found["image"], records[2].read()[0])
    assert reads(records)[0].count("W") == 1
    cache.read(records[0])
    assert reads(records)[0].count("W") == 1
