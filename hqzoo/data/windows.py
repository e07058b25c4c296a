"""Data sets of windows: random crops for training, a regular grid for evaluation and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from hqzoo.data.augment import ColourJitter, dihedral, draw_symmetry, jitter_colours
from hqzoo.data.cache import RecordCache
from hqzoo.data.labels import IGNORE_INDEX
from hqzoo.data.records import Image, ImageRecord, Mask, Window
from hqzoo.data.resized import resize_image, resize_mask
from hqzoo.data.sensor import Sensor
from hqzoo.errors import ConfigError

__all__ = ["CropDataset", "GridDataset", "as_size", "grid_size", "read_padded"]

Size = tuple[int, int]  # height and width in pixels


def as_size(argument: str, value: int | Sequence[int]) -> Size:
    """Return a size given as one side or as height and width.

    Args:
        argument: Name of the argument, for the error message.
        value: Side of a square, or ``(height, width)``, in pixels.

    Raises:
        ConfigError: If these are no positive numbers.
    """
    sides = (value, value) if isinstance(value, int) else tuple(value)
    if len(sides) != 2 or min(sides) < 1:
        raise ConfigError(f"`{argument}` must be at least 1 (a side, or height and width, in pixels), got {value}.")
    return sides[0], sides[1]


class CropDataset(Dataset[dict[str, Any]]):
    """Random crops. The crop, its place and its augmentation follow from ``(seed, epoch, index)`` alone.

    Crop ``index`` of ``length`` is drawn from the ``index``-th of ``length`` equal shares of the total area (or
    weight), so that in every epoch each image gives its share of crops. With images of equal size and as many crops,
    each gives one.

    Args:
        records: Images with masks.
        cache: Memory of decoded images.
        sensor: Bands, unit and scale, for the colour jitter.
        crop_size: Height and width of a crop in pixels. Smaller images are reflected at their borders.
        length: Crops in an epoch.
        jitter: Colour changes; None for no augmentation, neither symmetries nor colours.
        seed: Seed of all crops.
        zoom: Smallest and largest magnification: a crop covers ``crop_size / zoom`` pixels and is resized, with a
            zoom whose logarithm is uniform; None: crops are as they are.
        weights: Share of each record in an epoch; None: its area.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        cache: RecordCache,
        sensor: Sensor,
        crop_size: Size,
        length: int,
        jitter: ColourJitter | None,
        seed: int,
        zoom: tuple[float, float] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        self.records, self.cache, self.sensor = records, cache, sensor
        self.crop_size, self.length, self.jitter, self.seed, self.zoom = crop_size, length, jitter, seed, zoom
        cache.make_room(records)
        areas = [record.height * record.width for record in records]
        shares = np.array(areas if weights is None else weights, dtype=np.float64)
        self._ends = np.cumsum(shares) / shares.sum()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int] | int) -> dict[str, Any]:
        """Return ``{"image": (C, h, w) float32, "mask": (h, w) int64, "name"}`` of a key ``(epoch, index)``.

        A bare index is one of epoch 0.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)
        rng = np.random.default_rng((self.seed, epoch, index))
        share, down, right = rng.random(3)
        record = self.records[int(np.searchsorted(self._ends, (index + share) / self.length, side="right"))]
        height, width = size = self._covered(rng)
        row = int(down * (max(0, record.height - height) + 1))
        col = int(right * (max(0, record.width - width) + 1))
        image, mask = read_padded(self.cache, record, row, col, size)
        image, mask = resize_image(image, self.crop_size), resize_mask(mask, self.crop_size)
        if self.jitter is not None:
            image, mask = dihedral(image, mask, draw_symmetry(self.crop_size, rng))
        values = np.array(image, dtype=np.float32, order="C")  # a copy: the cached image must not change
        if self.jitter is not None:
            values = jitter_colours(values, self.sensor, self.jitter, rng)
        labels = torch.from_numpy(mask.astype(np.int64))
        return {"image": torch.from_numpy(values), "mask": labels, "name": record.name}

    def _covered(self, rng: np.random.Generator) -> Size:
        """Return how many pixels of the image a crop covers."""
        if self.zoom is None:
            return self.crop_size
        zoom = np.exp(rng.uniform(*np.log(self.zoom)))
        return max(1, round(self.crop_size[0] / zoom)), max(1, round(self.crop_size[1] / zoom))


class GridDataset(Dataset[dict[str, Any]]):
    """Windows on a regular grid that covers every pixel of every image exactly once.

    Windows that reach over the lower or right border are filled by reflection, and ignored there.

    Args:
        records: Images, with or without masks.
        cache: Memory of decoded images.
        crop_size: Height and width of a window in pixels.
    """

    def __init__(self, records: Sequence[ImageRecord], cache: RecordCache, crop_size: Size) -> None:
        self.records, self.cache, self.crop_size = records, cache, crop_size
        cache.make_room(records)
        height, width = crop_size
        shapes = [(grid_size(record.height, height), grid_size(record.width, width)) for record in records]
        self._columns = np.array([columns for _, columns in shapes])
        self._starts = np.concatenate([[0], np.cumsum([rows * columns for rows, columns in shapes])])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return image, mask, ``name``, ``scene``, ``row``, ``col``, ``height`` and ``width`` of a window.

        The name is that of the image where one window covers it, else it also says where the window lies.

        ``-1 - index`` is the same window with every pixel ignored (see ``GridSampler``).
        """
        repeated = index < 0
        index = -1 - index if repeated else index
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        record = self.records[number]
        down, right = divmod(index - int(self._starts[number]), int(self._columns[number]))
        row, col = down * self.crop_size[0], right * self.crop_size[1]
        image, mask = read_padded(self.cache, record, row, col, self.crop_size)
        labels, alone = mask.astype(np.int64), self._starts[number + 1] - self._starts[number] == 1
        if repeated:
            labels[:] = IGNORE_INDEX
        return {
            "image": torch.from_numpy(np.array(image, dtype=np.float32, order="C")),
            "mask": torch.from_numpy(labels),
            "name": record.name if alone else f"{record.name}@{row},{col}",
            "scene": record.name,
            "row": row,
            "col": col,
            "height": record.height,
            "width": record.width,
        }


def grid_size(length: int, step: int) -> int:
    """Return how many windows of ``step`` pixels cover ``length`` pixels."""
    return -(-length // step)


def read_padded(cache: RecordCache, record: ImageRecord, row: int, col: int, size: Size) -> tuple[Image, Mask]:
    """Read a window that may reach over the lower and right border of its image.

    Beyond the border the image is reflected (without repeating the edge) and the mask ignored.

    Returns:
        Image ``(C, *size)`` and mask ``size`` uint8.
    """
    inside = Window(row, col, min(size[0], record.height - row), min(size[1], record.width - col))
    if (inside.height, inside.width) == size:
        return cache.read_window(record, inside)
    rows, cols = _reflected(row, size[0], record.height), _reflected(col, size[1], record.width)
    top, left = int(rows.min()), int(cols.min())
    source = Window(top, left, int(rows.max()) - top + 1, int(cols.max()) - left + 1)
    image, mask = cache.read_window(record, source)
    padded = np.full(size, IGNORE_INDEX, np.uint8)
    padded[: inside.height, : inside.width] = mask[row - top :, col - left :][: inside.height, : inside.width]
    return image[:, rows - top][:, :, cols - left], padded


def _reflected(start: int, size: int, length: int) -> npt.NDArray[np.int64]:
    """Indices ``start .. start + size - 1``, folded back like ``numpy.pad(mode="reflect")``."""
    period = max(1, 2 * (length - 1))
    folded = np.arange(start, start + size) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros(size, np.int64)
