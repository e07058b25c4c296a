"""Recall of small objects, drawn by hand."""

import pytest
import torch

from hqzoo.errors import ConfigError
from hqzoo.tasks.small_objects import SmallObjectRecall

IGNORE = 255


def canvas():
    """Background with three small squares of class 1, one large one, one at the edge and one beside the unlabelled."""
    truth = torch.zeros(1, 40, 40, dtype=torch.int64)
    truth[0, 2:4, 2:4] = 1
    truth[0, 2:4, 10:12] = 1
    truth[0, 10:12, 2:4] = 1
    truth[0, 12, 4] = 1  # a corner neighbour belongs to the last one
    truth[0, 20:30, 20:30] = 1  # 100 pixels
    truth[0, 0:2, 30:32] = 1  # at the edge
    truth[0, 35:37, 5:7] = 1
    truth[0, 37, 7] = IGNORE
    return truth


def recall(prediction, truth, max_area=16):
    metric = SmallObjectRecall(3, IGNORE, max_area)
    metric.update(prediction, truth)
    return metric.report()


def test_objects_are_counted_one_by_one():
    truth = canvas()
    prediction = torch.zeros_like(truth)
    prediction[0, 2:4, 2:3] = 1  # half of the first: found
    prediction[0, 2, 10] = 1  # a quarter of the second: missed
    prediction[0, 10:12, 2:4] = 1  # 4 of 5 pixels of the third
    report = recall(prediction, truth)
    assert report["objects"] == [0, 3, 0]  # the background is one large area that touches the edge
    assert report["recall"][1] == pytest.approx(2 / 3)
    assert report["recall"][0] is None
    assert (report["total_objects"], report["total_recall"]) == (3, pytest.approx(2 / 3))


def test_the_bound_on_the_area_counts():
    truth = canvas()
    assert recall(truth, truth, max_area=100)["objects"] == [0, 4, 0]
    assert recall(truth, truth, max_area=4)["objects"] == [0, 2, 0]
    assert recall(truth, truth, max_area=100)["total_recall"] == 1.0


def test_another_class_in_its_place_is_not_found():
    truth = canvas()
    assert recall(torch.full_like(truth, 2), truth)["total_recall"] == 0.0


def test_without_small_objects_there_is_no_recall():
    blank = torch.zeros(2, 8, 8, dtype=torch.int64)
    assert recall(blank, blank) == {
        "recall": [None] * 3, "objects": [0] * 3, "total_recall": None, "total_objects": 0,
    }  # fmt: skip


def test_processes_count_together():
    """With every process holding the same three objects, there are six."""
    truth = canvas()
    metric = SmallObjectRecall(3, IGNORE, 16)
    metric.distributed_available_fn = lambda: True
    metric.dist_sync_fn = lambda state, group=None: [state, state]
    metric.update(truth, truth)
    report = metric.report()
    assert (report["objects"], report["total_objects"], report["total_recall"]) == ([0, 6, 0], 6, 1.0)


def test_a_bound_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="max_area=0"):
        SmallObjectRecall(3, max_area=0)
