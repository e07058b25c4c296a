"""Colour jitter against an independent implementation; symmetries against their group."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from hqzoo.data import ColourJitter, Sensor
from hqzoo.data.augment import dihedral, jitter_colours
from hqzoo.errors import ConfigError

RGB = Sensor(("red", "green", "blue"))


class Fixed:
    """A generator that draws given numbers: a probability of 0, then four numbers in [-1, 1]."""

    def __init__(self, *draws: float) -> None:
        self.draws = np.array(draws)

    def random(self) -> float:
        return 0.0

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        assert (low, high, size) == (-1.0, 1.0, 4)
        return self.draws


def image(seed: int = 0, low: int = 60, high: int = 190) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (3, 16, 16)).astype(np.float32)


def change(picture: np.ndarray, sensor: Sensor, *draws: float) -> np.ndarray:
    strongest = ColourJitter(1.0, 1.0, 1.0, 0.5)
    return jitter_colours(picture.copy(), sensor, strongest, Fixed(*draws))  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [-0.2, 0.15])
def test_each_change_equals_torchvision(amount: float) -> None:
    picture = image()
    unit = torch.from_numpy(picture / 255)
    expected = {
        (amount, 0, 0, 0): tv.adjust_brightness(unit, 1 + amount),
        (0, amount, 0, 0): tv.adjust_contrast(unit, 1 + amount),
        (0, 0, amount, 0): tv.adjust_saturation(unit, 1 + amount),
    }
    for draws, reference in expected.items():
        # torchvision rounds the luma weights 0.2989, 0.587, 0.114 (sum 0.9999)
        np.testing.assert_allclose(change(picture, RGB, *draws) / 255, reference.numpy(), atol=2e-4)


def test_order_is_saturation_brightness_contrast_as_composed() -> None:
    picture = image(1)
    unit = torch.from_numpy(picture / 255)
    reference = tv.adjust_contrast(tv.adjust_brightness(tv.adjust_saturation(unit, 1.1), 0.9), 1.1)
    np.testing.assert_allclose(change(picture, RGB, -0.1, 0.1, 0.1, 0) / 255, reference.numpy(), atol=3e-4)


def test_hue_turns_pure_colours_like_a_colour_wheel_and_keeps_luma_and_greys() -> None:
    grey = np.full((3, 4, 4), 97, np.float32)
    np.testing.assert_allclose(change(grey, RGB, 0, 0, 0, 0.3), grey, atol=1e-3)
    picture = image(2, 110, 140)
    turned = change(picture, RGB, 0, 0, 0, 0.1)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(np.einsum("c,chw", luma, turned), np.einsum("c,chw", luma, picture), atol=1e-2)
    # The hue of HSV moves by 0.05 of a turn, up to the difference between its hexagon and a circle.
    before = [colorsys.rgb_to_hsv(*pixel)[0] for pixel in picture.reshape(3, -1).T]
    after = [colorsys.rgb_to_hsv(*pixel)[0] for pixel in turned.reshape(3, -1).T]
    moved = (np.array(after) - np.array(before) + 0.5) % 1 - 0.5
    assert 0.04 < np.median(moved) < 0.06
    assert np.quantile(moved, 0.02) > 0.02


def test_order_of_bands_does_not_matter() -> None:
    picture = image(3)
    straight = change(picture, RGB, 0.1, 0.1, 0.2, 0.1)
    swapped = change(picture[::-1], Sensor(("blue", "green", "red")), 0.1, 0.1, 0.2, 0.1)
    np.testing.assert_allclose(swapped[::-1], straight, atol=1e-3)


def test_other_sensors() -> None:
    picture = np.random.default_rng(4).uniform(500, 9000, (12, 8, 8)).astype(np.float32)
    reflectance = Sensor(tuple(f"B{band}" for band in range(12)), "reflectance x 1e4", 10_000.0)
    changed = change(picture, reflectance, 0.1, 0.0, 0.9, 0.4)  # neither saturation nor hue
    np.testing.assert_allclose(changed, np.clip(picture * 1.1, 0, 10_000), rtol=1e-5)
    decibels = Sensor(("VV", "VH"), "dB", 30.0)
    radar = -picture[:2] / 500
    assert np.array_equal(change(radar, decibels, 0.5, 0.5, 0.5, 0.5), radar)


def test_stays_in_range_and_probability() -> None:
    picture = image(5, 0, 256)
    rng = np.random.default_rng(0)
    jitter = ColourJitter(0.5, 0.5, 0.5, 0.2, probability=0.3)
    changed = 0
    for _ in range(400):
        result = jitter_colours(picture.copy(), RGB, jitter, rng)
        assert result.min() >= 0
        assert result.max() <= 255
        changed += not np.array_equal(result, picture)
    assert 90 < changed < 150  # 0.3 of 400 with 3 sigma


def test_dihedral_is_the_symmetry_group_of_the_square() -> None:
    mask = np.arange(9, dtype=np.uint8).reshape(3, 3)
    picture = np.stack([mask, mask + 10])
    seen = set()
    for element in range(8):
        turned, truth = dihedral(picture, mask, element)
        assert np.array_equal(turned[0], truth)  # image and mask move together
        assert np.array_equal(turned[1], truth + 10)
        seen.add(truth.tobytes())
    group = {np.rot90(flip, turns).tobytes() for flip in (mask, mask.T) for turns in range(4)}
    assert seen == group


@pytest.mark.parametrize("arguments", [{"brightness": -0.1}, {"hue": 0.6}, {"probability": 1.1}])
def test_bad_jitter(arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        ColourJitter(**arguments)
