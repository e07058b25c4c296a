"""Packs: what comes back is what was packed, whatever happens in between; and what is said where that is not so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from hqzoo.cli import main
from hqzoo.data import DataModule, FolderSegmentationDataModule, Record, Sensor
from hqzoo.data.base import Samples, Split
from hqzoo.data.pack import CHECKSUMS, INDEX, RECORDS, ROWS, Pack
from hqzoo.data.pack_writer import BLOCK, write_pack
from hqzoo.errors import ConfigError, DataError, WriteError
from tests.fixtures.folder import write_folder, write_images

Arrays = dict[str, np.ndarray]


class Held(Record):
    """A record of given arrays, which takes its time to be read."""

    def __init__(self, name: str, content: Arrays, seconds: float = 0) -> None:
        super().__init__(name)
        self.content, self.seconds = content, seconds

    def arrays(self) -> Arrays:
        time.sleep(self.seconds)
        return self.content


class Toy(DataModule[Held]):
    """All records to train on."""

    targets = None
    sensors: Mapping[str, Sensor] = {}

    def __init__(self, content: Sequence[Arrays] = (), seconds: float = 0, packed: str | None = None) -> None:
        super().__init__(packed=packed)
        self.content, self.seconds = content, seconds

    def load_records(self, split: Split) -> Sequence[Held]:
        held = [Held(f"record {number}", each, self.seconds) for number, each in enumerate(self.content)]
        return held if split == "train" else []

    def training_samples(self, records: Sequence[Held]) -> Samples:
        raise NotImplementedError

    evaluation_samples = training_samples

    def sample_shapes(self) -> dict[str, tuple[int, int, int]]:
        return {}


def numbers(count: int = 3 * BLOCK + 5) -> list[Arrays]:
    rng = np.random.default_rng(0)
    return [
        {"image": rng.integers(0, 9999, (2, 7, 5)).astype(np.uint16), "label": np.array(n), "x": rng.random(3)}
        for n in range(count)
    ]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same(found: Arrays, expected: Arrays) -> bool:
    return list(found) == list(expected) and all(
        (array.dtype, array.shape, array.tobytes()) == (found[name].dtype, found[name].shape, found[name].tobytes())
        for name, array in expected.items()
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of three blocks and a bit."""
    folder = tmp_path_factory.mktemp("pack") / "pack"
    write_pack(Toy(numbers()), folder)
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "own"))


# What comes back


KINDS = ["u1", "i1", "<u2", "<i4", "<i8", "<f2", "<f4", "<f8", "?"]
LAYOUTS = st.dictionaries(
    st.text("abcVH_01", min_size=1, max_size=4),
    st.tuples(st.sampled_from(KINDS), arrays_of.array_shapes(min_dims=0, max_dims=3, max_side=5)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), layout=LAYOUTS, count=st.integers(1, 4))
def test_every_bit_of_any_arrays_comes_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, layout: dict[str, Any], count: int
) -> None:
    content = [
        {name: data.draw(arrays_of.arrays(np.dtype(kind), shape)) for name, (kind, shape) in layout.items()}
        for _ in range(count)
    ]
    pack, before = write_pack(Toy(content), tmp_path_factory.mktemp("any") / "pack")
    assert (len(pack), before) == (count, 0)
    for number in reversed(range(count)):
        assert same(pack.read(number), content[number])


def test_records_are_views_that_cannot_be_written_to(made: Path) -> None:
    image = Pack(made).read(1)["image"]
    assert not image.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        image[0] = 0


def test_numpy_alone_reads_a_pack(made: Path) -> None:
    rows = np.load(made / RECORDS, mmap_mode="r")
    assert all(
        same({name: row[name] for name in row.dtype.names}, each) for row, each in zip(rows, numbers(), strict=True)
    )


def test_files_do_not_depend_on_the_number_of_workers(made: Path, tmp_path: Path) -> None:
    write_pack(Toy(numbers()), tmp_path / "pack", workers=2)
    assert bytes_of(tmp_path / "pack") == bytes_of(made)


def test_half_precision_within_its_bound(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = [{"s1": rng.uniform(-31.9, 5, (2, 9)).astype(np.float32), "n": np.arange(3)} for _ in range(4)]
    content[2]["s1"][0, 0] = np.nan
    pack = write_pack(Toy(content), tmp_path / "pack", float16=2**-7).pack  # half of the spacing between 16 and 32
    worst = max(float(np.nanmax(np.abs(pack.read(n)["s1"] - each["s1"]))) for n, each in enumerate(content))
    assert 2**-8 < worst <= 2**-7
    assert np.isnan(pack.read(2)["s1"][0, 0])
    assert all(pack.read(n)["s1"].dtype == np.float32 for n in range(4))
    assert same({"n": pack.read(0)["n"]}, {"n": np.arange(3)})
    content[3]["s1"][1, 1] = -32.015  # halves lie 1/32 apart there
    with pytest.raises(DataError, match=r"s1 of record 3 has a value .* error of 0\.0149\d+, above the bound 0\.0078"):
        write_pack(Toy(content), tmp_path / "other", float16=2**-7)
    with pytest.raises(ConfigError, match="above 0; got -1"):
        write_pack(Toy(content), tmp_path / "third", float16=-1)


def test_folder_of_images_gives_the_same_crops_and_windows(tmp_path: Path) -> None:
    for number in range(6):  # of one size
        write_images(tmp_path / "set", [f"image{number}"], size=(64, 48), seed=number)
    root = str(tmp_path / "set")
    options: dict[str, Any] = {"root": root, "fold": 0, "crop_size": 32, "batch_size": 2, "cache_gib": 0}
    data = FolderSegmentationDataModule(**options)
    write_pack(data, tmp_path / "pack")
    packed = FolderSegmentationDataModule(**options, packed=str(tmp_path / "pack"))
    assert packed.statistics == data.statistics
    for loader in ("train_dataloader", "test_dataloader"):
        for left, right in zip(getattr(data, loader)(), getattr(packed, loader)(), strict=True):
            assert left["name"] == right["name"]
            assert left["image"].equal(right["image"])
            assert left["mask"].equal(right["mask"])


# Stopped, and gone on


SLOW = """
import sys
from pathlib import Path
from hqzoo.data.pack_writer import write_pack
from tests.data.test_pack import Toy, numbers
write_pack(Toy(numbers(), 0.01), Path(sys.argv[1]))
"""


def test_killed_in_the_middle_it_goes_on(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(folder)], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    try:
        deadline = time.monotonic() + 120
        while not _written(folder):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        with pytest.raises(WriteError, match="Another process is writing"):
            write_pack(Toy(numbers()), folder)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with pytest.raises(DataError, match=f"not finished: {_written(folder)} of {len(numbers())} records"):
        Pack(folder)
    pack, before = write_pack(Toy(numbers()), folder)
    assert before in (BLOCK, 2 * BLOCK, 3 * BLOCK)
    assert bytes_of(folder) == bytes_of(made)
    assert len(pack.damaged()) == 0
    assert write_pack(Toy(numbers()), folder).before == len(pack)  # there is nothing left to do


def _written(folder: Path) -> int:
    return int(np.count_nonzero(np.load(folder / CHECKSUMS))) if (folder / INDEX).exists() else 0


def test_killed_before_there_was_an_index_it_begins_anew(made: Path, own: Path) -> None:
    (own / INDEX).unlink()
    (own / RECORDS).write_bytes(b"half")
    assert write_pack(Toy(numbers()), own).before == 0
    assert bytes_of(own) == bytes_of(made)


def test_nothing_else_is_overwritten(own: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"its records is 197, but now is 4"):
        write_pack(Toy(numbers(4)), own)
    with pytest.raises(ConfigError, match=r"its float16 is None, but now is 0\.5"):
        write_pack(Toy(numbers()), own, float16=0.5)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="no pack and not empty"):
        write_pack(Toy(numbers()), tmp_path / "full")


# What is wrong


def test_a_flipped_bit_is_told_by_the_name_of_its_record(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = Pack(own)
    size, count = pack.index.dtype.itemsize, len(pack)
    at = (own / RECORDS).stat().st_size - (count - 130) * size + 100  # inside record 130
    with (own / RECORDS).open("r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ 4]))
    damaged = Pack(own)
    assert same(damaged.read(129), numbers()[129])
    with pytest.raises(DataError, match=r"The record record 130 of the pack .* is damaged"):
        damaged.read(130)
    assert main(["data", "pack", "--out", str(own), "--verify"]) == 1
    out = capsys.readouterr().out
    assert "damaged: record 130\n" in out
    assert "1 of 197 records do not fit their checksums" in out.replace("\n", " ")


def _truncated(folder: Path, file: str) -> None:
    os.truncate(folder / file, (folder / file).stat().st_size - 8)


def _index(folder: Path, **changed: Any) -> None:
    known = json.loads((folder / INDEX).read_text())
    (folder / INDEX).write_text(json.dumps({**known, **changed}))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: _truncated(f, RECORDS), r"records\.npy has \d+ bytes, but \d+ are expected: it is truncated"),
        (lambda f: (f / RECORDS).write_bytes(b"\x93NUMPY"), r"records\.npy is damaged"),
        (lambda f: (f / RECORDS).unlink(), r"Cannot read .*records\.npy: No such file"),
        (lambda f: _truncated(f, CHECKSUMS), r"checksums\.npy has \d+ bytes"),
        (lambda f: np.save(f / CHECKSUMS, np.ones(3, np.uint64)), r"checksums\.npy is damaged: it holds \(3,\)"),
        (lambda f: _index(f, schema=2), r"has schema 2, but this version of hqzoo reads schema 1"),
        (lambda f: _index(f, records=5), r"its fingerprint|records\.npy is damaged|checksums\.npy is damaged"),
        (lambda f: _index(f, module="Other"), "its fingerprint does not fit it"),
        (lambda f: (f / INDEX).write_text("{"), r"index\.json is damaged or no index"),
        (lambda f: (f / INDEX).unlink(), r"is no pack: it has no index\.json"),
    ],
)
def test_damaged_packs(own: Path, damage: Any, told: str) -> None:
    damage(own)
    with pytest.raises(DataError, match=told):
        Toy(packed=str(own))


def test_changed_rows_and_what_is_not_there(own: Path) -> None:
    data = Toy(numbers(200), packed=str(own))
    with pytest.raises(DataError, match=r"lacks 3 of 200 records: record 197, record 198, record 199"):
        data.cache.make_room(data.records("train"))
    (own / ROWS).write_text((own / ROWS).read_text().replace("record 7", "record x"))
    with pytest.raises(DataError, match=r"rows\.jsonl is damaged"):
        _ = Pack(own).rows


def test_pack_of_another_data_module(own: Path, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", size=(64, 64))
    with pytest.raises(DataError, match="made by Toy, but it is FolderSegmentationDataModule that reads it"):
        FolderSegmentationDataModule(str(root), packed=str(own))


def test_names_that_stand_in_two_splits(tmp_path: Path) -> None:
    class Twice(Toy):
        def load_records(self, split: Split) -> Sequence[Held]:
            return [Held("a", {"x": np.arange(3)})]

    with pytest.raises(DataError, match="Two records are named a"):
        write_pack(Twice(), tmp_path / "pack")


def test_records_that_do_not_fit_the_others(tmp_path: Path) -> None:
    content = numbers(4)
    content[2]["image"] = content[2]["image"][:, :6]
    with pytest.raises(DataError, match=r"record 2 has other arrays .* image is \('<u2', \(2, 6, 5\)\), not"):
        write_pack(Toy(content), tmp_path / "pack")
    content[2] = numbers(4)[2]  # mended, it goes on
    assert write_pack(Toy(content), tmp_path / "pack").before == 2
    with pytest.raises(DataError, match="Arrays of numbers can be packed"):
        write_pack(Toy([{"a": np.array(["text"])}]), tmp_path / "texts")
    with pytest.raises(DataError, match="nothing to pack"):
        write_pack(Toy(), tmp_path / "none")
