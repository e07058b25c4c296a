"""One place as several sensors saw it, whatever it is stored in: a file for each band, or arrays in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.data.files.raster_files import open_raster
from hqzoo.data.records import Image, Record
from hqzoo.data.resized import resize_image
from hqzoo.data.sensor import Sensor
from hqzoo.errors import DataError

__all__ = ["ArrayPair", "PairLayout", "PairRecord", "Planes", "TiffPair", "fault_of"]

Planes = dict[str, npt.NDArray[Any]]
"""Band to its image ``(h, w)`` as it is stored: in its own size and type."""


@dataclass(frozen=True)
class PairLayout:
    """What all pairs of a data set have in common; their shapes follow from it, before anything is read.

    Args:
        sensors: Sensors by name, which tell the bands.
        side: Height and width that every band is brought to, in pixels.
        classes: Length of the labels; 0: samples have none.
    """

    sensors: Mapping[str, Sensor]
    side: int
    classes: int = 0

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """The bands of all sensors."""
        return tuple(band for sensor in self.sensors.values() for band in sensor.bands)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Shape ``(C, H, W)`` of the images, by sensor."""
        return {name: (len(sensor), self.side, self.side) for name, sensor in self.sensors.items()}


class PairRecord(Record):
    """One place as several sensors saw it.

    A kind of storage derives from it and returns bands as they are stored (:meth:`native`). Their order, size and
    check, and the label, are the same for all kinds and happen here, so that the same pair is the same sample from
    whatever it is read.

    Args:
        name: Name of the pair, unique in its data set.
        layout: Bands and sizes.
        labels: Numbers of its classes; None: not known.
        aliases: Names under which other data sets know it.
        place: Group of neighbours that a draw keeps together; empty: none is known.
        absent: What the index says is missing of it, in words; empty: nothing.
    """

    def __init__(
        self,
        name: str,
        layout: PairLayout,
        labels: Sequence[int] | None = None,
        aliases: Sequence[str] = (),
        place: str = "",
        absent: str = "",
    ) -> None:
        super().__init__(name)
        self.layout, self.labels, self.place, self.absent = layout, labels, intern(place) or name, absent
        self._aliases = tuple(aliases)

    @abstractmethod
    def native(self, bands: Sequence[str]) -> Planes:
        """Read bands as they are stored.

        Raises:
            DataError: If one of them is missing or damaged.
        """

    @property
    def aliases(self) -> tuple[str, ...]:
        """Further names of the pair."""
        return self._aliases

    @property
    def stated(self) -> list[int] | None:  # type: ignore[override]
        """Numbers of its classes."""
        return None if self.labels is None else list(self.labels)

    @property
    def labelled(self) -> bool:
        """Whether its classes are known."""
        return self.labels is not None

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return an image per sensor and, where the layout has classes, ``label`` (K,): 0, 1, or NaN if not known.

        Coarser bands are brought to the common size by bilinear interpolation, integers rounded.
        """
        return self.made_of(self.stored())

    def stored(self) -> Planes:
        """Return the bands as they are stored, checked; the label is none of them."""
        if self.absent:
            raise DataError(f"The pair {self.name} is incomplete: {self.absent}.")
        planes = self.native(self.layout.bands)
        if fault := fault_of(planes):
            raise DataError(f"The pair {self.name} is no image: {fault}. Leave such pairs out with `on_bad: skip`.")
        return planes

    def made_of(self, stored: Planes) -> dict[str, npt.NDArray[Any]]:
        """Return images and label of the bands as they are stored."""
        found = {name: self._image(stored, sensor) for name, sensor in self.layout.sensors.items()}
        return {**found, "label": self.label()} if self.layout.classes else found

    def label(self) -> npt.NDArray[np.float32]:
        """Return 1 for each class that it has, ``(K,)``; NaN where nobody knows."""
        if self.labels is None:
            return np.full(self.layout.classes, np.nan, np.float32)
        label = np.zeros(self.layout.classes, np.float32)
        label[list(self.labels)] = 1
        return label

    def _image(self, planes: Planes, sensor: Sensor) -> Image:
        size = (self.layout.side, self.layout.side)
        image = np.stack([resize_image(planes[band][None], size)[0] for band in sensor.bands])
        return image.astype(np.float32) if sensor.unit == "dB" else image


class TiffPair(PairRecord):
    """A pair of folders with a single-band TIFF for each band, whose name ends in ``_B02.tif``, ``_VV.tif``, ...

    TorchGeo's readers are not used: they round Sentinel-1 to whole decibels and put VH before VV.

    Args:
        name: Name of the pair.
        layout: Bands and sizes.
        folders: Folder by sensor.
        **known: See :class:`PairRecord`.
    """

    def __init__(
        self,
        name: str,
        layout: PairLayout,
        folders: Mapping[str, Path],
        **known: Any,  # noqa: ANN401 - PairRecord's
    ) -> None:
        super().__init__(name, layout, **known)
        # As texts: an archive has half a million pairs, and every process holds them all.
        self._folders = tuple(str(folders.get(sensor, "")) for sensor in layout.sensors)

    @property
    def folders(self) -> dict[str, Path]:
        """Folder by sensor."""
        return {sensor: Path(each) for sensor, each in zip(self.layout.sensors, self._folders, strict=True) if each}

    @property
    def placed(self) -> Path | None:
        """The finest band, which says where the patch lies."""
        files = [] if self.absent else list(self._listed().items())
        return next((path for band, path in sorted(files) if band in ("B02", "VV")), None)

    def native(self, bands: Sequence[str]) -> Planes:
        """Read one file for each band."""
        files = self._listed()
        if missing := [band for band in bands if band not in files]:
            folders = ", ".join(map(str, self.folders.values()))
            raise DataError(f"The pair {self.name} lacks {', '.join(missing)}: no file of that name in {folders}.")
        return {band: _read_plane(files[band]) for band in bands}

    def _listed(self) -> dict[str, Path]:
        """Return the files by band."""
        files: dict[str, Path] = {}
        for folder in self.folders.values():
            if not folder.is_dir():
                raise DataError(f"The folder {folder} does not exist. Unpack the archive again.")
            files |= {path.stem.rpartition("_")[2]: path for path in folder.iterdir() if path.suffix == ".tif"}
        return files


class ArrayPair(PairRecord):
    """A pair in arrays of many pairs.

    Args:
        name: Name of the pair.
        layout: Bands and sizes.
        stacks: Pairs of the names of bands and their images ``(N, C, H, W)``, which cover all bands of the layout.
        index: Number of the pair in them.
        **known: See :class:`PairRecord`.
    """

    def __init__(
        self,
        name: str,
        layout: PairLayout,
        stacks: Sequence[tuple[tuple[str, ...], npt.NDArray[Any]]],
        index: int,
        **known: Any,  # noqa: ANN401 - PairRecord's
    ) -> None:
        super().__init__(name, layout, **known)
        self.stacks, self.index = stacks, index

    @property
    def in_memory(self) -> bool:
        """Yes."""
        return True

    def native(self, bands: Sequence[str]) -> Planes:
        """Return views of the arrays."""
        return {
            band: images[self.index, place]
            for names, images in self.stacks
            for place, band in enumerate(names)
            if band in bands
        }


def fault_of(planes: Planes) -> str | None:
    """Say why bands are no measurement of a place, or return None: one that is all 0 (nodata), or is not finite."""
    for band, plane in planes.items():
        if plane.dtype.kind == "f" and not np.isfinite(plane).all():
            return f"{band} holds values that are no finite numbers"
        if not plane.any():
            return f"{band} is 0 everywhere"
    return None


def _read_plane(path: Path) -> npt.NDArray[Any]:
    with open_raster(path) as raster:
        if raster.count != 1 or raster.height != raster.width:
            raise DataError(
                f"The image {path} has {raster.count} x {raster.height} x {raster.width} (bands x height x width), but "
                "such a file holds one band of a square patch."
            )
        return np.asarray(raster.read(1))
