"""Mean and standard deviation per band, streamed over any amount of imagery in float64."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo._files import write_text
from hqzoo.data._progress import progress
from hqzoo.data.cache import RecordCache
from hqzoo.data.records import ImageRecord, Missing, Record, Window
from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.errors import DataError, SensorError

__all__ = ["compute_statistics", "record_statistics", "stored_statistics"]

Piece = tuple[str, npt.NDArray[Any], Missing | None]  # name of the record, pixels (C, h, w), which are missing (h, w)

_STRIP_PIXELS = 4 << 20  # pixels in one piece: 32 MiB a band in float64


def compute_statistics(records: Sequence[ImageRecord], cache: RecordCache, sensor: Sensor) -> Statistics:
    """Compute the statistics of every pixel of the given images that is not missing.

    Args:
        records: Images of the training split.
        cache: Memory of decoded images; it is warm afterwards.
        sensor: Sensor that the images must fit.

    Returns:
        Mean and population standard deviation per band in the sensor's unit. A constant band gets deviation
        1: it carries nothing, and dividing by its own deviation would carry less.

    Raises:
        DataError: If an image has another number of bands, or cannot be read.
    """
    cache.make_room(records)
    shown = progress(records, "statistics of the training split")
    pieces = (
        (record.name, cache.read_window(record, window)[0], record.missing(window))
        for record in shown
        for window in _strips(record)
    )
    return _summed_up(pieces, sensor, len(records))


def record_statistics(
    records: Sequence[Record], cache: RecordCache, sensors: Mapping[str, Sensor]
) -> dict[str, Statistics]:
    """Compute the statistics of every pixel of records of any kind, by sensor; see :func:`compute_statistics`."""
    cache.make_room(records)
    return {
        name: _summed_up(
            (
                (record.name, cache.read(record)[name], None)
                for record in progress(records, f"statistics of {name} in the training split")
            ),
            sensor,
            len(records),
        )
        for name, sensor in sensors.items()
    }


def stored_statistics(
    path: Path | None, key: str, compute: Callable[[], Mapping[str, Statistics]]
) -> dict[str, Statistics]:
    """Return the statistics stored in a JSON file, or compute and store them.

    Args:
        path: File to keep them in; None: they are not kept.
        key: What they were computed of; another key makes the file stale.
        compute: Computes them, by sensor.
    """
    if path is None:
        return dict(compute())
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return {name: Statistics.from_dict(each) for name, each in stored["statistics"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SensorError):
        pass  # absent, half-written by an old crash or from another version: compute it again
    found = dict(compute())
    content = {"key": key, "statistics": {name: each.to_dict() for name, each in found.items()}}
    write_text(path, json.dumps(content, indent=2))
    return found


def _summed_up(pieces: Iterable[Piece], sensor: Sensor, images: int) -> Statistics:
    """Sum up pieces of images by Chan's pairwise update."""
    count, mean, squares = 0, np.zeros(len(sensor)), np.zeros(len(sensor))
    for name, image, missing in pieces:
        if len(image) != len(sensor):
            raise DataError(
                f"The image {name} has {len(image)} bands, but {len(sensor)} are expected: {', '.join(sensor.bands)}."
            )
        valid = ... if missing is None or not missing.any() else ~missing
        n = image[0][valid].size
        if not n:
            continue
        for band, values in enumerate(image):
            pixels = values[valid].astype(np.float64)
            centre = pixels.mean()
            pixels -= centre
            gap = centre - mean[band]
            squares[band] += np.vdot(pixels, pixels) + gap**2 * count * n / (count + n)
            mean[band] += gap * n / (count + n)
        count += n
    if not count:
        raise DataError(f"Statistics need at least one pixel that is not missing; got none in {images} image(s).")
    std = np.sqrt(squares / count)
    return Statistics(tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist()))


def _strips(record: ImageRecord) -> Iterator[Window]:
    rows = max(1, _STRIP_PIXELS // record.width)
    for row in range(0, record.height, rows):
        yield Window(row, 0, min(rows, record.height - row), record.width)
