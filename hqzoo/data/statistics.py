"""Mean and standard deviation per band, streamed over any amount of imagery in float64."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hqzoo._files import write_text
from hqzoo.data._progress import progress
from hqzoo.data.records import Record, RecordCache, Window
from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.errors import DataError, SensorError

__all__ = ["cached_statistics", "compute_statistics"]

_STRIP_PIXELS = 4 << 20  # pixels in one piece: 32 MiB a band in float64


def compute_statistics(records: Sequence[Record], cache: RecordCache, sensor: Sensor) -> Statistics:
    """Compute the statistics of every pixel of the given images that is not missing, by Chan's pairwise update.

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
    count, mean, squares = 0, np.zeros(len(sensor)), np.zeros(len(sensor))
    for record in progress(records, "statistics of the training split"):
        for window in _strips(record):
            image, _ = cache.read(record, window)
            if len(image) != len(sensor):
                raise DataError(
                    f"The image {record.name} has {len(image)} bands, but {len(sensor)} are expected: "
                    f"{', '.join(sensor.bands)}."
                )
            missing = record.missing(window)
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
        raise DataError(f"Statistics need at least one pixel that is not missing; got none in {len(records)} image(s).")
    std = np.sqrt(squares / count)
    return Statistics(tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist()))


def cached_statistics(
    path: Path, key: str, records: Sequence[Record], cache: RecordCache, sensor: Sensor
) -> Statistics:
    """Return the statistics stored in a JSON file, or compute and store them.

    Args:
        path: File to keep them in.
        key: What they were computed of; another key makes the file stale.
        records: Images of the training split.
        cache: Memory of decoded images.
        sensor: Sensor that the images must fit.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["key"] == key and Sensor.from_dict(stored["sensor"]) == sensor:
            return Statistics.from_dict(stored["statistics"])
    except (OSError, ValueError, KeyError, TypeError, SensorError):
        pass  # absent, half-written by an old crash or from another version: compute it again
    statistics = compute_statistics(records, cache, sensor)
    content = {"key": key, "sensor": sensor.to_dict(), "statistics": statistics.to_dict()}
    write_text(path, json.dumps(content, indent=2))
    return statistics


def _strips(record: Record) -> Iterator[Window]:
    rows = max(1, _STRIP_PIXELS // record.width)
    for row in range(0, record.height, rows):
        yield Window(row, 0, min(rows, record.height - row), record.width)
