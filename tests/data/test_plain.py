"""Values that travel in files, across versions."""

import json

import pytest

from hqzoo.data import Inputs, Sensor, Statistics, Targets
from hqzoo.errors import ConfigError, SensorError

VALUES = [
    Sensor(("VV", "VH"), "dB", 30.0, gsd=10.0, level="GRD", offset=-3.0),
    Statistics((1.0, 2.0), (3.0, 4.0), ((0.02, (0.0, 1.0)), (0.98, (5.0, 6.0)))),
    Targets("multilabel", ("sea", "land"), ((0, 0, 255), (0, 99, 0)), ignore=None),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_there_and_back_through_json(value):
    again = type(value).from_dict(json.loads(json.dumps(value.to_dict())))
    assert again == value
    assert hash(again) == hash(value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_fields_of_a_newer_version_are_told_and_kept(value):
    newer = {**value.to_dict(), "schema": 99, "polarisation": "dual"}
    with pytest.warns(UserWarning, match="newer hqzoo.*polarisation"):
        again = type(value).from_dict(newer)
    assert again == value
    assert again.to_dict() == newer


def test_unknown_fields_of_this_version_are_mistakes():
    with pytest.raises(SensorError, match="Did you mean 'bands'"):
        Sensor.from_dict({"band": ["red"]})
    with pytest.raises(SensorError, match="needs the fields"):
        Sensor.from_dict({"unit": "dB"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Targets("masks", ("a",)), "Did you mean 'mask'"),
        (lambda: Targets("label", ()), "one or more classes"),
        (lambda: Targets("label", ("a", "a")), "distinct names"),
        (lambda: Targets("label", ("a", "b"), ((0, 0, 0),)), "got 1 for 2"),
    ],
)
def test_targets_that_make_no_sense(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sensor(("a",), gsd=0.0), "ground sampling distance"),
        (lambda: Sensor(("a",), offset=float("nan")), "offset"),
        (lambda: Statistics((1.0,), (1.0,), ((2.0, (1.0,)),)), "share from 0 to 1"),
        (lambda: Inputs({"s2": Sensor(("a",))}, {}), "Every sensor needs statistics"),
        (
            lambda: Inputs({"s2": Sensor(("a", "b"))}, {"s2": Statistics((1.0,), (1.0,))}),
            "2 bands, but statistics of 1",
        ),
    ],
)
def test_inputs_that_make_no_sense(make, message):
    with pytest.raises(SensorError, match=message):
        make()


def test_the_single_sensor():
    one, many = Statistics((1.0,), (1.0,)), {"s2": Sensor(("a",)), "s1": Sensor(("b",))}
    assert Inputs({"image": Sensor(("a",))}, {"image": one}).single.bands == ("a",)
    with pytest.raises(SensorError, match="there are 2: s2, s1"):
        _ = Inputs(many, dict.fromkeys(many, one)).single
