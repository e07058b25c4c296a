"""Samples of GEO-Bench version 1: one HDF5 file each, an array a band, the label in an array or beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hqzoo.data.geobench.bands import claimed
from hqzoo.data.geobench.plain_pickle import Array, load_plain
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import Image, ImageRecord, Mask, Record, Window
from hqzoo.errors import ConfigError, DataError

__all__ = ["Bands", "LabelledSample", "MaskedSample", "as_label", "open_sample", "read_bands"]

# Classes of the benchmark's own package whose objects describe bands and places inside samples.
_BANDS = (
    "BandInfo", "SpectralBand", "Sentinel1", "Sentinel2", "Landsat8", "Mask", "CloudProbability", "SegmentationClasses",
    "ElevationBand", "MultiBand", "HyperSpectralBands",
)  # fmt: skip
_DESCRIBED = frozenset(
    {"affine.Affine", "rasterio.crs.CRS"}
    | {f"{module}.{name}" for module in ("geobench.dataset", "geobench.io.dataset") for name in _BANDS}
)


class Bands(NamedTuple):
    """What to read of every sample for one sensor."""

    names: tuple[str, ...]
    """Claimed bands, in the order wanted; the same may come twice."""
    factor: float
    """What values are multiplied by."""


@contextmanager
def open_sample(path: Path) -> Iterator[Any]:
    """Open a sample.

    Raises:
        ConfigError: If h5py is not installed.
        DataError: If the file is missing or damaged.
    """
    try:
        h5py = import_module("h5py")
    except ModuleNotFoundError:
        raise ConfigError(
            'GEO-Bench needs the extra "geobench": no module named "h5py". Install it: pip install "hqzoo[geobench]"'
        ) from None
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:  # how h5py tells of damaged files
        raise DataError(f"Cannot read the sample {path}: {error}. Get the file again.") from error


def keys_of(file: Any, path: Path) -> dict[str, str]:  # noqa: ANN401 - h5py's file
    """Return claimed band to the name of its array.

    Raises:
        DataError: If a band comes twice, at two dates.
    """
    keys: dict[str, str] = {}
    for key in file:
        if (band := claimed(key)) is None:
            continue
        if band in keys:
            raise DataError(f"The sample {path} has {band} twice: '{keys[band]}' and '{key}'. Expected one date.")
        keys[band] = key
    return keys


def read_bands(file: Any, path: Path, bands: Bands, window: Window | None = None) -> Image:  # noqa: ANN401
    """Read bands ``(C, h, w)`` of an open sample.

    Raises:
        DataError: If a band is missing, of another size, or holds what is no number.
    """
    keys, planes = keys_of(file, path), dict[str, Image]()
    for band in dict.fromkeys(bands.names):
        if band not in keys:
            raise DataError(f"The sample {path} has no array for {band}; it has {', '.join(keys) or 'no band'}.")
        planes[band] = _plane(file[keys[band]], path, window)
    if len({plane.shape for plane in planes.values()}) > 1:
        sizes = ", ".join(f"{band} {'x'.join(map(str, plane.shape))}" for band, plane in planes.items())
        raise DataError(f"The bands of the sample {path} differ in size: {sizes}.")
    image = np.stack([planes[band] for band in bands.names])
    if image.dtype.kind not in "uif" or not np.isfinite(image).all():
        raise DataError(f"The sample {path} holds NaN, infinite values or no numbers at all ({image.dtype}).")
    return image if bands.factor == 1 else (image * np.float32(bands.factor)).astype(np.float32)


def _plane(array: Any, path: Path, window: Window | None) -> npt.NDArray[Any]:  # noqa: ANN401 - h5py's data set
    if getattr(array, "ndim", 0) != 2:
        raise DataError(f"The array '{array.name}' of the sample {path} is no image of height and width.")
    if window is None:
        return np.asarray(array[()])
    return np.asarray(array[window.row : window.row + window.height, window.col : window.col + window.width])


def stored_label(file: Any, path: Path) -> object:  # noqa: ANN401 - h5py's file
    """Return the label of an open sample out of its description, of which nothing is run.

    Raises:
        DataError: If there is none, or the description is more than plain data.
    """
    text = file.attrs.get("pickle")
    if text is None:
        raise DataError(f"The sample {path} has no attribute 'pickle', which holds its label.")
    found = load_plain(text, path, _DESCRIBED)
    if not isinstance(found, dict) or "label" not in found:
        raise DataError(f"The description of the sample {path} names no 'label'.")
    label = found["label"]
    return label.values if isinstance(label, Array) else label


def as_label(value: object, classes: int, several: bool, source: object) -> npt.NDArray[Any]:
    """Return a label as samples hold it: int64 (), or 0 and 1 of every class, float32 (K,).

    Args:
        value: A class number, or 0 or 1 for each class.
        classes: Number of classes.
        several: Whether an image has any number of classes.
        source: Where it comes from, for the error message.

    Raises:
        DataError: If it is no such label.
    """
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.full((), np.nan)
    hot = found.shape == (classes,) and bool(np.isin(found, (0, 1)).all())
    if several and hot:
        return found.astype(np.float32)
    if not several and hot and found.sum() == 1:
        return np.asarray(found.argmax(), np.int64)
    if not several and found.size == 1 and 0 <= found.item() < classes and found.item() == int(found.item()):
        return found.reshape(()).astype(np.int64)
    expected = f"0 or 1 for each of {classes} classes" if several else f"a class number from 0 to {classes - 1}"
    raise DataError(f"The label of {source} is {value}; expected {expected}.")


class LabelledSample(Record):
    """A sample with one label or several.

    Args:
        path: Its file.
        sensors: What to read for each sensor.
        shapes: Shape ``(C, H, W)`` of the images, by sensor.
        classes: Number of classes.
        several: Whether it has any number of classes.
        stated: Its label where a table states it; None: it is in the file.
    """

    def __init__(
        self,
        path: Path,
        sensors: Mapping[str, Bands],
        shapes: Mapping[str, tuple[int, int, int]],
        classes: int,
        several: bool,
        stated: Sequence[float] | None = None,
    ) -> None:
        super().__init__(path.stem)
        self.path, self.sensors, self.shapes = path, sensors, shapes
        self.classes, self.several, self.stated = classes, several, stated

    @property
    def file(self) -> Path:
        """The sample's file."""
        return self.path

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return an image per sensor, and ``label``: int64 (), or float32 (K,)."""
        with open_sample(self.path) as file:
            arrays = {name: read_bands(file, self.path, bands) for name, bands in self.sensors.items()}
            label = stored_label(file, self.path) if self.stated is None else self.stated
        for name, image in arrays.items():
            check_shape(self.path, image.shape, self.shapes[name])
        return {**arrays, "label": as_label(label, self.classes, self.several, self.path)}


class MaskedSample(ImageRecord):
    """A sample with a class mask.

    Args:
        path: Its file.
        bands: What to read.
        size: Height and width.
        class_map: Classes of the mask.
    """

    def __init__(self, path: Path, bands: Bands, size: tuple[int, int], class_map: ClassMap) -> None:
        super().__init__(path.stem, *size)
        self.path, self.bands, self.class_map = path, bands, class_map

    @property
    def file(self) -> Path:
        """The sample's file."""
        return self.path

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Read bands and mask (see :class:`~hqzoo.data.records.ImageRecord`)."""
        with open_sample(self.path) as file:
            image = read_bands(file, self.path, self.bands, window)
            if "label" not in file:
                raise DataError(f"The sample {self.path} has no array 'label', which is its mask.")
            raw = _plane(file["label"], self.path, window)
        expected = (self.height, self.width) if window is None else (window.height, window.width)
        check_shape(self.path, image.shape, (len(self.bands.names), *expected))
        check_shape(self.path, (1, *raw.shape), (1, *expected))
        return image, self.class_map.encode(raw, self.path)


def check_shape(path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Refuse a sample of another size than the first one.

    Raises:
        DataError: If the shapes differ.
    """
    if shape != expected:
        raise DataError(
            f"The sample {path} has {' x '.join(map(str, shape))} (bands x height x width), but the first one "
            f"{' x '.join(map(str, expected))}."
        )
