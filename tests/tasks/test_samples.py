"""Rows by sample: what repeats counts once, windows add up."""

import numpy as np
import pytest
import torch

from hqzoo.errors import DataError
from hqzoo.tasks import Samples


def test_a_sample_that_only_fills_a_batch_counts_once():
    samples = Samples()
    samples.add(["b", "a"], truth=torch.tensor([1, 0]), chance=torch.tensor([[0.1, 0.9], [0.5, 0.5]]))
    samples.add(["a", "c"], truth=torch.tensor([0, 2]), chance=torch.tensor([[0.5, 0.5], [0.2, 0.8]]).bfloat16())
    found = samples.gather()
    assert list(found["name"]) == ["a", "b", "c"]
    assert list(found["truth"]) == [0, 1, 2]
    np.testing.assert_allclose(found["chance"][:, 1], [0.5, 0.9, 0.8], rtol=1e-2)
    assert list(samples.gather()) == ["name", "group"]


def test_groups_are_those_of_the_samples_or_the_samples_themselves():
    samples = Samples()
    samples.add(["b", "a"], ["lake", "hill"], truth=torch.tensor([1, 0]))
    samples.add(["c"], truth=torch.tensor([2]))
    assert samples.gather()["group"].tolist() == ["hill", "lake", "c"]


def test_windows_of_a_scene_are_added_up():
    samples = Samples(windows=True)
    samples.add(["b", "a", "b"], tp=torch.tensor([[1, 2], [3, 4], [5, 6]]))
    samples.add(["a"], tp=torch.tensor([[10, 20]]))
    assert samples.gather()["tp"].tolist() == [[13, 24], [6, 8]]


def test_columns_must_fit():
    samples = Samples()
    with pytest.raises(DataError, match="'truth' has 1 rows for 2 samples"):
        samples.add(["a", "b"], truth=torch.tensor([1]))
    samples = Samples()
    samples.add(["a"], truth=torch.tensor([1]))
    with pytest.raises(DataError, match=r"columns \['truth'\], these have \['guess'\]"):
        samples.add(["b"], guess=torch.tensor([1]))
