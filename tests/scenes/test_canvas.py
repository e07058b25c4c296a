import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hqzoo.data.tiling import Grid
from hqzoo.scenes.canvas import Canvas


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 90), st.sampled_from([0, 0.3, 0.5, 0.8]), st.integers(1, 100))
def test_equals_adding_everything_up_in_one_array(height: int, width: int, overlap: float, strip_width: int) -> None:
    rng = np.random.default_rng(height * 1000 + width)
    side, step, classes = 32, 24, 2
    grid = Grid.over(height, width, (side, side), overlap)
    predicted = {place: rng.random((classes, side, side), dtype=np.float32) for place in grid.places((0, width))}
    valid = rng.random((height, width)) < 0.8
    weights = rng.random((side, side), dtype=np.float32)
    skipped = {place for place in predicted if rng.random() < 0.2}

    expected = np.zeros((classes, max(height, side), max(width, side)), dtype=np.float32)
    seen = np.zeros((height, width), dtype=bool)
    for (row, column), values in predicted.items():
        if (row, column) not in skipped:
            expected[:, row : row + side, column : column + side] += values * weights
            seen[row : row + side, column : column + side] = True

    sums = np.full((classes, height, width), np.nan, dtype=np.float32)
    mask = np.zeros((height, width), dtype=bool)
    parts = []

    def write(row, column, blended, there) -> None:
        _, h, w = blended.shape
        parts.append((row, h))
        assert np.isnan(sums[:, row : row + h, column : column + w]).all()  # once
        sums[:, row : row + h, column : column + w] = blended
        mask[row : row + h, column : column + w] = there

    for strip in grid.strips(strip_width):
        canvas = Canvas(classes, height, strip, side, step, write)
        for row, column in grid.places(strip):
            if (row, column) not in skipped:
                there = valid[row : row + side, column : column + side]
                canvas.add(row, column, predicted[row, column], weights, there)
        canvas.finish()

    np.testing.assert_allclose(sums, expected[:, :height, :width], atol=1e-6)
    np.testing.assert_array_equal(mask, valid & seen)
    assert all(row % step == 0 and (h == step or row + h == height) for row, h in parts)
