"""Resized records against the definitions of both filters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hqzoo.data import ArrayRecord, Resized, Window
from hqzoo.data.resized import resize_image, resize_mask


def filter_matrix(old: int, new: int) -> np.ndarray:
    """Weights (new, old) of the triangle filter, as wide as the larger of both pixels."""
    step = old / new
    centres = (np.arange(new)[:, None] + 0.5) * step
    weights = (1 - np.abs(np.arange(old) + 0.5 - centres) / max(step, 1)).clip(0)
    return weights / weights.sum(axis=1, keepdims=True)


def interpolate(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The definition of bilinear interpolation that averages where it makes smaller."""
    rows, cols = (filter_matrix(old, new) for old, new in zip(image.shape[1:], size, strict=True))
    return rows @ image.astype(np.float64) @ cols.T


SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=40, deadline=None)
@given(source=SIZES, target=SIZES, seed=st.integers(0, 99))
def test_bands_follow_the_definition(source: tuple[int, int], target: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).uniform(-30, 9000, (2, *source)).astype(np.float32)
    np.testing.assert_allclose(resize_image(image, target), interpolate(image, target), rtol=1e-5, atol=0.01)


@settings(max_examples=40, deadline=None)
@given(source=SIZES, target=SIZES)
def test_masks_take_the_nearest_pixel(source: tuple[int, int], target: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).integers(0, 250, source, dtype=np.uint8)
    resized = resize_mask(mask, target)
    centres = [(np.arange(new) + 0.5) * old / new for old, new in zip(source, target, strict=True)]
    for row, down in enumerate(centres[0]):
        for col, right in enumerate(centres[1]):
            assert resized[row, col] == mask[int(down + 1e-9), int(right + 1e-9)]
    # Pillow rounds centres on a border of two pixels either way; elsewhere it must agree.
    inside = [np.abs(centre - np.rint(centre)) > 1e-9 for centre in centres]
    theirs = np.asarray(Image.fromarray(mask).resize(target[::-1], Image.Resampling.NEAREST))
    assert np.array_equal(resized[np.ix_(*inside)], theirs[np.ix_(*inside)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_the_kind_of_number_stays(dtype: str) -> None:
    image = np.random.default_rng(1).integers(0, 250, (3, 20, 30)).astype(dtype)
    small = resize_image(image, (7, 9))
    assert small.dtype == dtype
    # Rounded, not cut: once, but Pillow's 8-bit filter rounds after rows and after columns.
    bound = {"uint8": 1.0, "uint16": 0.501, "int16": 0.501}.get(dtype, 1e-4)
    assert np.abs(small - interpolate(image, (7, 9))).max() <= bound


def test_windows_are_parts_of_the_resized_image() -> None:
    rng = np.random.default_rng(2)
    source = ArrayRecord(
        "a", rng.integers(0, 255, (3, 31, 45), dtype=np.uint8), rng.integers(0, 4, (31, 45), dtype=np.uint8)
    )
    record = Resized(source, (20, 24))
    assert (record.name, record.height, record.width) == ("a", 20, 24)
    image, mask = record.read()
    assert mask is not None
    part, truth = record.read(Window(2, 3, 10, 11))
    assert np.array_equal(part, image[:, 2:12, 3:14])
    assert np.array_equal(truth, mask[2:12, 3:14])
    assert Resized(ArrayRecord("b", source.image), (5, 5)).read()[1] is None


def test_the_own_size_is_left_alone() -> None:
    image = np.random.default_rng(3).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    assert resize_image(image, (8, 9)) is image
