"""Class maps against a pixel-by-pixel loop, and their complaints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqzoo.data import IGNORE_INDEX, ClassMap
from hqzoo.data.labels import colour_value, default_palette
from hqzoo.errors import ConfigError, DataError


@given(
    values=st.lists(st.integers(0, 300), min_size=2, max_size=12, unique=True),
    dtype=st.sampled_from([np.uint8, np.uint16, np.int16, np.int32, np.uint32, np.int64]),
    seed=st.integers(0, 1000),
)
def test_encode_equals_a_loop(values: list[int], dtype: type[np.integer], seed: int) -> None:
    values = [value for value in values if value <= np.iinfo(dtype).max]
    if len(values) < 2:
        values = [0, 1]
    classes, ignored = values[:-1], values[-1]
    class_map = ClassMap(tuple(f"c{value}" for value in classes), tuple(classes), ignore=(ignored,))
    raw = np.random.default_rng(seed).choice(values, (5, 7)).astype(dtype)
    expected = [[IGNORE_INDEX if v == ignored else classes.index(v) for v in row] for row in raw.tolist()]
    encoded = class_map.encode(raw, "mask.png")
    assert encoded.dtype == np.uint8
    assert encoded.tolist() == expected


@pytest.mark.parametrize("values", [(-9999, 4), (70_000, 2_000_000_000)])
def test_codes_beyond_any_table(values: tuple[int, int]) -> None:
    class_map = ClassMap(("a", "b"), values)
    assert class_map.encode(np.array([[values[1], values[0]]]), "mask.tif").tolist() == [[1, 0]]
    with pytest.raises(DataError, match=r"mask\.tif holds values 5 \(1 pixels\)"):
        class_map.encode(np.array([[values[1], 5]]), "mask.tif")


def test_colours() -> None:
    class_map = ClassMap(("roof", "water"), (1, 2), ignore=(0,), colours={0: (0, 0, 0), 1: (200, 0, 0), 2: (0, 0, 255)})
    raw = np.array([[[0, 0, 255], [200, 0, 0], [0, 0, 0]]], np.uint8)
    assert class_map.encode(raw, "mask.png").tolist() == [[1, 0, IGNORE_INDEX]]
    with pytest.raises(DataError, match=r"colours \(9, 8, 7\) \(2 pixels\)"):
        class_map.encode(np.array([[[9, 8, 7], [9, 8, 7]]], np.uint8), "mask.png")


def test_unknown_value_names_file_values_and_remedy() -> None:
    with pytest.raises(DataError) as error:
        ClassMap(("a", "b")).encode(np.array([[0, 7, 9]], np.uint8), "folder/x.png")
    for part in ("folder/x.png", "7, 9", "2 pixels", "0 a, 1 b", "`ignore`"):
        assert part in str(error.value)


def test_booleans_are_two_classes() -> None:
    assert ClassMap(("no", "yes")).encode(np.array([[True, False]]), "m").tolist() == [[1, 0]]


@pytest.mark.parametrize("mask", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint8)])
def test_arrays_that_are_no_masks(mask: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"mask\.tif"):
        ClassMap(("a",)).encode(mask, "mask.tif")


@pytest.mark.parametrize(
    "arguments",
    [
        {"names": ()},
        {"names": ("a", "a")},
        {"names": ("a", "b"), "values": (1, 1)},
        {"names": ("a", "b"), "values": (1,)},
        {"names": ("a",), "palette": ((1, 2),)},
        {"names": ("a",), "palette": ((1, 2, 256),)},
        {"names": ("a", "b"), "ignore": (1,)},
        {"names": tuple(map(str, range(255)))},
    ],
)
def test_bad_class_maps(arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ClassMap(**arguments)  # type: ignore[arg-type]


def test_default_colours_are_distinct() -> None:
    assert len(set(default_palette(33))) == 33
    assert colour_value((1, 2, 3)) == 0x010203
