"""The ground that georeferenced images show, and how much of it two of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data.faults import going_on
from hqzoo.data.files.raster_files import is_raster, open_raster

__all__ = ["Ground", "Shared", "ground_of", "joined", "shared_ground"]

Corners = npt.NDArray[np.float64]

LEAST = 0.01  # share of the smaller image: a seam of a pixel is no overlap. CHOICE


class Ground(NamedTuple):
    """Where an image lies."""

    crs: str
    """Coordinate reference system as WKT; empty where the file names none."""
    corners: Corners
    """Its corners ``(4, 2)`` in this system, in order around it."""
    pixel: float
    """Side of a pixel in the unit of the system."""


class Shared(NamedTuple):
    """Two images that overlap or touch."""

    first: str
    second: str
    share: float
    """Area of both over the area of the smaller one; 0 where they only touch."""


def ground_of(path: Path) -> Ground | None:
    """Return the ground that an image file shows; None where it does not say.

    Raises:
        DataError: If the file is missing or damaged.
    """
    if not is_raster(path):
        return None
    with open_raster(path) as raster:
        transform, height, width = raster.transform, raster.height, raster.width
        if transform.is_identity or transform.determinant == 0:
            return None
        corners = np.array([transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))])
        return Ground(raster.crs.to_wkt() if raster.crs else "", corners, abs(transform.determinant) ** 0.5)


def shared_ground(grounds: Mapping[str, Ground]) -> Iterator[Shared]:
    """Yield all pairs of images that overlap or touch, by their names."""
    for crs, group in _by_crs(grounds).items():
        names = sorted(group, key=lambda name: float(group[name].corners[:, 0].min()))
        corners = {name: _in_crs(group[name], crs) for name in names}
        boxes = np.array([[*corners[name].min(0), *corners[name].max(0)] for name in names])
        slack = max((group[name].pixel for name in names if group[name].crs == crs), default=0.0)
        order = np.argsort(boxes[:, 0], kind="stable")
        starts = boxes[order, 0]
        for place, own in enumerate(order):
            end = np.searchsorted(starts, boxes[own, 2] + slack, side="right")
            for other in order[place + 1 : end]:
                low, high = np.maximum(boxes[own, :2], boxes[other, :2]), np.minimum(boxes[own, 2:], boxes[other, 2:])
                if (high - low >= -slack).all():
                    a, b = corners[names[own]], corners[names[other]]
                    share = _area(_cut(a, b)) / max(min(_area(a), _area(b)), np.finfo(float).tiny)
                    yield Shared(names[own], names[other], share if share > LEAST else 0.0)


def joined(scenes: Mapping[str, str], files: Mapping[str, Path], folds: int) -> tuple[dict[str, str], bool]:
    """Return scenes that are one where their images overlap or touch.

    Where images touch all over, as the tiles of a mosaic do, too few scenes would be left for the folds: then only
    overlapping ones are joined.

    Args:
        scenes: Image name to scene.
        files: Image name to file.
        folds: Number of folds to fill.

    Returns:
        Image name to scene, and whether images of different scenes touch.
    """
    grounds: dict[str, Ground] = {}
    for name, path in files.items():
        with going_on():
            if (ground := ground_of(path)) is not None:
                grounds[name] = ground
    pairs = list(shared_ground(grounds))
    touching = _united(scenes, pairs)
    if len(set(touching.values())) >= folds:
        return touching, False
    apart = _united(scenes, [pair for pair in pairs if pair.share])
    return apart, any(apart[pair.first] != apart[pair.second] for pair in pairs)


def _united(scenes: Mapping[str, str], pairs: Iterable[Shared]) -> dict[str, str]:
    parent = {scene: scene for scene in scenes.values()}

    def root(scene: str) -> str:
        while parent[scene] != scene:
            parent[scene] = scene = parent[parent[scene]]
        return scene

    for pair in pairs:
        first, second = sorted((root(scenes[pair.first]), root(scenes[pair.second])))
        parent[second] = first
    return {name: root(scene) for name, scene in scenes.items()}


def _by_crs(grounds: Mapping[str, Ground]) -> dict[str, dict[str, Ground]]:
    """Return the images that can be compared, under the system that they are compared in."""
    named = {name: ground for name, ground in grounds.items() if ground.crs}
    groups = {"": {name: ground for name, ground in grounds.items() if not ground.crs}}
    if named:
        groups[next(iter(named.values())).crs] = named
    return {crs: group for crs, group in groups.items() if len(group) > 1}


def _in_crs(ground: Ground, crs: str) -> Corners:
    """Return the corners in another system; far away where they do not exist there."""
    if ground.crs == crs:
        return ground.corners
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    try:
        corners = np.array(transform(ground.crs, crs, *ground.corners.T)[:2]).T
    except RasterioError:
        corners = np.full((4, 2), np.inf)
    return np.where(np.isfinite(corners), corners, np.finfo(np.float32).max)


def _cut(polygon: Corners, by: Corners) -> Corners:
    """Return the part of a convex polygon that lies inside another (Sutherland and Hodgman 1974)."""
    inside = by if _signed_area(by) > 0 else by[::-1]
    points: Sequence[npt.NDArray[np.float64]] = list(polygon)
    for start, end in zip(inside, np.roll(inside, -1, axis=0), strict=True):
        edge, kept = end - start, list[npt.NDArray[np.float64]]()
        sides = [float(edge[0] * (point - start)[1] - edge[1] * (point - start)[0]) for point in points]
        for number, point in enumerate(points):
            before, side = sides[number - 1], sides[number]
            if before * side < 0:
                kept.append(points[number - 1] + (point - points[number - 1]) * (before / (before - side)))
            if side >= 0:
                kept.append(point)
        points = kept
    return np.array(points).reshape(-1, 2)


def _area(polygon: Corners) -> float:
    return abs(_signed_area(polygon))


def _signed_area(polygon: Corners) -> float:
    if not len(polygon):
        return 0.0
    x, y = (polygon - polygon[0]).T  # near 0: coordinates of millions of metres would cost digits
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)
