"""Crops and grids: determinism, fair shares, borders, and each pixel exactly once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hqzoo.data import IGNORE_INDEX, ArrayRecord, ColourJitter, Sensor
from hqzoo.data.cache import RecordCache
from hqzoo.data.windows import CropDataset, GridDataset, as_size, read_padded
from hqzoo.errors import ConfigError

RGB = Sensor(("red", "green", "blue"))


def record(height: int, width: int, seed: int = 0, name: str = "a") -> ArrayRecord:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (3, height, width), dtype=np.uint8)
    return ArrayRecord(name, image, rng.integers(0, 5, (height, width), dtype=np.uint8))


def crops(
    records: list[ArrayRecord],
    size: int | tuple[int, int],
    length: int,
    jitter: ColourJitter | None = None,
    seed: int = 0,
) -> CropDataset:
    return CropDataset(records, RecordCache(1 << 30), RGB, as_size("size", size), length, jitter, seed)


@settings(max_examples=60)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    row=st.integers(0, 29),
    col=st.integers(0, 29),
)
def test_borders_equal_numpys_reflection(height: int, width: int, size: tuple[int, int], row: int, col: int) -> None:
    row, col = min(row, height - 1), min(col, width - 1)
    source = record(height, width)
    image, mask = read_padded(RecordCache(0), source, row, col, size)
    padding = ((0, 0), (0, max(0, row + size[0] - height)), (0, max(0, col + size[1] - width)))
    whole = np.pad(source.image, padding, mode="reflect")
    assert np.array_equal(image, whole[:, row : row + size[0], col : col + size[1]])
    assert source.mask is not None
    truth = np.pad(source.mask, padding[1:], constant_values=IGNORE_INDEX)
    assert np.array_equal(mask, truth[row : row + size[0], col : col + size[1]])


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
    size=st.tuples(st.integers(3, 20), st.integers(3, 20)),
)
def test_grid_counts_every_pixel_once(sizes: list[tuple[int, int]], size: tuple[int, int]) -> None:
    records = [record(*shape, seed=i, name=f"r{i}") for i, shape in enumerate(sizes)]
    grid = GridDataset(records, RecordCache(1 << 20), size)
    counted = {r.name: np.zeros((r.height, r.width), int) for r in records}
    for index in range(len(grid)):
        window = grid[index]
        truth = next(r for r in records if r.name == window["scene"])
        assert window["image"].shape == (3, *size)
        assert (window["row"] % size[0], window["col"] % size[1]) == (0, 0)
        assert (window["height"], window["width"]) == (truth.height, truth.width)
        rows, cols = np.nonzero(window["mask"].numpy() != IGNORE_INDEX)
        counted[truth.name][rows + window["row"], cols + window["col"]] += 1
        assert truth.mask is not None
        assert np.array_equal(
            window["mask"].numpy()[rows, cols], truth.mask[rows + window["row"], cols + window["col"]]
        )
        assert np.array_equal(
            window["image"].numpy()[:, rows, cols], truth.image[:, rows + window["row"], cols + window["col"]]
        )
    assert all((count == 1).all() for count in counted.values())
    repeated = grid[-1]
    assert (repeated["mask"] == IGNORE_INDEX).all()
    assert (repeated["image"] == grid[0]["image"]).all()


def test_a_sample_follows_from_seed_epoch_and_index_alone() -> None:
    records = [record(50, 60, i, f"r{i}") for i in range(3)]
    first, second = crops(records, 16, 20, ColourJitter()), crops(records, 16, 20, ColourJitter())
    for key in [(0, 0), (3, 7), (3, 8), (0, 19)]:
        expected = first[key]
        second[(9, 9)]  # whatever was drawn before
        assert (second[key]["image"] == expected["image"]).all()
        assert (second[key]["mask"] == expected["mask"]).all()
    sums = {float(first[(epoch, index)]["image"].sum()) for epoch in range(3) for index in range(20)}
    assert len(sums) == 60
    assert not (crops(records, 16, 20, ColourJitter(), seed=1)[0]["image"] == first[0]["image"]).all()
    assert (first[5]["image"] == first[(0, 5)]["image"]).all()


def test_crops_do_not_touch_the_cached_image() -> None:
    source = record(16, 16)
    before = source.image.copy()
    dataset = crops([source], 16, 4, ColourJitter(probability=1.0))
    for index in range(4):
        dataset[index]["image"].zero_()
        dataset[index]["mask"].zero_()
    assert np.array_equal(source.image, before)


def test_image_and_mask_stay_together() -> None:
    mask = np.random.default_rng(0).integers(0, 5, (40, 40), dtype=np.uint8)
    dataset = crops(
        [ArrayRecord("a", np.repeat(mask[None] * 50, 3, axis=0), mask)], 16, 50, ColourJitter(probability=0.0)
    )
    for index in range(50):
        sample = dataset[(0, index)]
        assert (sample["image"] == 50 * sample["mask"]).all()


def test_rectangular_crops_take_each_symmetry_that_keeps_their_shape() -> None:
    mask = np.arange(15, dtype=np.uint8).reshape(3, 5)
    record = ArrayRecord("a", np.repeat(mask[None], 3, axis=0), mask)
    dataset = crops([record], (3, 5), 1, ColourJitter(probability=0.0))
    samples = [dataset[(epoch, 0)] for epoch in range(200)]
    assert all((sample["image"] == sample["mask"]).all() for sample in samples)
    found = [sample["mask"].numpy().tobytes() for sample in samples]
    expected = {mask[::down, ::right].astype(np.int64).tobytes() for down in (1, -1) for right in (1, -1)}
    assert set(found) == expected
    assert min(map(found.count, expected)) > 25  # 50 each, 4 sigma = 24


def test_rectangular_crops_reach_every_offset() -> None:
    image = np.arange(30, dtype=np.uint8).reshape(1, 5, 6).repeat(3, 0)
    dataset = crops([ArrayRecord("a", image, np.zeros((5, 6), np.uint8))], (4, 2), 1)
    corners = set()
    for epoch in range(200):
        crop = dataset[(epoch, 0)]["image"]
        assert crop.shape == (3, 4, 2)
        row, col = divmod(int(crop[0, 0, 0]), 6)
        assert np.array_equal(crop.numpy(), image[:, row : row + 4, col : col + 2])
        corners.add((row, col))
    assert corners == {(row, col) for row in range(2) for col in range(5)}


@pytest.mark.parametrize("size", [0, (4, 0), (4,), (4, 4, 4)])
def test_sizes_that_are_none(size: object) -> None:
    with pytest.raises(ConfigError, match="`side` must be at least 1"):
        as_size("side", size)  # type: ignore[arg-type]


def test_images_give_crops_by_area() -> None:
    areas = {"small": (20, 20), "large": (60, 80)}
    records = [
        ArrayRecord(name, np.full((3, *shape), number, np.uint8), np.zeros(shape, np.uint8))
        for number, (name, shape) in enumerate(areas.items())
    ]
    dataset = crops(records, 10, 520)
    found = [int(dataset[(4, index)]["image"][0, 0, 0]) for index in range(520)]
    assert abs(found.count(0) - 520 * 400 / 5200) <= 1  # shares of every epoch are exact, not random


def test_equal_images_give_one_crop_each() -> None:
    records = [ArrayRecord(str(n), np.full((3, 32, 32), n, np.uint8), np.zeros((32, 32), np.uint8)) for n in range(9)]
    dataset = crops(records, 16, 9)
    assert [int(dataset[(2, index)]["image"][0, 0, 0]) for index in range(9)] == list(range(9))


def test_every_offset_is_drawn_alike() -> None:
    image = np.arange(5, dtype=np.uint8)[None, :, None].repeat(3, 0).repeat(3, 2)
    dataset = crops([ArrayRecord("a", image, np.zeros((5, 3), np.uint8))], 3, 1)
    rows = [int(dataset[(epoch, 0)]["image"][0, 0, 0]) for epoch in range(900)]
    assert set(rows) == {0, 1, 2}
    assert min(rows.count(row) for row in range(3)) > 240  # 300 each, 4 sigma = 57


def test_zoomed_crops_show_the_image_larger_or_smaller() -> None:
    """A ramp of one grey a pixel tells by its slope how much a crop was magnified."""
    ramp = np.broadcast_to(np.arange(200, dtype=np.float32), (3, 200, 200)).copy()
    source = ArrayRecord("ramp", ramp, np.zeros((200, 200), np.uint8))
    bounds, size = (0.5, 2.0), 32
    data = CropDataset([source], RecordCache(0), RGB, (size, size), 60, ColourJitter(probability=0), 0, bounds)
    slopes = []
    for index in range(60):
        image = data[0, index]["image"]
        assert image.shape == (3, size, size)
        middle = image[0, 8:-8, 8:-8]  # borders are those of the resizing filter
        slopes.append(float(max(middle.diff(dim=0).abs().mean(), middle.diff(dim=1).abs().mean())))
    zooms = 1 / np.array(slopes)
    assert zooms.min() > 0.45
    assert zooms.max() < 2.1
    assert np.mean(zooms < 1) == pytest.approx(0.5, abs=0.2)  # of the logarithm, 1 is the middle
    again = CropDataset([source], RecordCache(0), RGB, (size, size), 60, ColourJitter(probability=0), 0, bounds)
    assert np.array_equal(data[3, 7]["image"], again[3, 7]["image"])


def test_weights_say_which_images_crops_come_from() -> None:
    records = [record(40, 40, 0, "large"), record(10, 10, 1, "small")]
    data = CropDataset(records, RecordCache(1 << 20), RGB, (8, 8), 40, None, 0, weights=[1.0, 3.0])
    names = [data[0, index]["name"] for index in range(40)]
    assert names.count("small") == 30
