"""Paints little aerial pictures of a made-up countryside together with their true land cover.

A landscape is built like a real one: parcels with crops, a river or a lake, roads along the parcels, houses
and yards along the roads, woods, and light over all of it. Colour alone says little, on purpose: roofs,
yards, roads and bare soil share one palette, dark crops have the mean colour of woods or of water, every
landscape has its own light. What tells the classes apart is texture (crowns, smooth water), shape (roads
are long, roofs are cornered) and context (a roof has two slopes and throws a shadow, a yard does not).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hqzoo.data.sets.landscape_textures import (
    Array,
    Bool,
    Dice,
    Int,
    blur,
    coverage,
    crowns,
    fractal_noise,
    shadows,
    smooth_noise,
    stripes,
)

__all__ = ["BACKGROUND", "BUILDING", "ROAD", "WATER", "WOODLAND", "paint"]

BACKGROUND, BUILDING, WOODLAND, WATER, ROAD = range(5)

Colour = tuple[float, float, float]

# Red, green, blue of 0..255 before light and haze.
CROPS: tuple[Colour, ...] = (
    (98, 116, 72),  # meadow
    (74, 98, 58),  # rich meadow
    (60, 82, 52),  # dark crop: the mean colour of woods
    (58, 80, 66),  # blue-green wheat: the colour of water
    (172, 156, 106),  # ripe corn
    (152, 138, 104),  # stubble
    (112, 92, 74),  # ploughed
    (72, 64, 56),  # dark wet soil: the colour of slate and of deep water
    (142, 130, 114),  # pale soil: the colour of gravel
    (128, 120, 112),  # grey fallow: the colour of asphalt
)
WATERS: tuple[Colour, ...] = ((52, 70, 66), (62, 78, 58), (74, 80, 66), (50, 58, 62), (88, 94, 80))
HARD_GROUND: tuple[Colour, ...] = (
    (124, 123, 122),  # asphalt
    (160, 156, 148),  # concrete
    (158, 142, 114),  # gravel
    (130, 110, 86),  # dirt
    (128, 96, 80),  # clinker
)
ROOFS: tuple[Colour, ...] = (
    (172, 88, 64),  # tiles
    (160, 76, 60),  # new tiles
    (134, 86, 66),  # old tiles
    (128, 124, 120),  # cement
    (80, 76, 74),  # slate
    (172, 168, 162),  # sheet metal
    (140, 122, 96),  # thatch
)
TREES: tuple[Colour, ...] = ((70, 92, 54), (60, 84, 52), (82, 98, 58), (62, 80, 60))


@dataclass
class Canvas:
    """A landscape under way.

    Attributes:
        dice: Source of all chance.
        colour: (3, H, W) colours of 0..255, not yet lit.
        mask: (H, W) class indices.
        height: (H, W) height above the ground in pixels; throws the shadows.
        u: (H, W) coordinate across the parcels in pixels, gently bent; roads and field rows follow it.
        v: (H, W) coordinate along the parcels.
        x: (1, W) column numbers.
        y: (H, 1) row numbers.
        sun: Unit vector (x, y) to the sun.
    """

    dice: Dice
    colour: Array
    mask: Int
    height: Array
    u: Array
    v: Array
    x: Array
    y: Array
    sun: tuple[float, float]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.mask.shape[0], self.mask.shape[1]

    def lay(self, alpha: Array, colour: Colour | Array, label: int | None = None) -> None:
        """Paint a colour with opacity ``alpha`` (H, W), and its class where it is more than half opaque."""
        paint = np.asarray(colour, dtype=np.float64)
        paint = paint[:, None, None] if paint.ndim == 1 else paint
        self.colour += (paint - self.colour) * alpha
        if label is not None:
            self.mask[alpha > 0.5] = label


def paint(seed: int, size: tuple[int, int]) -> tuple[Array, Int]:
    """Paint one landscape.

    Args:
        seed: Any non-negative integer; the same seed and size give the same landscape on every platform.
        size: (H, W) in pixels.

    Returns:
        Colours (3, H, W), clipped to 0..255, and class indices (H, W).
    """
    canvas = _blank(Dice(seed), size)
    _parcels(canvas)
    _water(canvas)
    roads = _roads(canvas)
    _settlement(canvas, roads)
    _woods(canvas, roads)
    _lone_trees(canvas, roads)
    return _photograph(canvas), canvas.mask


def _blank(dice: Dice, size: tuple[int, int]) -> Canvas:
    """An empty canvas with its bent coordinates."""
    y, x = np.arange(size[0], dtype=np.float64)[:, None], np.arange(size[1], dtype=np.float64)[None, :]
    c, s = dice.direction()
    u = c * x + s * y + 14.0 * fractal_noise(dice, size, 130.0, 2)
    v = c * y - s * x + 14.0 * fractal_noise(dice, size, 130.0, 2)
    mask = np.zeros(size, dtype=np.int64)
    return Canvas(dice, np.zeros((3, *size)), mask, np.zeros(size), u, v, x, y, dice.direction())


def _parcels(canvas: Canvas) -> None:
    """Cover everything with strips of fields, each with its crop, rows and tram lines."""
    dice, u, v = canvas.dice, canvas.u - np.min(canvas.u), canvas.v - np.min(canvas.v)
    span = int(np.max(u) / 36.0) + 2
    edges = np.cumsum(36.0 + 70.0 * dice.field(span))
    strip = np.searchsorted(edges, u.ravel()).reshape(u.shape)
    length, offset = 70.0 + 130.0 * dice.field(span + 1), 200.0 * dice.field(span + 1)
    along = np.floor((v + offset[strip]) / length[strip]).astype(np.int64)
    parcel = strip + (span + 1) * along
    n = int(np.max(parcel)) + 1

    crop = np.floor(dice.field(n) * len(CROPS)).astype(np.int64)
    tint = np.array(CROPS).T[:, crop] + 16.0 * (dice.field(3, n) - 0.5) + 26.0 * (dice.field(n) - 0.5)
    period, strength = (3.0 + 6.0 * dice.field(n))[parcel], (3.0 + 14.0 * np.square(dice.field(n)))[parcel]
    rows = np.where((dice.field(n) < 0.8)[parcel], u, v)
    mottle = (8.0 + 18.0 * dice.field(n))[parcel] * fractal_noise(dice, canvas.size, 28.0, 3)
    grain = (6.0 + 16.0 * dice.field(n))[parcel] * (dice.field(*canvas.size) - 0.5)
    ground = tint[:, parcel] + strength * stripes(rows / period) + mottle + grain
    canvas.lay(np.ones(canvas.size), ground)
    tram = (dice.field(n) < 0.35)[parcel] & (np.abs(stripes(rows / 30.0) - 0.2) < 0.08)
    canvas.lay(0.45 * tram, (146.0, 132.0, 106.0))
    balk = coverage(np.abs(u - edges[np.minimum(strip, span - 1)]) - 1.2)
    canvas.lay(0.6 * balk, CROPS[0])


def _water(canvas: Canvas) -> None:
    """A lake, a river or both, with a green bank, smooth and without rows."""
    dice, size = canvas.dice, canvas.size
    shore = np.full(size, 99.0)
    if dice.chance(0.55):
        c, s = dice.direction()
        middle = dice.uniform(0.25, 0.75) * (abs(c) * size[1] + abs(s) * size[0])
        start = min(c * size[1], 0.0) + min(s * size[0], 0.0)
        bend = 60.0 * fractal_noise(dice, size, 150.0, 2)
        across = c * canvas.x + s * canvas.y - start - middle + bend
        shore = np.abs(across) - dice.uniform(7.0, 14.0) - 4.0 * fractal_noise(dice, size, 40.0, 2)
    if dice.chance(0.6):
        basin = smooth_noise(dice, size, 90.0) + 0.1 * fractal_noise(dice, size, 24.0, 2)
        shore = np.minimum(shore, (dice.uniform(0.76, 0.84) - basin) * 110.0)
    canvas.lay(0.7 * coverage((shore - 4.0) / 3.0), CROPS[dice.count(0, 2)])
    deep = np.array(dice.pick(WATERS))[:, None, None] + 14.0 * (smooth_noise(dice, size, 60.0) - 0.5)
    glint = dice.uniform(0.0, 5.0) * fractal_noise(dice, size, 5.0, 2) + 3.0 * (dice.field(*size) - 0.5)
    canvas.lay(coverage(shore), deep + glint, WATER)


def _roads(canvas: Canvas) -> Array:
    """Paved roads and dirt tracks along and across the parcels, with cars.

    Returns:
        (H, W) distance to the nearest road's edge in pixels, negative on it.
    """
    dice, distance = canvas.dice, np.full(canvas.size, 999.0)
    for bent, spacing in ((canvas.u, 170.0), (canvas.v, 260.0)):
        across = bent + dice.uniform(0.0, spacing)
        number = np.floor(across / spacing)
        number -= np.min(number)
        n = int(np.max(number)) + 1
        half = 3.2 + 3.2 * dice.field(n)
        centre = spacing * (0.35 + 0.3 * dice.field(n))
        lane = number.astype(np.int64)
        side = across - np.floor(across / spacing) * spacing - centre[lane]
        edge = np.abs(side) - half[lane] - 0.8 * fractal_noise(dice, canvas.size, 16.0, 1)
        kind = np.floor(dice.field(n) * 4).astype(np.int64)
        tint = np.array(HARD_GROUND[:4]).T[:, kind] + 24.0 * (dice.field(n) - 0.5)
        wear = 10.0 * fractal_noise(dice, canvas.size, 20.0, 3) + 12.0 * (dice.field(*canvas.size) - 0.5)
        surface = tint[:, lane] + wear
        surface = surface - 10.0 * (kind > 1)[lane] * (np.abs(np.abs(side) - 0.5 * half[lane]) < 0.8)
        canvas.lay(0.75 * coverage((edge - 2.5) / 2.0), CROPS[1])
        canvas.lay(coverage(edge), surface, ROAD)
        distance = np.minimum(distance, edge)
    return distance


def _settlement(canvas: Canvas, roads: Array) -> None:
    """Houses, sheds and paved yards beside the roads, more of them where the village is."""
    dice, (H, W) = canvas.dice, canvas.size
    village = smooth_noise(dice, canvas.size, 110.0)
    free = (roads > 1.5) & (canvas.mask != WATER)
    slope_y, slope_x = (np.asarray(slope) for slope in np.gradient(canvas.u))
    for _ in range(round(0.006 * H * W)):
        y, x = dice.count(0, H - 1), dice.count(0, W - 1)
        keen = village[y, x] > dice.uniform(0.25, 0.7) and roads[y, x] < dice.uniform(8.0, 50.0)
        is_yard = dice.chance(0.16)
        long, wide = dice.uniform(9.0, 20.0), dice.uniform(6.0, 10.5)
        if is_yard:
            long, wide = dice.uniform(6.0, 22.0), dice.uniform(5.0, 14.0)
        if not keen:
            continue
        du, dv = float(slope_x[y, x]), float(slope_y[y, x])
        norm = math.sqrt(du * du + dv * dv)
        c, s = du / norm, dv / norm
        heading = (c, s) if dice.chance(0.5) else (-s, c)
        _plot(canvas, free, Box(float(x), float(y), heading, long, wide), is_yard)


@dataclass(frozen=True)
class Box:
    """A turned rectangle: centre, unit vector along its long side, half length and half width in pixels."""

    x: float
    y: float
    heading: tuple[float, float]
    long: float
    wide: float

    def window(self, size: tuple[int, int], margin: float) -> tuple[slice, slice]:
        """Rows and columns that hold it and ``margin`` pixels around."""
        reach = self.long + self.wide + margin
        top, left = max(int(self.y - reach), 0), max(int(self.x - reach), 0)
        return slice(top, min(int(self.y + reach) + 1, size[0])), slice(left, min(int(self.x + reach) + 1, size[1]))


def _plot(canvas: Canvas, free: Bool, box: Box, is_yard: bool) -> None:
    """Build one house or yard if its ground is free, and take that ground."""
    rows, columns = box.window(canvas.size, 6.0)
    c, s = box.heading
    dx, dy = canvas.x[:, columns] - box.x, canvas.y[rows] - box.y
    p, q = c * dx + s * dy, c * dy - s * dx
    inside = np.maximum(np.abs(p) - box.long, np.abs(q) - box.wide)
    if not np.all(free[rows, columns][inside < 2.0]):
        return
    part = Canvas(
        canvas.dice,
        canvas.colour[:, rows, columns],
        canvas.mask[rows, columns],
        canvas.height[rows, columns],
        p,
        q,
        canvas.x[:, columns],
        canvas.y[rows],
        canvas.sun,
    )
    if is_yard:
        _yard(part, inside)
    else:
        _house(part, box, inside)
    free[rows, columns] &= inside > 3.0


def _yard(part: Canvas, inside: Array) -> None:
    """Flat hard ground in the colours of roofs and roads, some of it with rows; it stays background."""
    dice = part.dice
    tint = np.array(dice.pick(HARD_GROUND + ROOFS))[:, None, None] + 30.0 * (dice.uniform() - 0.5)
    wear = 22.0 * fractal_noise(dice, part.size, 9.0, 2) + 12.0 * (dice.field(*part.size) - 0.5)
    ragged = inside + 2.5 * fractal_noise(dice, part.size, 8.0, 2)
    part.lay(coverage(ragged), tint + wear)


def _house(part: Canvas, box: Box, inside: Array) -> None:
    """A roof: flat, or with two or four slopes that the sun lights differently."""
    dice, p, q = part.dice, part.u, part.v
    c, s = box.heading
    sun_p, sun_q = c * part.sun[0] + s * part.sun[1], c * part.sun[1] - s * part.sun[0]
    tint = np.array(dice.pick(ROOFS))[:, None, None] + 30.0 * (dice.uniform() - 0.5)
    style = dice.uniform()
    side, end = np.where(q > 0, sun_q, -sun_q), np.where(p > 0, sun_p, -sun_p)
    if style < 0.5:  # gable
        light, rise = side, 1.0 - np.abs(q) / box.wide
    elif style < 0.75:  # hip
        light = np.where(np.abs(p) - box.long > np.abs(q) - box.wide, end, side)
        rise = np.minimum(-inside / box.wide, 1.0)
    else:  # flat, with a parapet and a few boxes on it
        light = np.where(inside > -1.5, 0.5, 0.0)
        box_at = stripes(p / dice.uniform(7.0, 13.0)) + stripes(q / dice.uniform(6.0, 10.0))
        light = np.where((box_at > 1.3) & (inside < -3.0), -0.5, light)
        rise = np.zeros(part.size)
    texture = (
        5.0 * stripes(q / 2.5) + 8.0 * (dice.field(*part.size) - 0.5) + 6.0 * fractal_noise(dice, part.size, 8.0, 2)
    )
    part.lay(coverage(inside), tint * (1.0 + 0.36 * light) + texture, BUILDING)
    roof = dice.uniform(5.0, 9.0) + 3.0 * np.maximum(rise, 0.0)
    np.copyto(part.height, roof, where=inside < 0.0)


def _woods(canvas: Canvas, roads: Array) -> None:
    """Closed stands of trees: crown beside crown, dark gaps between them."""
    dice, size = canvas.dice, canvas.size
    region = smooth_noise(dice, size, 100.0) + 0.16 * fractal_noise(dice, size, 30.0, 2)
    order = np.sort(region, axis=None)
    wooded = region > order[int((1.0 - dice.uniform(0.2, 0.36)) * (order.size - 1))]
    wooded &= (roads > 3.0) & (canvas.mask != WATER) & (canvas.height == 0.0)
    _plant(canvas, wooded, dice.uniform(7.0, 11.0), WOODLAND)


def _lone_trees(canvas: Canvas, roads: Array) -> None:
    """Single trees and bushes in fields and gardens: crowns all the same, but no woodland."""
    grows = (canvas.dice.field(*canvas.size) < 0.02) & (canvas.mask == BACKGROUND)
    grows &= (roads > 5.0) & (canvas.height == 0.0)
    _plant(canvas, grows, 9.0, BACKGROUND)


def _plant(canvas: Canvas, grows: Bool, cell: float, label: int) -> None:
    """Trees wherever the centre of a cell's tree lies in ``grows`` (H, W)."""
    dice, size = canvas.dice, canvas.size
    trees = crowns(dice, grows, cell, canvas.sun)
    tint = np.array(dice.pick(TREES))[:, None] + 12.0 * (dice.field(3, trees.trees) - 0.5)
    tint = tint * (0.82 + 0.36 * dice.field(trees.trees))
    dome = np.maximum(trees.dome, 0.0)
    light = 0.62 + 0.34 * dome + 0.26 * trees.lean * (trees.dome > 0.0)
    leaves = 20.0 * (dice.field(*size) - 0.5) + 12.0 * fractal_noise(dice, size, 4.0, 2)
    reach = 0.45 if label == WOODLAND else 0.0  # a stand also owns the gaps between its crowns
    fringe = np.where(canvas.height > 0.0, 0.0, coverage(-4.0 * (trees.dome + reach) + 0.5))
    canvas.lay(fringe, tint[:, trees.tree] * np.clip(light, 0.4, 1.3) + leaves * (0.4 + 0.6 * dome), label)
    np.maximum(canvas.height, dice.uniform(5.0, 9.0) * dome, out=canvas.height)


def _photograph(canvas: Canvas) -> Array:
    """Shadows, uneven light, the landscape's own colour cast and haze, a lens and a noisy sensor."""
    dice, size = canvas.dice, canvas.size
    hidden = shadows(canvas.height, canvas.sun, dice.uniform(0.55, 1.0))
    shade = np.array([0.44, 0.47, 0.54])[:, None, None]
    image = np.where(hidden, canvas.colour * shade, canvas.colour)
    exposure = dice.uniform(0.9, 1.15) * (1.0 + 0.16 * fractal_noise(dice, size, 120.0, 2))
    cast = np.array([dice.uniform(0.93, 1.07) for _ in range(3)])[:, None, None]
    haze = np.array([0.8, 0.9, 1.0])[:, None, None] * dice.uniform(0.0, 30.0)
    image = blur(image * exposure * cast * 0.95 + haze)
    noise = dice.field(3, *size) + dice.field(3, *size) + dice.field(1, *size) - 1.5
    return np.clip(image + dice.uniform(3.0, 7.0) * noise, 0.0, 255.0)
