import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn import metrics as sk
from torchmetrics.classification import MulticlassJaccardIndex

from hqzoo.errors import ConfigError, DataError
from hqzoo.tasks.metrics import SegmentationMetrics, boundary_band, default_boundary_width
from tests.fixtures.processes import count_share

K = 5
IGNORE = 255
NAMES = tuple("abcde")


def blobs(seed, shape=(2, 24, 32), classes=K, coarse=4):
    """Label maps made of small rectangles, so that there are areas and contours."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, classes, (shape[0], -(-shape[1] // coarse), -(-shape[2] // coarse)))
    return small.repeat(coarse, 1).repeat(coarse, 2)[:, : shape[1], : shape[2]]


def case(seed, ignored=0.15, classes=K):
    rng = np.random.default_rng(seed + 10_000)
    truth = blobs(seed, classes=classes)
    prediction = np.where(rng.random(truth.shape) < 0.7, truth, blobs(seed + 1))
    truth = np.where(rng.random(truth.shape) < ignored, IGNORE, truth)
    return torch.from_numpy(prediction), torch.from_numpy(truth)


def scores(prediction, truth, **arguments):
    metric = SegmentationMetrics(K, **arguments)
    metric.update(prediction, truth)
    return metric.report(NAMES)


def column(report, name):
    return np.array([math.nan if row[name] is None else row[name] for row in report["classes"]])


@given(seed=st.integers(0, 10_000), classes=st.integers(1, K), ignored=st.sampled_from([0.0, 0.2, 0.9]))
@settings(max_examples=30, deadline=None)
def test_scores_are_scikit_learn_s(seed, classes, ignored):
    prediction, truth = case(seed, ignored, classes)
    report = scores(prediction, truth)
    t, p = truth[truth != IGNORE].numpy(), prediction[truth != IGNORE].numpy()
    labels = np.arange(K)
    assert report["confusion"] == sk.confusion_matrix(t, p, labels=labels).tolist()
    assert report["oa"] == pytest.approx(sk.accuracy_score(t, p))
    precision, recall, f1, support = sk.precision_recall_fscore_support(t, p, labels=labels, zero_division=0)
    iou = sk.jaccard_score(t, p, labels=labels, average=None, zero_division=0)
    expected = {"precision": precision, "recall": recall, "f1": f1, "iou": iou}
    for name, values in expected.items():
        np.testing.assert_allclose(column(report, name), np.where(support > 0, values, np.nan), atol=1e-12)
    assert report["miou"] == pytest.approx(iou[support > 0].mean())
    assert [row["truth_pixels"] for row in report["classes"]] == support.tolist()
    assert report["pixels"] == len(t)


@given(seed=st.integers(0, 10_000), classes=st.integers(1, K), ignored=st.sampled_from([0.0, 0.2, 0.9]))
@settings(max_examples=30, deadline=None)
def test_binary_accuracy_is_that_of_each_class_against_all_others(seed, classes, ignored):
    prediction, truth = case(seed, ignored, classes)
    report = scores(prediction, truth)
    right = [0] * K
    pairs = [
        (t, p) for t, p in zip(truth.flatten().tolist(), prediction.flatten().tolist(), strict=True) if t != IGNORE
    ]
    for k in range(K):
        for t, p in pairs:
            right[k] += (t == k and p == k) or (t != k and p != k)
    assert report["binary_accuracy"] == pytest.approx(sum(count / len(pairs) for count in right) / K, abs=1e-12)
    assert report["binary_accuracy"] == pytest.approx(1 - 2 * (1 - report["oa"]) / K, abs=1e-12)


def band_of_class(labels, k, width):
    """Cheng et al.'s mask minus its erosion, with the window's edge no contour."""
    mask = labels == k
    box = np.ones((3, 3), bool)
    return mask & ~np.stack([ndimage.binary_erosion(m, box, width, border_value=1) for m in mask])


@given(seed=st.integers(0, 10_000), width=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_boundary_iou_is_that_of_eroded_masks(seed, width):
    prediction, truth = (torch.from_numpy(blobs(s, coarse=7)) for s in (seed, seed + 1))
    report = scores(prediction, truth, boundary_width=width)
    for k in range(K):
        near_truth, near_prediction = (band_of_class(x.numpy(), k, width) for x in (truth, prediction))
        if near_truth.any():
            expected = (near_truth & near_prediction).sum() / (near_truth | near_prediction).sum()
            assert report["classes"][k]["boundary_iou"] == pytest.approx(expected)
        else:
            assert report["classes"][k]["boundary_iou"] is None
    assert report["boundary_iou"] == pytest.approx(np.nanmean(column(report, "boundary_iou")))


def test_boundary_band_around_unlabelled_pixels_by_brute_force():
    _, truth = case(3, ignored=0.3)
    labels, valid, width = truth.numpy(), truth.numpy() != IGNORE, 2
    expected = np.zeros(labels.shape, bool)
    for b, i, j in np.argwhere(valid):
        around = np.s_[b, max(0, i - width) : i + width + 1, max(0, j - width) : j + width + 1]
        expected[b, i, j] = (labels[around][valid[around]] != labels[b, i, j]).any()
    assert np.array_equal(boundary_band(truth, truth != IGNORE, width).numpy(), expected)


def test_band_is_two_percent_of_the_diagonal():
    assert default_boundary_width(128, 128) == 4  # 181 px
    assert default_boundary_width(512, 512) == 14  # 724 px
    assert default_boundary_width(8, 8) == 1
    truth = torch.zeros(1, 128, 128, dtype=torch.int64)
    truth[:, :, 64:] = 1
    shifted = torch.zeros_like(truth)
    shifted[:, :, 66:] = 1  # bands of 4 columns each, moved by 2: class 0 shares 2 of 6
    report = scores(shifted, truth)
    assert report["classes"][0]["boundary_iou"] == pytest.approx(2 / 6)
    assert report["boundary_iou"] == pytest.approx(2 / 6)


def test_a_class_without_truth_is_absent_and_not_averaged():
    truth = torch.zeros(1, 16, 16, dtype=torch.int64)
    truth[:, 8:] = 1
    prediction = truth.clone()
    prediction[:, :4] = 3  # predicted although it is nowhere
    report = scores(prediction, truth)
    assert [row["iou"] for row in report["classes"]] == [0.5, 1.0, None, None, None]
    assert report["classes"][3] == {
        "name": "d",
        "iou": None,
        "f1": None,
        "precision": None,
        "recall": None,
        "boundary_iou": None,
        "truth_pixels": 0,
        "predicted_pixels": 64,
    }
    assert report["miou"] == pytest.approx(0.75)
    json.dumps(report, allow_nan=False)


def test_a_class_never_predicted_scores_zero():
    truth = torch.zeros(1, 8, 8, dtype=torch.int64)
    truth[:, :4] = 1
    row = scores(torch.zeros_like(truth), truth)["classes"][1]
    assert (row["iou"], row["f1"], row["precision"], row["recall"], row["boundary_iou"]) == (0, 0, 0, 0, 0)


def test_a_split_without_labels_has_no_scores():
    prediction, truth = case(1)
    report = scores(prediction, torch.full_like(truth, IGNORE))
    assert (report["miou"], report["oa"], report["boundary_iou"], report["pixels"]) == (None, None, None, 0)
    assert report["binary_accuracy"] is None


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_scores_do_not_depend_on_batches(cut):
    pairs = [case(seed) for seed in range(4)]
    prediction, truth = (torch.cat(part) for part in zip(*pairs, strict=True))
    pieces = SegmentationMetrics(K)
    for p, t in zip(prediction.split(cut), truth.split(cut), strict=True):
        pieces.update(p, t)
    assert pieces.report(NAMES) == scores(prediction, truth)
    pieces.reset()
    assert pieces.report(NAMES)["pixels"] == 0


def one_class():
    metric = SegmentationMetrics(1)
    metric.update(torch.zeros(1, 4, 4, dtype=torch.int64), torch.zeros(1, 4, 4, dtype=torch.int64))
    return metric.report(("all",))


def test_a_single_class_is_a_list_of_one():
    assert one_class()["confusion"] == [[16]]
    assert one_class()["classes"][0]["iou"] == 1


@pytest.mark.parametrize("value", [-1, K, 254])
def test_unknown_labels_are_named(value):
    prediction, truth = case(2)
    truth[0, 0, 0] = value
    with pytest.raises(DataError, match=rf"holds \[{value}\].*0 to 4, or 255"):
        SegmentationMetrics(K).update(prediction, truth)


def test_width_must_be_positive():
    with pytest.raises(ConfigError, match="got 0"):
        SegmentationMetrics(K, boundary_width=0)


def test_two_processes_report_the_whole_split(tmp_path):
    batches = [case(seed) for seed in range(5)]
    context = torch.multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    arguments = (tmp_path / "store", batches, K, NAMES, queue)
    other = context.Process(target=count_share, args=(1, *arguments))
    other.start()
    count_share(0, *arguments)
    (report, local), (other_report, other_local) = queue.get(), queue.get()
    other.join()
    whole = SegmentationMetrics(K)
    for batch in batches:
        whole.update(*batch)
    assert report == other_report == whole.report(NAMES)
    assert local + other_local == report["pixels"]  # after the report each goes on with its own share


@given(seed=st.integers(0, 10_000), classes=st.integers(1, K), ignored=st.sampled_from([0.0, 0.2]))
@settings(max_examples=30, deadline=None)
def test_jaccard_is_that_of_scikit_learn_and_torchmetrics(seed, classes, ignored):
    """A class that is only predicted counts as 0, where mIoU leaves it out."""
    prediction, truth = case(seed, ignored, classes)
    report, there = scores(prediction, truth), truth != IGNORE
    t, p = truth[there], prediction[there]
    assert report["jaccard"] == pytest.approx(sk.jaccard_score(t, p, average="macro"))
    theirs = MulticlassJaccardIndex(K, average="macro")
    assert report["jaccard"] == pytest.approx(theirs(p, t).item(), abs=1e-6)
    present = {k for k, row in enumerate(report["classes"]) if row["truth_pixels"]}
    if present == {k for k, row in enumerate(report["classes"]) if row["truth_pixels"] + row["predicted_pixels"]}:
        assert report["jaccard"] == pytest.approx(report["miou"])
    else:
        assert report["jaccard"] < report["miou"] or report["miou"] == 0


def test_jaccard_without_class_0_is_that_of_torchmetrics():
    """Truth of class 0 is not counted, and no model predicts it: what a data module that ignores 0 makes of it."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, K + 1, (2, 9, 11), generator=generator)
    prediction = torch.randint(1, K + 1, (2, 9, 11), generator=generator)
    theirs = MulticlassJaccardIndex(K + 1, average="macro", ignore_index=0)(prediction, truth)
    report = scores(prediction - 1, torch.where(truth == 0, IGNORE, truth - 1))
    assert report["jaccard"] == pytest.approx(theirs.item(), abs=1e-6)
