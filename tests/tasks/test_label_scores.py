"""Scores of labels against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from hqzoo.tasks.label_scores import label_scores

CLASSES = ("a", "b", "c", "d")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_single_labels(seed, count):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, count)  # the fourth class may be predicted, but never is there
    probability = rng.dirichlet(np.full(4, 0.5), count).astype(np.float32)
    predicted = probability.argmax(1)
    scores, rows = label_scores(truth, probability, CLASSES)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted))
    assert scores["micro_f1"] == pytest.approx(sk.f1_score(truth, predicted, average="micro"))
    assert scores["macro_f1"] == pytest.approx(sk.f1_score(truth, predicted, average="macro"))  # over classes seen
    for k, row in enumerate(rows):
        if k in truth:
            own = {"labels": [k], "average": "macro", "zero_division": 0}
            assert row["precision"] == pytest.approx(sk.precision_score(truth, predicted, **own))
            assert row["recall"] == pytest.approx(sk.recall_score(truth, predicted, **own))
        else:
            assert row["recall"] is None
        assert (row["images"], row["predicted_images"]) == ((truth == k).sum(), (predicted == k).sum())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40), threshold=st.sampled_from([0.3, 0.5, 0.8]))
def test_several_labels(seed, count, threshold):
    rng = np.random.default_rng(seed)
    truth = (rng.random((count, 4)) < [0.5, 0.3, 0.1, 0.6]).astype(np.float32)
    probability = rng.random((count, 4)).astype(np.float32)
    predicted = probability >= threshold
    scores, rows = label_scores(truth, probability, CLASSES, threshold)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted))
    if truth.any() or predicted.any():
        assert scores["micro_f1"] == pytest.approx(sk.f1_score(truth, predicted, average="micro"))
    present = truth.any(0) | predicted.any(0)
    f1 = sk.f1_score(truth, predicted, average=None, zero_division=0)
    assert [row["f1"] for row in rows] == [
        pytest.approx(x) if there else None for x, there in zip(f1, present, strict=True)
    ]
    if present.any():
        assert scores["macro_f1"] == pytest.approx(f1[present].mean())


def test_calibration_by_hand():
    """Two images at 90 % of which one is right, and one at 60 % that is: |0.9 - 0.5| x 2/3 + |0.6 - 1| x 1/3."""
    probability = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]], np.float32)
    scores, _ = label_scores(np.array([0, 1, 1]), probability, ("a", "b"))
    assert scores["ece"] == pytest.approx(0.4 * 2 / 3 + 0.4 / 3, abs=1e-6)


def test_nothing_to_score():
    scores, rows = label_scores(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), ("a", "b"))
    assert set(scores.values()) == {None}
    assert [row["f1"] for row in rows] == [None, None]
