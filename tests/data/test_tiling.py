from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqzoo.data.tiling import Axis, Grid

axes = st.builds(
    Axis,
    size=st.integers(1, 700),
    window=st.integers(1, 130),
    overlap=st.floats(0, 0.95),
)


@given(axes)
def test_windows_stay_inside_and_overlap_enough(axis: Axis) -> None:
    offsets = axis.offsets
    assert offsets[0] == 0
    if axis.size >= axis.window:
        assert offsets[-1] == axis.size - axis.window
    else:
        assert offsets == (0,)
    steps = np.diff(offsets)
    assert (steps > 0).all()
    assert (steps <= max(1, round(axis.window * (1 - axis.overlap)))).all()


@given(axes)
def test_weights_are_positive_and_sum_to_one(axis: Axis) -> None:
    total = np.zeros(max(axis.size, axis.window))
    for offset in axis.offsets:
        weights = axis.weights(offset)
        assert weights.shape == (axis.window,)
        assert (weights > 0).all()
        total[offset : offset + axis.window] += weights
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_half_overlap_is_the_hann_window_and_no_overlap_a_box() -> None:
    axis = Axis(size=4 * 64, window=64, overlap=0.5)
    assert axis.offsets == (0, 32, 64, 96, 128, 160, 192)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(64) + 0.5) / 64)  # already a partition of unity
    np.testing.assert_allclose(axis.weights(64), hann, atol=1e-6)
    assert (Axis(size=256, window=64, overlap=0).weights(64) == 1).all()


def test_number_of_windows_is_the_least_possible() -> None:
    # 1000 pixels, window 128, stride at most 64: ceil(872 / 64) + 1.
    assert len(Axis(1000, 128, 0.5).offsets) == 15
    assert len(Axis(128, 128, 0.5).offsets) == 1
    assert Axis(129, 128, 0.5).offsets == (0, 1)


@given(st.integers(1, 400), st.integers(1, 64), st.integers(1, 200), st.floats(0, 0.8))
def test_strips_cover_the_scene_once_and_see_all_their_windows(
    width: int, window: int, strip_width: int, overlap: float
) -> None:
    grid = Grid.over(50, width, (20, window), overlap)
    strips = grid.strips(strip_width)
    assert strips[0][0] == 0
    assert strips[-1][1] == width
    assert all(a[1] == b[0] for a, b in pairwise(strips))
    for left, right in strips:
        expected = [c for c in grid.columns.offsets if set(range(c, c + window)) & set(range(left, right))]
        places = grid.places((left, right))
        assert places == [(row, column) for row in grid.rows.offsets for column in expected]
        first, last = grid.reach((left, right))
        assert first == expected[0]
        assert last == min(expected[-1] + window, width)
        assert first <= left
        assert last >= right


def test_weights_of_a_window_are_the_product_of_its_axes() -> None:
    grid = Grid.over(200, 300, (64, 48), 0.4)
    weights = grid.weights(grid.rows.offsets[1], grid.columns.offsets[2])
    rows, columns = grid.rows.weights(grid.rows.offsets[1]), grid.columns.weights(grid.columns.offsets[2])
    assert weights[10, 20] == pytest.approx(rows[10] * columns[20])
    assert weights.dtype == np.float32
