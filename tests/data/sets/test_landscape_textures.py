import math

import numpy as np
import pytest
from scipy import ndimage

from hqzoo.data.sets.landscape_textures import (
    Dice,
    blur,
    coverage,
    crowns,
    fractal_noise,
    shadows,
    shift,
    smooth_noise,
    stripes,
)


def test_dice_repeat_themselves():
    first, second = Dice(5), Dice(5)
    assert [first.uniform() for _ in range(3)] == [second.uniform() for _ in range(3)]
    assert Dice(5).uniform() != Dice(6).uniform()


def test_dice_reach_every_number_and_heading():
    dice = Dice(0)
    assert {dice.count(2, 4) for _ in range(100)} == {2, 3, 4}
    assert {dice.pick("abc") for _ in range(100)} == set("abc")
    headings = [dice.direction() for _ in range(400)]
    assert all(math.isclose(c * c + s * s, 1.0) for c, s in headings)
    octants = {int((math.atan2(s, c) + math.pi) / (math.pi / 4)) for c, s in headings}
    assert octants == set(range(8))


@pytest.mark.parametrize("size", [(16, 16), (40, 70)])
def test_noise_stays_in_range_and_is_smooth(size):
    noise = smooth_noise(Dice(1), size, 10.0)
    assert noise.shape == size
    assert 0.0 <= noise.min() < noise.max() < 1.0
    # Smoothstep is at most 1.5 times as steep as a straight line between grid points.
    assert np.abs(np.diff(noise, axis=0)).max() <= 0.15
    assert np.abs(np.diff(noise, axis=1)).max() <= 0.15
    fractal = fractal_noise(Dice(1), size, 10.0, 3)
    assert -1.0 < fractal.min() < 0.0 < fractal.max() < 1.0


def test_noise_takes_the_grid_values_at_grid_points():
    grid = Dice(2).field(6, 7)  # the first numbers that smooth_noise draws
    noise = smooth_noise(Dice(2), (40, 50), 10.0)
    np.testing.assert_allclose(noise[::10, ::10], grid[:4, :5])


def test_stripes_and_coverage():
    np.testing.assert_allclose(stripes(np.array([-1.0, 0.0, 0.25, 0.5, 0.75, 7.5])), [1, 1, 0, -1, 0, -1])
    np.testing.assert_allclose(coverage(np.array([-3.0, -0.25, 0.0, 0.4, 2.0])), [1, 0.75, 0.5, 0.1, 0])


def test_blur_is_the_binomial_filter():
    image = np.random.default_rng(0).random((2, 9, 13))
    kernel = np.array([1, 2, 1]) / 4
    expected = [ndimage.convolve(band, np.outer(kernel, kernel), mode="nearest") for band in image]
    np.testing.assert_allclose(blur(image), expected)


def test_shift_looks_away_from_the_pixel():
    image = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(shift(image, 1, -1)[:2, 1:], image[1:, :3])
    np.testing.assert_array_equal(shift(image, 9, 0), np.tile(image[2], (3, 1)))


def test_tower_throws_a_shadow_as_long_as_the_sun_is_low():
    height = np.zeros((1, 30))
    height[0, 20] = 6.0
    hidden = shadows(height, sun=(1.0, 0.0), slope=0.5)  # the sun stands in the east
    # 6 pixels high at a slope of 1/2: 12 pixels long, the last of which the light just reaches.
    assert np.flatnonzero(hidden[0]).tolist() == list(range(9, 20))
    assert not shadows(np.zeros((4, 4)), (1.0, 0.0), 0.5).any()


def test_crowns_are_the_highest_domes_of_all_trees():
    """Against a search over all trees, where the code looks at nine cells only."""
    cell, sun = 8.0, (0.6, 0.8)
    grows = np.zeros((40, 48), dtype=bool)
    grows[:, :30] = True
    found = crowns(Dice(4), grows, cell, sun)
    dice, rows, columns = Dice(4), 8, 9
    y0 = (np.arange(rows)[:, None] - 1 + dice.field(rows, columns)) * cell
    x0 = (np.arange(columns) - 1 + dice.field(rows, columns)) * cell
    radius = cell * (0.5 + 0.35 * dice.field(rows, columns))
    best = np.full(grows.shape, -9.0)
    for cy, cx, r in zip(y0.ravel(), x0.ravel(), radius.ravel(), strict=True):
        if grows[int(np.clip(cy, 0, 39)), int(np.clip(cx, 0, 47))]:
            y, x = np.mgrid[:40, :48]
            best = np.maximum(best, 1 - ((y - cy) ** 2 + (x - cx) ** 2) / r**2)
    np.testing.assert_allclose(np.maximum(found.dome, 0), np.maximum(best, 0), atol=1e-12)
    assert found.trees == 72
    assert found.tree.max() < 72
    under = found.dome > 0
    assert 0.2 < under[:, :30].mean() < 1.0
    # On a dome, the share of the radius towards the sun is at most the distance from the middle.
    assert (found.lean[under] ** 2 <= 1 - found.dome[under] + 1e-12).all()
