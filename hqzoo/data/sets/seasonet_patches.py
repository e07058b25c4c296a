"""The patches of SeasoNet: which file holds which bands, and how they become one image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hqzoo.data.files.grids import check_grids, read_grid
from hqzoo.data.files.raster_files import open_raster
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import Image, ImageRecord, Mask, Window
from hqzoo.errors import DataError

__all__ = ["BANDS", "SIDE", "SeasoNetRecord"]

BANDS: Mapping[str, tuple[str, ...]] = {
    "10m_RGB": ("B04", "B03", "B02"),
    "10m_IR": ("B08",),
    "20m": ("B05", "B06", "B07", "B8A", "B11", "B12"),
    "60m": ("B01", "B09"),
}
"""File of a patch to its bands, in the order of the file."""

SIDE = 120
"""Height and width of a patch in pixels of 10 m."""

_SIDES = {"10m_RGB": SIDE, "10m_IR": SIDE, "20m": SIDE // 2, "60m": SIDE // 6}


class SeasoNetRecord(ImageRecord):
    """One patch in one season: up to four files of bands, and one of labels.

    Args:
        name: Name of the patch with its season and grid.
        patch: Path of its files without ``_10m_RGB.tif`` and the like.
        bands: Names of the bands to read, in the order wanted.
        class_map: Classes of the labels.
    """

    def __init__(self, name: str, patch: Path, bands: tuple[str, ...], class_map: ClassMap) -> None:
        super().__init__(name, SIDE, SIDE)
        self.patch, self.bands, self.class_map = patch, bands, class_map

    @property
    def file(self) -> Path:
        """The labels, which lie on the grid of 10 m whatever bands are read."""
        return self._path("labels")

    @property
    def files(self) -> tuple[Path, ...]:
        """None: to read millions of files for a digest of their content would take hours."""
        return ()

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read the chosen bands at 10 m, and the labels (see :class:`~hqzoo.data.records.ImageRecord`)."""
        planes: dict[str, Image] = {}
        for group, names in BANDS.items():
            if wanted := [band for band in names if band in self.bands]:
                read = self._read_bands(group, [names.index(band) + 1 for band in wanted])
                planes.update(zip(wanted, read, strict=True))
        image, mask = np.stack([planes[band] for band in self.bands]), self._read_labels()
        return (image, mask) if window is None else (window.of(image), window.of(mask))

    def _read_bands(self, group: str, numbers: list[int]) -> Image:
        from rasterio.enums import Resampling

        path = self._path(group)
        with open_raster(path) as raster:
            found, expected = (raster.count, *raster.shape), (len(BANDS[group]), _SIDES[group], _SIDES[group])
            if found != expected:
                raise DataError(
                    f"The image {path} has {_shape(found)} (bands x height x width), but such a file of SeasoNet "
                    f"{_shape(expected)}."
                )
            shape = (len(numbers), SIDE, SIDE)
            return np.asarray(raster.read(numbers, out_shape=shape, resampling=Resampling.bilinear))

    def _read_labels(self) -> Mask:
        path = self._path("labels")
        with open_raster(path) as raster:
            if (raster.count, *raster.shape) != (1, SIDE, SIDE):
                raise DataError(
                    f"The mask {path} has {_shape((raster.count, *raster.shape))} (bands x height x width), but labels "
                    f"of SeasoNet {_shape((1, SIDE, SIDE))}."
                )
            grid, labels = read_grid(raster), raster.read(1)
        for group in ("10m_RGB", "10m_IR"):  # coarser files have other grids
            if set(BANDS[group]) & set(self.bands):
                with open_raster(image := self._path(group)) as raster:
                    check_grids(image, read_grid(raster), path, grid, (SIDE, SIDE))
        return self.class_map.encode(labels, path)

    def _path(self, part: str) -> Path:
        return self.patch.with_name(f"{self.patch.name}_{part}.tif")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
