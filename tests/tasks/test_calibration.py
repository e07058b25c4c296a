"""Soft IoU and calibration error against plain loops."""

import numpy as np
import pytest
import torch

from hqzoo.errors import DivergedError
from hqzoo.tasks.calibration import probability_counts
from hqzoo.tasks.count_scores import calibration_error, soft_iou

K, IGNORE = 3, 255


def batch(seed, classes=K):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, K, 9, 7, generator=generator)
    truth = torch.randint(0, classes, (2, 9, 7), generator=generator)
    truth[torch.rand(truth.shape, generator=generator) < 0.2] = IGNORE
    return logits, truth


def pixels(batches):
    """Probabilities (N, K) and labels (N,) of all labelled pixels, in double precision."""
    p = np.concatenate([logits.double().softmax(1).movedim(1, -1).reshape(-1, K).numpy() for logits, _ in batches])
    y = np.concatenate([truth.reshape(-1).numpy() for _, truth in batches])
    return p[y != IGNORE], y[y != IGNORE]


def counted(batches):
    parts = [probability_counts(logits, truth, IGNORE) for logits, truth in batches]
    totals = {name: sum(part[name].sum(0) for part in parts).numpy() for name in ("soft", "calibration")}
    return {"soft_iou": soft_iou(totals["soft"]), "ece": calibration_error(totals["calibration"])}


def test_soft_iou_is_over_all_pixels_at_once():
    batches = [batch(0), batch(1), batch(2)]
    p, y = pixels(batches)
    found = counted(batches)["soft_iou"]
    for k in range(K):
        both = p[y == k, k].sum()
        assert found[k] == pytest.approx(both / ((y == k).sum() + p[:, k].sum() - both), rel=1e-6)


def test_calibration_error_is_the_weighted_gap_of_fifteen_bins():
    batches = [batch(3), batch(4)]
    p, y = pixels(batches)
    confidence, right = p.max(1), p.argmax(1) == y
    error = 0.0
    for number in range(15):
        inside = (confidence >= number / 15) & ((confidence < (number + 1) / 15) | (number == 14))
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert counted(batches)["ece"] == pytest.approx(error, rel=1e-5)


def test_sure_and_right_is_perfect():
    _, truth = batch(5)
    logits = torch.nn.functional.one_hot(truth.where(truth != IGNORE, 0), K).movedim(-1, 1) * 100.0
    report = counted([(logits, truth)])
    assert report["soft_iou"] == pytest.approx([1, 1, 1])
    assert report["ece"] == pytest.approx(0, abs=1e-9)


def test_an_absent_class_and_an_empty_split_have_no_score():
    report = counted([batch(6, classes=2)])
    assert np.isnan(report["soft_iou"]).tolist() == [False, False, True]
    logits, truth = batch(7)
    empty = counted([(logits, torch.full_like(truth, IGNORE))])
    assert np.isnan([*empty["soft_iou"], empty["ece"]]).all()


def test_every_window_has_counts_of_its_own():
    logits, truth = batch(8)
    whole = probability_counts(logits, truth, IGNORE)
    for k in range(2):
        alone = probability_counts(logits[k : k + 1], truth[k : k + 1], IGNORE)
        assert all(torch.equal(whole[name][k], alone[name][0]) for name in alone)
    assert {counts.dtype for counts in whole.values()} == {torch.int64}  # fits devices without float64


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_model_has_no_score(value):
    logits, truth = batch(0)
    logits[0, 1, 2, 3] = value
    with pytest.raises(DivergedError, match="outputs are not finite"):
        probability_counts(logits, truth, IGNORE)
