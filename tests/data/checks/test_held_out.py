"""Which pairs another data set's partition holds out: by names of v1 and v2, by numbers, and what cannot be known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hqzoo.data import ArrayRecord, BigEarthNetV1DataModule, BigEarthNetV2DataModule
from hqzoo.data.checks.held_out import V1_LISTS, overlap, read_held_out
from hqzoo.errors import DataError
from tests.fixtures.bigearthnet import s2_name, v1_name, write_v1, write_v2


def partition(folder: Path, **parts: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "default_partition.json").write_text(json.dumps(parts))
    return folder


class Named(ArrayRecord):
    def __init__(self, name: str, *aliases: str) -> None:
        super().__init__(name, np.zeros((1, 2, 2)))
        self._aliases = aliases

    @property
    def aliases(self) -> tuple[str, ...]:
        return self._aliases


def test_names_and_aliases(tmp_path: Path) -> None:
    held = read_held_out(partition(tmp_path, train=[v1_name(4)], valid=[v1_name(0)], test=[s2_name(1)]))
    found = overlap([Named(s2_name(0), v1_name(0)), Named(s2_name(1), v1_name(1)), Named(s2_name(4), v1_name(4))], held)
    assert found.known == {s2_name(0): "validation", s2_name(1): "test"}
    assert not found.unknown


def test_what_cannot_be_known(tmp_path: Path) -> None:
    """Without its name in v1, a patch is cleared by satellite and day alone."""
    held = read_held_out(partition(tmp_path, valid=["S2A_MSIL2A_20170613T101031_9_9"], test=[]))
    found = overlap([Named(s2_name(0)), Named(s2_name(1)), Named(v1_name(2)), Named("number_7")], held)
    assert not found.known
    assert {name: "s2v1_name" in reason for name, reason in found.unknown.items()} == {
        s2_name(0): True,  # of the same day
        "number_7": False,
    }


def test_numbers_are_lines_of_the_lists(tmp_path: Path) -> None:
    """GEO-Bench's converter counts through training, validation and test."""
    folder = partition(tmp_path / "m-bigearthnet", train=["id_0000"], valid=["id_0002"], test=["id_0004"])
    assert read_held_out(folder).unnamed == 2
    lists = tmp_path / "lists"
    lists.mkdir()
    for file, numbers in zip(V1_LISTS, ((0, 1), (2, 3), (4,)), strict=True):
        (lists / file).write_text("".join(f"{v1_name(number)},radar_{number}\n" for number in numbers))
    held = read_held_out(folder, lists)
    assert held.parts == {v1_name(2): "validation", v1_name(4): "test"}
    other = partition(tmp_path / "m-eurosat", valid=["id_0002"], test=["id_0004"])
    assert read_held_out(other, lists).unnamed == 2  # its numbers are other images
    assert read_held_out(partition(lists, test=["id_0001"])).parts == {v1_name(1): "test"}
    partition(folder, valid=["id_0005"])
    with pytest.raises(DataError, match="id_5, but v1's lists name 5 patches"):
        read_held_out(folder, lists)


@pytest.mark.parametrize("content", ["{", "[]", '{"train": ["a"]}', '{"valid": 3}'])
def test_no_partition(tmp_path: Path, content: str) -> None:
    file = tmp_path / "p.json"
    with pytest.raises(DataError, match="no partition"):
        read_held_out(file)
    file.write_text(content)
    with pytest.raises(DataError, match=r"p\.json"):
        read_held_out(file)


def names(data: Any, split: str) -> list[str]:
    return [record.name for record in data.records(split)]


def test_v2_drops_what_is_held_out(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set")
    folder = partition(tmp_path / "bench", train=[v1_name(0)], valid=[v1_name(1)], test=[v1_name(3)])
    data = BigEarthNetV2DataModule(str(root), drop_from=str(folder))
    assert names(data, "train") == [s2_name(0), s2_name(2)]
    assert names(data, "val") == [s2_name(4)]
    assert data.dropped == {s2_name(1): "validation", s2_name(3): "test"}
    numbered = partition(tmp_path / "m-bigearthnet", valid=["id_0000"], test=["id_0001"])
    with pytest.raises(DataError, match=r"cannot drop anything.*7 of 7.*bigearthnet-train\.csv"):
        names(BigEarthNetV2DataModule(str(root), drop_from=str(numbered)), "train")
    for file, number in zip(V1_LISTS, (2, 5, 6), strict=True):
        (root / file).write_text(f"{v1_name(number)},radar\n")
    data = BigEarthNetV2DataModule(str(root), drop_from=str(numbered))
    assert names(data, "train") == [s2_name(0), s2_name(1)]
    assert names(data, "test") == [s2_name(6)]


def test_v2_without_names_of_v1(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set", v1=False)
    folder = partition(tmp_path / "bench", valid=[v1_name(1)], test=[])
    data = BigEarthNetV2DataModule(str(root), drop_from=str(folder))
    with pytest.warns(UserWarning, match=r"Of 3 of 7 pairs it is unknown .*They are kept"):
        assert names(data, "train") == [s2_name(n) for n in (0, 1, 2)]


def test_v1_drops_by_its_own_names(tmp_path: Path) -> None:
    root = write_v1(tmp_path / "set")
    folder = partition(tmp_path / "m-bigearthnet", valid=["id_0001"], test=["id_0002"])  # the lists lie in the root
    data = BigEarthNetV1DataModule(str(root), drop_from=str(folder))
    assert names(data, "train") == [v1_name(0)]
    assert names(data, "val") == []
