"""Samples of whole images, with labels or without any targets, of one sensor or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from hqzoo.data.augment import ColourJitter, dihedral, draw_symmetry, jitter_colours
from hqzoo.data.cache import RecordCache
from hqzoo.data.records import Record
from hqzoo.data.sensor import Sensor
from hqzoo.errors import DataError

__all__ = ["WholeSamples"]


class WholeSamples(Dataset[dict[str, Any]]):
    """One sample a record: its images by sensor, its other arrays as they are, and its name.

    Args:
        records: Records whose :meth:`~hqzoo.data.records.Record.arrays` hold an image per sensor.
        cache: Memory of decoded images.
        sensors: Sensors by name.
        shapes: Shape ``(C, H, W)`` of their images.
        jitter: Colour changes; None for no augmentation, neither symmetries nor colours. All sensors get the same
            symmetry.
        seed: Seed of the augmentation, which follows from ``(seed, epoch, index)`` alone.
    """

    def __init__(
        self,
        records: Sequence[Record],
        cache: RecordCache,
        sensors: Mapping[str, Sensor],
        shapes: Mapping[str, tuple[int, int, int]],
        jitter: ColourJitter | None = None,
        seed: int = 0,
    ) -> None:
        self.records, self.cache, self.sensors, self.shapes = records, cache, dict(sensors), dict(shapes)
        self.jitter, self.seed = jitter, seed
        cache.make_room(records)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int] | int) -> dict[str, Any]:
        """Return a sample by ``(epoch, index)`` for training, or by its index; ``-1 - index`` is the same once more.

        Raises:
            DataError: If an image has another shape than the others.
        """
        epoch, index = key if isinstance(key, tuple) else (0, -1 - key if key < 0 else key)
        record, rng = self.records[index], np.random.default_rng((self.seed, epoch, index))
        sample: dict[str, Any] = {"name": record.name}
        element = None if self.jitter is None else draw_symmetry(next(iter(self.shapes.values()))[1:], rng)
        for name, array in self.cache.read(record).items():
            if name not in self.sensors:
                sample[name] = torch.from_numpy(array.copy())
                continue
            if array.shape != self.shapes[name]:
                raise DataError(
                    f"The image of {record.name} has the shape {array.shape}, but others {self.shapes[name]} (bands, "
                    "height, width). Images of different sizes do not fit into one batch: resize them (`size`)."
                )
            image = array if element is None else dihedral(array, array[0], element)[0]
            values = np.array(image, dtype=np.float32, order="C")  # a copy: the cached image must not change
            if self.jitter is not None:
                values = jitter_colours(values, self.sensors[name], self.jitter, rng)
            sample[name] = torch.from_numpy(values)
        return sample
