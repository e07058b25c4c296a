"""Streamed statistics against exact sums."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hqzoo.data import ArrayRecord, Sensor, statistics
from hqzoo.data.cache import RecordCache
from hqzoo.data.statistics import compute_statistics, stored_statistics
from hqzoo.errors import DataError

TWO = Sensor(("a", "b"), "reflectance x 1e4", 10_000.0)


def records(dtype: type = np.float32, offset: float = 0.0) -> list[ArrayRecord]:
    rng = np.random.default_rng(0)
    shapes = [(30, 40), (7, 90), (64, 3)]
    return [
        ArrayRecord(str(i), (rng.uniform(0, 200, (2, *shape)) + offset).astype(dtype)) for i, shape in enumerate(shapes)
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("strip", [1, 64, 1 << 22])
def test_equal_to_all_pixels_at_once(dtype: type, strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_STRIP_PIXELS", strip)
    images = records(dtype)
    pixels = np.concatenate([image.image.reshape(2, -1) for image in images], axis=1).astype(np.longdouble)
    found = compute_statistics(images, RecordCache(0), TWO)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=1).astype(float), rtol=1e-13)
    np.testing.assert_allclose(found.std, pixels.std(axis=1).astype(float), rtol=1e-12)


def test_a_large_offset_does_not_cancel() -> None:
    far = compute_statistics(records(np.float64, 1e8), RecordCache(0), TWO)
    near = compute_statistics(records(np.float64), RecordCache(0), TWO)
    np.testing.assert_allclose(far.std, near.std, rtol=1e-7)  # the sum of squares would lose all digits


def test_constant_band_gets_deviation_one() -> None:
    image = np.stack([np.full((4, 4), 7, np.uint8), np.arange(16, dtype=np.uint8).reshape(4, 4)])
    found = compute_statistics([ArrayRecord("a", image)], RecordCache(0), TWO)
    assert found.mean[0] == 7
    assert found.std[0] == 1
    assert found.std[1] == pytest.approx(np.sqrt((16**2 - 1) / 12))


def test_other_number_of_bands_names_the_image() -> None:
    with pytest.raises(DataError, match="image x has 3 bands, but 2"):
        compute_statistics([ArrayRecord("x", np.zeros((3, 4, 4), np.uint8))], RecordCache(0), TWO)
    with pytest.raises(DataError, match="at least one"):
        compute_statistics([], RecordCache(0), TWO)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": "k"}', '{"key": "k", "statistics": {"image": []}}'])
def test_damaged_store_is_computed_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "deep" / "statistics.json"
    path.parent.mkdir()
    path.write_text(content)
    expected = {"image": compute_statistics(records(), RecordCache(0), TWO)}
    assert stored_statistics(path, "k", lambda: expected) == expected
    assert json.loads(path.read_text())["key"] == "k"
    assert stored_statistics(path, "k", dict) == expected  # now read from the file
