"""Files of arrays (``.npz``) that hold pairs of Sentinel-2 and Sentinel-1.

Keys of a file of N pairs:

* ``s2`` (N, C, H, W): reflectance x 1e4, unsigned 16 bits or real; ``s1`` (N, 2, H, W): dB, real, VV before VH. A key
  may have an ending, as in ``s1_vv_vh``. One of them may be absent.
* ``s2_bands``, ``s1_bands``: names of their bands in order; absent: told by their number (see :func:`bands_of_arrays`).
* ``patch_id`` or ``name`` (N,): names; a number of its own (``patch_id_int``) is one behind the name of the file.
* ``labels``: names of classes, joined by ``|`` (N,); or ``label`` (N, 19): 0 or 1.
* ``split`` (N,): train, validation or test.

All but the images may be absent. Nothing is unpickled.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.data.paired.corine_classes import class_numbers
from hqzoo.data.paired.module import PlacedPair
from hqzoo.data.paired.records import ArrayPair, PairLayout
from hqzoo.data.paired.sentinel import NATIVE_SIDES, S1_BANDS, S2_BANDS, SIDE
from hqzoo.errors import DataError

__all__ = ["bands_of_arrays", "read_pairs"]

_ACQUISITION = re.compile(r"(S2[AB]_MSIL2A_\w+?)_\d+_\d+$")
_NAMES, _SPLITS = ("patch_id", "name", "names", "patch_id_int"), {"validation": "val"}
_FINE = tuple(band for band in S2_BANDS if NATIVE_SIDES[band] == SIDE)
_USUAL: Mapping[str, Sequence[tuple[str, ...]]] = {"s2": (S2_BANDS, _FINE), "s1": (S1_BANDS,)}


def bands_of_arrays(file: Path, stored: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Return the bands of a file's images, by sensor.

    Args:
        file: The file.
        stored: Name of a file to the bands of its ``s2``, for files that do not say themselves.

    Raises:
        DataError: If the file cannot be read, or does not tell its bands.
    """
    with _Arrays(file) as arrays:
        return {sensor: arrays.bands(sensor, stored) for sensor in ("s2", "s1") if arrays.image_key(sensor)}


def read_pairs(file: Path, layout: PairLayout, stored: Mapping[str, list[str]], offset: int = 0) -> list[PlacedPair]:
    """Read the pairs of a file into memory.

    Args:
        file: The file.
        layout: Bands and sizes.
        stored: See :func:`bands_of_arrays`.
        offset: Subtracted from values of Sentinel-2, which stay at least 0.

    Raises:
        DataError: If the file is missing or damaged, or lacks a sensor, a band, or a line of one of its arrays.
    """
    with _Arrays(file) as arrays:
        stacks = []
        for sensor, wanted in layout.sensors.items():
            images, bands = arrays.images(sensor), arrays.bands(sensor, stored)
            if missing := [band for band in wanted.bands if band not in bands]:
                raise DataError(f"{file} lacks the band(s) {', '.join(missing)}; its {sensor} has {', '.join(bands)}.")
            stacks.append((bands, _without_offset(images, offset) if sensor == "s2" else images))
        count = len(stacks[0][1])
        names = arrays.names(count)
        splits, labels = arrays.texts("split", count), arrays.labels(count, layout.classes)
        for bands, images in stacks:
            if len(images) != count:
                raise DataError(f"{file} has {count} images of one sensor, but {len(images)} of {', '.join(bands)}.")
    return [
        PlacedPair(
            ArrayPair(name, layout, stacks, number, labels=labels[number], place=_place(name)),
            _SPLITS.get(splits[number], splits[number]),
        )
        for number, name in enumerate(names)
    ]


class _Arrays:
    """An open file of arrays, which are read as they are asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._arrays: Any = np.load(file, allow_pickle=False)
            self._keys = list(self._arrays.files)
            self._read: dict[str, npt.NDArray[Any]] = {}
        except FileNotFoundError as error:
            raise DataError(f"The file of arrays {file} does not exist.") from error
        except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise DataError(f"{file} is damaged or no file of arrays (.npz): {error}.") from error

    def __enter__(self) -> _Arrays:
        return self

    def __exit__(self, *_: object) -> None:
        self._arrays.close()

    def image_key(self, sensor: str) -> str | None:
        """Return the key of a sensor's images."""
        if sensor in self._keys:
            return sensor
        return next((key for key in self._keys if key.startswith(f"{sensor}_") and key != f"{sensor}_bands"), None)

    def read(self, key: str) -> npt.NDArray[Any]:
        """Read an array."""
        try:
            if key not in self._read:
                self._read[key] = np.asarray(self._arrays[key])
            return self._read[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.file}: the array '{key}' is damaged, or holds objects: {error}.") from error

    def images(self, sensor: str) -> npt.NDArray[Any]:
        """Read the images of a sensor, ``(N, C, H, W)``."""
        if (key := self.image_key(sensor)) is None:
            raise DataError(f"{self.file} has no images '{sensor}'; its arrays are {', '.join(self._keys)}.")
        images = self.read(key)
        if images.ndim != 4 or images.shape[2] != images.shape[3] or images.dtype.kind not in "uif":
            raise DataError(
                f"{self.file}: '{key}' is {images.shape} {images.dtype}, expected numbers (N, bands, side, side)."
            )
        if sensor == "s1" and images.dtype.kind != "f":
            raise DataError(f"{self.file}: '{key}' holds whole numbers, but dB are real: they were rounded on the way.")
        return images

    def bands(self, sensor: str, stored: Mapping[str, list[str]]) -> tuple[str, ...]:
        """Return the bands of a sensor's images."""
        count = self.images(sensor).shape[1]
        if f"{sensor}_bands" in self._keys:
            bands = tuple(map(str, self.read(f"{sensor}_bands")))
        elif sensor == "s2" and self.file.name in stored:
            bands = tuple(stored[self.file.name])
        else:
            bands = _usual(sensor, count)
        if len(bands) != count or len(set(bands)) < count:
            raise DataError(
                f"{self.file}: {sensor} has {count} bands, named {list(bands) or 'nowhere'}. Name each, in "
                f"`stored_bands: {{{self.file.name}: [B02, ...]}}` or in an array `{sensor}_bands`."
            )
        return bands

    def names(self, count: int) -> list[str]:
        """Return the names of the pairs; without any, their numbers behind the name of the file."""
        key = next((key for key in _NAMES if key in self._keys), None)
        if key is None:
            return [f"{self.file.stem}_{number:06d}" for number in range(count)]
        values = self.read(key)
        if len(values) != count or len({*values.tolist()}) < count:
            raise DataError(f"{self.file}: '{key}' has {len(values)} names, expected {count} that differ.")
        return [str(value) if values.dtype.kind in "US" else f"{self.file.stem}_{value}" for value in values]

    def texts(self, key: str, count: int) -> list[str]:
        """Return a text for each pair; empty where there is no such array."""
        if key not in self._keys:
            return [""] * count
        if len(values := self.read(key)) != count:
            raise DataError(f"{self.file}: '{key}' has {len(values)} lines, but there are {count} pairs.")
        return [str(value) for value in values]

    def labels(self, count: int, classes: int) -> list[tuple[int, ...] | None]:
        """Return the classes of each pair; None where they are not known, or not wanted."""
        if classes and "labels" in self._keys:
            return [class_numbers(_split(text), classes, self.file) for text in self.texts("labels", count)]
        if not classes or "label" not in self._keys:
            return [None] * count
        if (values := self.read("label")).shape != (count, classes):
            raise DataError(f"{self.file}: 'label' is {values.shape}, expected {(count, classes)}.")
        return [tuple(np.flatnonzero(row).tolist()) for row in values]


def _split(text: str) -> Iterable[str]:
    return [name for name in text.split("|") if name]


def _usual(sensor: str, count: int) -> tuple[str, ...]:
    return next((bands for bands in _USUAL[sensor] if len(bands) == count), ())


def _place(name: str) -> str:
    found = _ACQUISITION.match(name)
    return found[1] if found else ""


def _without_offset(images: npt.NDArray[Any], offset: int) -> npt.NDArray[Any]:
    if not offset:
        return images
    if images.dtype.kind == "f":
        return np.asarray(np.maximum(images - offset, 0))
    return np.maximum(images.astype(np.int64) - offset, 0).astype(images.dtype)
