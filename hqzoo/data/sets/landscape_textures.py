"""Random numbers, noise and shapes for generated landscapes, the same bit for bit on every platform.

Only operations that IEEE 754 rounds exactly are used (sums, products, quotients, floors, comparisons, square
roots), element by element, and only uniform random numbers: neither ``sin`` nor ``exp``, whose last digit
depends on the machine, nor sums over an axis, whose order does. So a landscape can be pinned by a checksum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "Array",
    "Bool",
    "Crowns",
    "Dice",
    "Int",
    "blur",
    "coverage",
    "crowns",
    "fractal_noise",
    "shadows",
    "shift",
    "smooth_noise",
    "stripes",
]

Array = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]
T = TypeVar("T")


class Dice:
    """Random numbers from one seed, all derived from uniform doubles.

    Args:
        seed: Any non-negative integer.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def field(self, *shape: int) -> Array:
        """Return independent numbers in [0, 1) of the given shape."""
        return self._generator.random(shape)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return one number in [low, high)."""
        return low + (high - low) * self._generator.random()

    def count(self, low: int, high: int) -> int:
        """Return one integer of low, ..., high."""
        return int(self.uniform(low, high + 1))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.uniform() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.count(0, len(items) - 1)]

    def direction(self) -> tuple[float, float]:
        """Return a unit vector (cosine, sine) of any heading, by the rational circle instead of ``cos``."""
        t = self.uniform(-1.0, 1.0)
        sign = 1.0 if self.chance(0.5) else -1.0
        return sign * (1 - t * t) / (1 + t * t), sign * 2 * t / (1 + t * t)


def smooth_noise(dice: Dice, size: tuple[int, int], cell: float) -> Array:
    """Return value noise in [0, 1): random numbers on a grid, smoothly interpolated.

    Args:
        dice: Source of the numbers.
        size: (H, W) in pixels.
        cell: Grid spacing in pixels, the size of the features.
    """
    grid = dice.field(int(size[0] / cell) + 2, int(size[1] / cell) + 2)
    for axis in (0, 1):
        position = np.arange(size[axis]) / cell
        corner = np.floor(position).astype(np.int64)
        t = position - corner
        t = t * t * (3.0 - 2.0 * t)
        t = t[:, None] if axis == 0 else t
        low, high = np.take(grid, corner, axis), np.take(grid, corner + 1, axis)
        grid = low + (high - low) * t
    return grid


def fractal_noise(dice: Dice, size: tuple[int, int], cell: float, octaves: int = 3) -> Array:
    """Return noise in (-1, 1) around 0 with details down to ``cell / 2 ** (octaves - 1)`` pixels."""
    total, weight = np.zeros(size), 0.0
    for octave in range(octaves):
        share = 0.5**octave
        total += share * (2.0 * smooth_noise(dice, size, cell * share) - 1.0)
        weight += share
    return total / weight


def stripes(position: Array) -> Array:
    """Return a triangle wave in [-1, 1] of period 1."""
    return np.abs(position - np.floor(position) - 0.5) * 4.0 - 1.0


def coverage(distance: Array) -> Array:
    """Return how much of a pixel, 0..1, is inside a shape from its signed distance (negative inside)."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def shift(image: Array, rows: int, columns: int) -> Array:
    """Return ``image`` (H, W) as seen from ``(rows, columns)`` away, its border repeated."""
    y = np.clip(np.arange(image.shape[0]) + rows, 0, image.shape[0] - 1)
    x = np.clip(np.arange(image.shape[1]) + columns, 0, image.shape[1] - 1)
    return image[y][:, x]


def blur(image: Array) -> Array:
    """Return ``image`` (..., H, W) through the filter 1-2-1 in both directions: a lens's softness."""
    for axis in (-1, -2):
        last = image.shape[axis] - 1
        index = np.arange(last + 1)
        before = np.take(image, np.maximum(index - 1, 0), axis)
        after = np.take(image, np.minimum(index + 1, last), axis)
        image = 0.25 * before + 0.5 * image + 0.25 * after
    return image


def shadows(height: Array, sun: tuple[float, float], slope: float) -> Bool:
    """Return which pixels the ground, roofs or trees nearer to the sun hide from it.

    Args:
        height: (H, W), in pixels above the ground.
        sun: Unit vector (x, y) that points to the sun.
        slope: Tangent of the sun's elevation.
    """
    hidden = np.zeros(height.shape, dtype=np.bool_)
    for step in range(1, int(np.max(height, initial=0.0) / slope) + 1):
        hidden |= shift(height, round(step * sun[1]), round(step * sun[0])) > height + step * slope
    return hidden


@dataclass(frozen=True)
class Crowns:
    """Tree crowns seen from above, all arrays (H, W).

    Attributes:
        dome: Height of the highest crown as a share of a full one; 0 at its rim, negative outside.
        tree: Number of that crown, an index into tables of ``trees`` entries.
        lean: Share of its radius that the pixel lies towards the sun, about -1..1.
        trees: How many crowns there are.
    """

    dome: Array
    tree: Int
    lean: Array
    trees: int


def crowns(dice: Dice, grows: Bool, cell: float, sun: tuple[float, float]) -> Crowns:
    """Return one crown for each cell of a jittered grid whose centre lies where ``grows`` (H, W) is True."""
    H, W = grows.shape
    rows, columns = int(H / cell) + 3, int(W / cell) + 3
    y0 = (np.arange(rows)[:, None] - 1 + dice.field(rows, columns)) * cell
    x0 = (np.arange(columns)[None, :] - 1 + dice.field(rows, columns)) * cell
    radius = cell * (0.5 + 0.35 * dice.field(rows, columns))
    inside_y = np.clip(y0, 0, H - 1).astype(np.int64)
    present = grows[inside_y, np.clip(x0, 0, W - 1).astype(np.int64)]
    y, x = np.arange(H)[:, None], np.arange(W)[None, :]
    dome = np.full((H, W), -9.0)
    tree = np.zeros((H, W), dtype=np.int64)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            cells = np.floor(y / cell).astype(np.int64) + down, np.floor(x / cell).astype(np.int64) + right
            dy, dx, r = y - y0[cells], x - x0[cells], radius[cells]
            rise = np.where(present[cells], 1.0 - (dx * dx + dy * dy) / (r * r), -9.0)
            higher = rise > dome
            dome = np.where(higher, rise, dome)
            tree = np.where(higher, cells[0] * columns + cells[1], tree)
    dx, dy = (x - x0.ravel()[tree]), (y - y0.ravel()[tree])
    lean = (dx * sun[0] + dy * sun[1]) / radius.ravel()[tree]
    return Crowns(dome, tree, lean, rows * columns)
