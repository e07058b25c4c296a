"""Generated landscapes: LandCover.ai's five classes without a download, for quick starts and tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo._files import replacing
from hqzoo.data._progress import progress
from hqzoo.data.labels import ClassMap
from hqzoo.data.records import ArrayRecord, ImageRecord
from hqzoo.data.segmentation import SegmentationDataModule, Split
from hqzoo.data.sensor import Sensor
from hqzoo.data.sets.landscape_painter import paint
from hqzoo.errors import ConfigError

__all__ = ["CLASS_MAP", "PIXEL_SIZE", "SENSOR", "LandscapesDataModule", "render", "write_scene"]

CLASS_MAP = ClassMap(
    names=("background", "building", "woodland", "water", "road"),
    palette=((214, 208, 190), (200, 62, 50), (44, 110, 52), (58, 120, 196), (245, 190, 66)),
)
"""LandCover.ai's classes in LandCover.ai's order."""

SENSOR = Sensor(bands=("red", "green", "blue"))
"""An 8-bit colour camera."""

PIXEL_SIZE = 0.5
"""Metres on the ground; LandCover.ai has 0.25 and 0.5."""

_SMALLEST = 16  # pixels; below, there is no room for a road
_ORIGIN = (
    500_000.0,
    480_000.0,
)  # easting and northing of every scene's north-western corner: a field near Lodz
_EPSG = 2180  # Poland CS92, LandCover.ai's country and metres
_LANDSCAPES_OF_A_SEED = 1_000_000
_FIRST_OF_SPLIT = {"train": 0, "val": _LANDSCAPES_OF_A_SEED // 2, "test": 0}


def render(seed: int, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Render one landscape with its true land cover.

    Args:
        seed: Any non-negative integer; the same seed and size give the same bytes on every platform.
        size: (H, W) in pixels of 0.5 m, at least 16 each.

    Returns:
        Image (H, W, 3) uint8 and mask (H, W) uint8: 0 background, 1 building, 2 woodland, 3 water, 4 road.

    Raises:
        ConfigError: If the seed is negative or the size too small.
    """
    if seed < 0:
        raise ConfigError(f"The seed of a landscape is a non-negative integer, got {seed}.")
    if len(size) != 2 or min(size) < _SMALLEST:
        raise ConfigError(f"The size of a landscape is (H, W) of at least {_SMALLEST} pixels each, got {size}.")
    colour, mask = paint(seed, size)
    image = np.floor(colour + 0.5).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(1, 2, 0)), mask.astype(np.uint8)


class LandscapesDataModule(SegmentationDataModule):
    """Generated aerial landscapes of five classes, rendered in memory in a few seconds.

    Training and validation landscapes come from one base seed, test landscapes from another, so that nothing
    that was tuned while looking at the former has seen the latter. A per-pixel classifier of colours cannot
    solve them (see :mod:`hqzoo.data.sets.landscape_painter`). All numbers below are CHOICES.

    Args:
        train_landscapes: How many landscapes to train on.
        val_landscapes: How many to validate on; 0 for no validation.
        test_landscapes: How many to test and predict on.
        size: Side of each landscape in pixels of 0.5 m.
        train_seed: Base seed of the training and validation landscapes.
        test_seed: Base seed of the test landscapes.
        **common: Arguments of :class:`~hqzoo.data.segmentation.SegmentationDataModule`.

    Raises:
        ConfigError: If an argument is out of range or both base seeds are the same.
    """

    def __init__(
        self,
        train_landscapes: int = 64,
        val_landscapes: int = 8,
        test_landscapes: int = 16,
        size: int = 256,
        train_seed: int = 1,
        test_seed: int = 2,
        **common: Any,  # noqa: ANN401 - the base class checks them
    ) -> None:
        super().__init__(**common)
        counts = {"train": train_landscapes, "val": val_landscapes, "test": test_landscapes}
        for split, count in counts.items():
            low, high = 0 if split == "val" else 1, _LANDSCAPES_OF_A_SEED // 2
            if not low <= count <= high:
                raise ConfigError(f"`{split}_landscapes` must be from {low} to {high}, got {count}.")
        if train_seed < 0 or test_seed < 0 or train_seed == test_seed:
            raise ConfigError(
                "`train_seed` and `test_seed` must be two different non-negative integers, "
                f"got {train_seed} and {test_seed}: test landscapes must not be training landscapes."
            )
        if size < _SMALLEST:
            raise ConfigError(f"`size` must be at least {_SMALLEST} pixels, got {size}.")
        self.sensor, self.class_map = SENSOR, CLASS_MAP
        self.counts, self.size, self.train_seed, self.test_seed = counts, size, train_seed, test_seed

    def load_records(self, split: Split) -> Sequence[ImageRecord]:
        """Render the landscapes of a split, or find them rendered before in this process."""
        base = self.test_seed if split == "test" else self.train_seed
        first = base * _LANDSCAPES_OF_A_SEED + _FIRST_OF_SPLIT[split]
        return _landscapes(first, self.counts[split], self.size)


@lru_cache(maxsize=8)
def _landscapes(first: int, count: int, size: int) -> tuple[ArrayRecord, ...]:
    """Render ``count`` square landscapes from seed ``first`` on."""
    records = []
    for seed in progress(range(first, first + count), "Rendering landscapes"):
        image, mask = render(seed, (size, size))
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        planes.flags.writeable = mask.flags.writeable = False  # shared by all data modules of the process
        records.append(ArrayRecord(f"landscape_{seed}", planes, mask))
    return tuple(records)


def write_scene(path: str | Path, seed: int, size: tuple[int, int]) -> Path:
    """Write one landscape as a georeferenced GeoTIFF (EPSG:2180, 0.5 m), and its truth beside it.

    Args:
        path: File of the image, three 8-bit bands.
        seed: Seed of the landscape, as in :func:`render`.
        size: (H, W) in pixels.

    Returns:
        File of the truth mask, ``<name>_mask.tif`` in the same folder, on the same grid, with a colour table.

    Raises:
        ConfigError: If the seed or the size is out of range.
        WriteError: If a file cannot be written.
    """
    path = Path(path)
    truth = path.with_name(f"{path.stem}_mask.tif")
    image, mask = render(seed, size)
    _write_geotiff(path, image.transpose(2, 0, 1))
    _write_geotiff(truth, mask[None], CLASS_MAP)
    return truth


def _write_geotiff(path: Path, bands: npt.NDArray[np.uint8], classes: ClassMap | None = None) -> None:
    """Write ``bands`` (C, H, W) tiled and compressed, complete or not at all."""
    import rasterio  # here: rendering and training do without
    from rasterio.transform import from_origin

    profile = {
        "driver": "GTiff",
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": "uint8",
        "crs": f"EPSG:{_EPSG}",
        "transform": from_origin(*_ORIGIN, PIXEL_SIZE, PIXEL_SIZE),
        "photometric": "RGB" if classes is None else "PALETTE",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "deflate",
    }
    with replacing(path) as beside, rasterio.open(beside, "w", **profile) as file:
        file.write(bands)
        if classes is not None:
            file.write_colormap(1, dict(enumerate(classes.palette or ())))
            file.update_tags(1, classes=", ".join(classes.names))
