"""Writing a map: beside its final name first, checked after closing, renamed only when it is whole."""

from __future__ import annotations

import math
import os
import shutil
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from hqzoo.errors import SceneError
from hqzoo.scenes.canvas import TILE
from hqzoo.scenes.content import Content
from hqzoo.scenes.scene import GDAL_ERRORS, GDAL_OPTIONS, Scene, reason

__all__ = ["GeoTiff", "write_together"]

BESIDE = (".aux.xml", ".ovr", ".msk")
"""Files beside a raster that speak about its pixels; those of a replaced map would show the old one."""


class GeoTiff:
    """A new GeoTIFF on the grid of a scene: tiled, compressed, same CRS and transform (or GCPs, RPCs).

    Args:
        path: Final name; a file of that name is replaced, in the end and at once.
        content: What the file holds.
        scene: Scene whose grid is taken over; it need not stay open.

    Raises:
        SceneError: If the folder does not exist, or the name cannot be that of a new GeoTIFF.
    """

    def __init__(self, path: Path, content: Content, scene: Scene) -> None:
        self.path = path
        self._content = content
        self._scene = Path(scene.path)
        self._grid, self._tags = _grid(scene), _kept_tags(scene)
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._written: list[tuple[Window, int]] = []
        self._dataset: rasterio.io.DatasetWriter | None = None
        self._check_name()

    def open(self) -> None:
        """Create the file under its temporary name."""
        content = self._content
        profile = self._grid | {
            "driver": "GTiff",
            "count": len(content.descriptions),
            "dtype": content.dtype,
            "nodata": content.nodata,
            "tiled": True,
            "blockxsize": TILE,
            "blockysize": TILE,
            "interleave": "band",
            "compress": "deflate",
            # Higher levels take up to nine times the time, which the model waits for, to save little.
            "zlevel": 3,
            "bigtiff": "if_safer",
        }
        if content.dtype == "float32":
            profile |= {"predictor": 3, "zlevel": 1}
        with self._told(), _no_grid_is_fine():
            self._partial.unlink(missing_ok=True)
            self._dataset = rasterio.open(self._partial, "w", **profile)
            # Before the first pixel: a GeoTIFF's header is cheap to write only once.
            self._dataset.descriptions = content.descriptions
            self._dataset.update_tags(**self._tags)
            self._dataset.update_tags(1, **content.tags)
            if content.colours:
                self._dataset.write_colormap(1, content.colours)
            if content.scale != 1:
                self._dataset.scales = [content.scale] * self._dataset.count

    def write(self, row: int, column: int, pixels: NDArray[Any]) -> None:
        """Write pixels (bands, h, w) with their upper left corner at ``row`` and ``column``."""
        if self._dataset is None:
            raise SceneError(f"{self.path} was not opened for writing.")
        window = Window(column, row, pixels.shape[2], pixels.shape[1])
        with self._told():
            self._dataset.write(pixels, window=window)
        self._written.append((window, _checksum(pixels)))

    def finish(self) -> None:
        """Add overviews, close the file and read it back: GDAL hides that the disk filled up while it closed the file.

        Raises:
            SceneError: If the file does not hold what was written.
        """
        if self._dataset is None:
            return
        with self._told(), _no_grid_is_fine():
            self._dataset.close()
            self._add_overviews()
            with rasterio.open(self._partial) as dataset:
                whole = all(_checksum(dataset.read(window=window)) == crc for window, crc in self._written)
                whole = whole and _overviews_are_whole(dataset, self._partial.stat().st_size)
        if not whole:
            raise SceneError(f"Cannot write {self.path}: it reads back other than written. {self._free()}")

    def _add_overviews(self) -> None:
        longest = max(self._grid["height"], self._grid["width"])
        factors = [2**power for power in range(1, 32) if longest > TILE * 2 ** (power - 1)]
        if factors:
            classes = np.issubdtype(self._content.dtype, np.integer) and self._content.scale == 1
            # A mean of class numbers would be another class.
            options = {"GDAL_TIFF_OVR_BLOCKSIZE": TILE, "GDAL_NUM_THREADS": "ALL_CPUS", "ZLEVEL_OVERVIEW": 3}
            with rasterio.Env(**options), rasterio.open(self._partial, "r+") as dataset:
                dataset.build_overviews(factors, Resampling.mode if classes else Resampling.average)

    def publish(self) -> None:
        """Give the finished file its final name."""
        with self._told():
            for suffix in BESIDE:
                self._beside(suffix).unlink(missing_ok=True)
            self._partial.replace(self.path)
            if self._content.sidecar is not None:
                self._beside(".aux.xml").write_text(self._content.sidecar, encoding="utf-8")

    def discard(self) -> None:
        """Remove what is not published."""
        if self._dataset is not None:
            with suppress(*GDAL_ERRORS):  # the error that led here is the one to tell
                self._dataset.close()
        self._partial.unlink(missing_ok=True)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def _check_name(self) -> None:
        path, scene = self.path, self._scene
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise SceneError(f"Cannot write {path}: maps are GeoTIFF files, choose a name that ends in .tif.")
        if not path.parent.is_dir():
            raise SceneError(f"Cannot write {path}: the folder {path.parent} does not exist, create it first.")
        if path.is_dir():
            raise SceneError(f"Cannot write {path}: it is a folder, name a file in it.")
        if path.exists() and scene.exists() and path.samefile(scene):
            raise SceneError(f"Cannot write {path}: it is the scene itself, choose another name for the map.")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            # GDAL's options hold for one thread, and maps are written beside the model in one of their own.
            with rasterio.Env(**GDAL_OPTIONS):
                yield
        except GDAL_ERRORS as error:
            raise SceneError(f"Cannot write {self.path}: {reason(error)}. {self._free()}") from error

    def _free(self) -> str:
        try:
            free = shutil.disk_usage(self.path.parent).free / 1e6
        except OSError:
            return f"The folder {self.path.parent} is gone."
        return f"{self.path.parent} has {free:,.0f} MB free; check that, and your right to write there."


@contextmanager
def write_together(*files: GeoTiff) -> Iterator[None]:
    """Publish all files when the block ends well; otherwise leave none of them and nothing partial."""
    try:
        for file in files:
            file.open()
        yield
        for file in files:
            file.finish()
        for file in files:
            file.publish()
    finally:
        for file in files:
            file.discard()


@contextmanager
def _no_grid_is_fine() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _grid(scene: Scene) -> dict[str, Any]:
    dataset = scene.dataset
    grid: dict[str, Any] = {"width": scene.width, "height": scene.height, "crs": dataset.crs}
    points, points_crs = dataset.gcps
    if points:
        grid |= {"gcps": points, "crs": points_crs}
    elif not dataset.transform.is_identity:
        grid["transform"] = dataset.transform
    if dataset.rpcs:
        grid["rpcs"] = dataset.rpcs
    return grid


def _overviews_are_whole(dataset: rasterio.DatasetReader, size: int) -> bool:
    """Tell whether every tile of every overview lies inside the file: GDAL leaves out what it could not write."""
    for level, factor in enumerate(dataset.overviews(1)):
        rows, columns = (math.ceil(math.ceil(length / factor) / TILE) for length in dataset.shape)
        for band, row, column in product(dataset.indexes, range(rows), range(columns)):
            place = (
                dataset.get_tag_item(f"{name}_{column}_{row}", "TIFF", bidx=band, ovr=level)
                for name in ("BLOCK_OFFSET", "BLOCK_SIZE")
            )
            if sum(int(each) if each else size + 1 for each in place) > size:
                return False
    return bool(dataset.overviews(1)) or max(dataset.shape) <= TILE


def _kept_tags(scene: Scene) -> dict[str, str]:
    # Whether coordinates mean a pixel's corner or its centre is part of the grid. Not with GCPs: GDAL hands
    # them over as corners, but would move them again when it reads them from a file of centres.
    tags = {} if scene.dataset.gcps[0] else scene.dataset.tags()
    return {key: value for key, value in tags.items() if key == "AREA_OR_POINT"}


def _checksum(pixels: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).data)
