"""Bins of a reliability diagram: the calibration error that follows from them is that of torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from hqzoo.tasks.label_scores import reliability_of_labels
from hqzoo.tasks.reliability import Reliability, reliability_bins
from tests.tasks.test_calibration import IGNORE, K, batch, pixels


def error(rows):
    """Expected calibration error of bins."""
    total = sum(row["count"] for row in rows)
    return sum(row["count"] * abs(row["confidence"] - row["accuracy"]) for row in rows if row["count"]) / total


def test_bins_of_pixels():
    counted, batches = Reliability(IGNORE), [batch(5), batch(6)]
    for logits, truth in batches:
        counted.update(logits, truth)
    rows = reliability_bins(counted.compute().numpy())
    p, y = map(torch.from_numpy, pixels(batches))
    assert sum(row["count"] for row in rows) == len(y)
    assert error(rows) == pytest.approx(float(multiclass_calibration_error(p.float(), y, K, n_bins=15)), abs=1e-6)
    assert [row["low"] for row in rows[1:]] == [row["high"] for row in rows[:-1]]


def test_batches_do_not_matter():
    one, two = Reliability(IGNORE), Reliability(IGNORE)
    parts = [batch(7), batch(8)]
    for part in parts:
        one.update(*part)
    two.update(*(torch.cat(column) for column in zip(*parts, strict=True)))
    assert torch.equal(one.compute(), two.compute())


def test_outputs_that_are_not_finite_count_as_unsure():
    counted = Reliability(IGNORE)
    logits, truth = batch(9)
    counted.update(logits.fill_(torch.nan), truth)
    rows = reliability_bins(counted.compute().numpy())
    assert rows[0]["count"] == int((truth != IGNORE).sum())


def test_bins_of_labels():
    rng = np.random.default_rng(0)
    chance = rng.dirichlet(np.ones(K), 200).astype(np.float32)
    truth = rng.integers(0, K, 200)
    expected = multiclass_calibration_error(torch.from_numpy(chance), torch.from_numpy(truth), K, n_bins=15)
    assert error(reliability_of_labels(truth, chance)) == pytest.approx(float(expected), abs=1e-6)


def test_bins_of_several_labels():
    rng = np.random.default_rng(1)
    chance, truth = rng.random((50, K)).astype(np.float32), rng.integers(0, 2, (50, K))
    flat = torch.from_numpy(chance).flatten(), torch.from_numpy(truth).flatten()
    assert error(reliability_of_labels(truth, chance)) == pytest.approx(
        float(binary_calibration_error(*flat, n_bins=15)), abs=1e-6
    )
