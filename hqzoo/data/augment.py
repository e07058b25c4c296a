"""Augmentation of training crops, drawn from each sample's own random generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.data.records import Image, Mask
from hqzoo.data.sensor import Sensor
from hqzoo.errors import ConfigError

__all__ = ["ColourJitter", "dihedral", "draw_symmetry", "jitter_colours"]

_LUMA = {"red": 0.299, "green": 0.587, "blue": 0.114}  # ITU-R BT.601, as torchvision's grey

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ColourJitter:
    """Strength of the random colour changes.

    CHOICE: the papers state none; these are TorchGeo's for LandCover.ai, plus a slight turn of the hue.
    All four are linear maps of the colour, applied as one matrix: brightness scales, contrast scales about
    the crop's mean grey, saturation scales about each pixel's grey, hue turns about the grey axis. Bands
    other than exactly red, green and blue get brightness and contrast only; decibels get none, for scaling a
    logarithm means nothing.

    Args:
        brightness: Factor from ``[1 - brightness, 1 + brightness]``.
        contrast: Likewise.
        saturation: Likewise.
        hue: Turn of the colour wheel from ``[-hue, hue]``; 0.5 is the opposite colour.
        probability: Share of the samples that are changed at all.

    Raises:
        ConfigError: If a value is out of range.
    """

    brightness: float = 0.1
    contrast: float = 0.1
    saturation: float = 0.1
    hue: float = 0.05
    probability: float = 0.5

    def __post_init__(self) -> None:
        limits = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5, "probability": 1.0}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ConfigError(f"Colour jitter `{name}` lies in [0, {limit:g}], got {getattr(self, name)}.")


def draw_symmetry(size: tuple[int, int], rng: np.random.Generator) -> int:
    """Draw a symmetry that keeps the shape of a crop: one of eight for a square, of four for other rectangles.

    Args:
        size: Height and width of the crop.
        rng: The sample's own generator.

    Returns:
        An ``element`` for :func:`dihedral`; without transposition if the crop is no square.
    """
    return int(rng.integers(8)) if size[0] == size[1] else 2 * int(rng.integers(4))


def dihedral(image: Image, mask: Mask, element: int) -> tuple[Image, Mask]:
    """Apply one of the eight symmetries of the square, as views.

    Drawing ``element`` uniformly equals flips with probability 0.5 each followed by a random quarter turn.

    Args:
        image: Image ``(C, H, W)``.
        mask: Its mask ``(H, W)``.
        element: 0..7; bit 0 transposes (height and width change places), bit 1 flips rows, bit 2 flips columns.
    """
    if element & 1:
        image, mask = image.swapaxes(-1, -2), mask.swapaxes(-1, -2)
    if element & 2:
        image, mask = image[..., ::-1, :], mask[..., ::-1, :]
    if element & 4:
        image, mask = image[..., ::-1], mask[..., ::-1]
    return image, mask


def jitter_colours(image: Floats, sensor: Sensor, jitter: ColourJitter, rng: np.random.Generator) -> Floats:
    """Change brightness, contrast, saturation and hue of an image at random.

    Args:
        image: Image ``(C, H, W)`` in the sensor's unit; may be overwritten.
        sensor: Its bands, unit and scale.
        jitter: How strongly.
        rng: The sample's own generator.

    Returns:
        Image ``(C, H, W)`` within the range of the crop and of the sensor.
    """
    if sensor.unit == "dB" or rng.random() >= jitter.probability:
        return image
    brightness, contrast, saturation, hue = rng.uniform(-1.0, 1.0, 4) * (
        jitter.brightness,
        jitter.contrast,
        jitter.saturation,
        jitter.hue,
    )
    pixels = image.reshape(len(image), -1)
    lowest, highest = min(0.0, float(pixels.min())), max(sensor.scale, float(pixels.max()))
    grey = _grey_weights(sensor)
    matrix = np.eye(len(sensor))
    if set(sensor.bands) == set(_LUMA):
        matrix = _saturation_and_hue(sensor, grey, 1 + saturation, hue)
    matrix = matrix * ((1 + brightness) * (1 + contrast))
    # Contrast pulls towards the mean grey after brightness; saturation and hue keep that mean.
    offset = -contrast * (1 + brightness) * float(grey @ pixels.mean(axis=1, dtype=np.float32))
    out = matrix.astype(np.float32) @ pixels
    out += np.float32(offset)
    changed: Floats = out.clip(lowest, highest).reshape(image.shape)
    return changed


def _grey_weights(sensor: Sensor) -> npt.NDArray[Any]:
    if set(sensor.bands) == set(_LUMA):
        return np.array([_LUMA[band] for band in sensor.bands])
    return np.full(len(sensor), 1 / len(sensor))


def _saturation_and_hue(sensor: Sensor, grey: npt.NDArray[Any], saturation: float, hue: float) -> npt.NDArray[Any]:
    """Matrix (3, 3) that turns and stretches colours about the grey axis and keeps each pixel's grey."""
    order = [sensor.bands.index(band) for band in ("red", "green", "blue")]
    angle = 2 * math.pi * hue
    cos, sin = math.cos(angle), math.sin(angle) / math.sqrt(3)
    turn = np.full((3, 3), (1 - cos) / 3) + cos * np.eye(3)  # Rodrigues about (1, 1, 1)
    turn += sin * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    matrix = np.empty((3, 3))
    matrix[np.ix_(order, order)] = turn
    projection = np.outer(np.ones(3), grey)
    # (I - 1 grey^T) restores the luma that the turn about the unweighted axis disturbs.
    result: npt.NDArray[Any] = projection + saturation * (np.eye(3) - projection) @ matrix @ (np.eye(3) - projection)
    return result
