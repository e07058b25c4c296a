"""Metrics and reports as values."""

import json
import math

import pytest

from hqzoo.errors import ConfigError
from hqzoo.tasks.metric import IOU, LOSS, MIOU, Metric, by_name
from hqzoo.tasks.report import Report


def report(**changes):
    own = {
        "scores": {"miou": 0.5, "loss": math.nan},
        "metrics": (MIOU, LOSS, IOU),
        "classes": ({"name": "lesion", "iou": 0.25, "truth_pixels": 9}, {"name": "skin", "iou": None}),
    }
    return Report(**{**own, **changes})


def test_direction_decides_what_is_better():
    assert MIOU.improves(0.6, 0.5)
    assert not MIOU.improves(math.nan, 0.5)
    assert LOSS.improves(0.4, 0.5)
    assert by_name("iou/lesion", (MIOU, IOU)) is IOU


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "a/b"}, "without '/'"),
        ({"name": ""}, "without '/'"),
        ({"name": "a", "direction": "up"}, "max or min"),
        ({"name": "a", "margin": 0.0}, "positive"),
    ],
)
def test_metrics_that_make_no_sense(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Metric(**arguments)


def test_scores_by_name():
    found = report()
    assert [found.score(name) for name in ("miou", "loss", "iou/lesion", "iou/skin")] == [0.5, None, 0.25, None]
    for name, message in {
        "moiu": "mean 'miou'",
        "iou/leson": "mean 'lesion'",
        "truth_pixels/lesion": "iou/lesion",
    }.items():
        with pytest.raises(ConfigError, match=message):
            found.score(name)


def test_there_and_back_through_json():
    found = report(scores={"miou": 0.5}, data={"folds": 5})
    stored = json.loads(json.dumps({**found.to_dict(), "row": "quantum"}, allow_nan=False))
    assert Report.from_dict(stored) == report(scores={"miou": 0.5}, data={"folds": 5})


def test_other_schemas_are_refused():
    with pytest.raises(ConfigError, match=r"schema 3.*Update hqzoo"):
        Report.from_dict({**report().to_dict(), "schema": 3})
    with pytest.raises(ConfigError, match=r"schema none.*Test the checkpoint again"):
        Report.from_dict({"miou": 0.5})
