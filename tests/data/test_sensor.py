"""Sensors and statistics: plain types, checks, and sentences about differences."""

from __future__ import annotations

import json
import re

import pytest

from hqzoo.data import Sensor, Statistics
from hqzoo.errors import SensorError

RGB = Sensor(("red", "green", "blue"))


@pytest.mark.parametrize("value", [RGB, Sensor(("VV", "VH"), "dB", 30.0), Statistics((1.5, 2.0), (0.5, 3.0))])
def test_plain_types_round_trip(value: Sensor | Statistics) -> None:
    plain = json.loads(json.dumps(value.to_dict()))
    assert type(value).from_dict(plain) == value
    assert hash(type(value).from_dict(plain)) == hash(value)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Sensor(("red", "green")), "bands differ: 3 .* against 2"),
        (Sensor(("blue", "green", "red")), "order of the bands"),
        (Sensor(RGB.bands, "reflectance x 1e4", 255.0), "units differ"),
        (Sensor(RGB.bands, scale=65535), "full scales differ: 255 against 65535"),
    ],
)
def test_difference_says_what(other: Sensor, words: str) -> None:
    sentence = RGB.difference(other)
    assert sentence is not None
    assert re.search(words, sentence)


def test_no_difference() -> None:
    assert RGB.difference(Sensor(["red", "green", "blue"])) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments", [{"bands": ()}, {"bands": ("a", "a")}, {"bands": "red"}, {"bands": ("a",), "scale": 0.0}]
)
def test_bad_sensors(arguments: dict[str, object]) -> None:
    with pytest.raises(SensorError):
        Sensor(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mean", "std"), [((1.0,), (0.0,)), ((float("nan"),), (1.0,)), ((1.0, 2.0), (1.0,)), ((), ())])
def test_bad_statistics(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(SensorError):
        Statistics(mean, std)


def test_unknown_field_names_the_nearest() -> None:
    with pytest.raises(SensorError, match="Did you mean 'bands'"):
        Sensor.from_dict({"band": ["red"]})
    with pytest.raises(SensorError, match="needs the fields"):
        Statistics.from_dict({"mean": [1.0]})
