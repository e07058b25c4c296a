import pytest
import torch

from hqzoo.callbacks.pace import Pace


def test_validation_within_an_epoch_does_not_count():
    time = 0.0
    pace = Pace(lambda: time)
    time = 5.0  # before the epoch
    pace.begin()
    for now in (6.0, 7.0):
        time = now
        pace.count(8)
    time = 100.0  # a validation
    pace.go_on()
    time = 102.0
    pace.count(8)
    time = 500.0  # another one, at the end
    found = pace.report(torch.device("cpu"), world=2)
    assert found["speed/batches_per_second"] == pytest.approx(3 / 4)
    assert found["speed/samples_per_second"] == pytest.approx(2 * 24 / 4)
    assert found["memory/peak_mb"] > 10


def test_an_epoch_without_batches_has_no_speed():
    assert not any(name.startswith("speed") for name in Pace(lambda: 0.0).report(torch.device("cpu")))
