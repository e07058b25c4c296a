"""The clock of training steps."""

import pytest

from hqzoo.callbacks.clock import StepClock
from tests.fixtures.tasks import SquaresDataModule, tiny_task, tiny_trainer


def test_steps_and_waits_are_told_apart():
    times = iter([0.0, 1.0, 11.0, 12.0, 32.0, 33.0, 43.0, *(43.0, 44.0, 48.0, 49.0, 55.0), *(100.0, 103.0, 110.0)])
    clock = StepClock(now=lambda: next(times))
    task = tiny_task()
    for steps in (3, 2, 1):  # the first epoch warms up
        clock.on_train_epoch_start(None, task)
        for number in range(steps):
            clock.on_train_batch_start(None, task, None, number)
            clock.on_train_batch_end(None, task, None, None, number)
    assert clock.report() == {"steps": 3, "step_ms": 6000.0, "waiting_share": pytest.approx(5 / 22, abs=1e-4)}


def test_every_step_of_a_run_is_counted(tmp_path):
    clock = StepClock()
    tiny_trainer(tmp_path, max_epochs=3, callbacks=[clock]).fit(tiny_task(), SquaresDataModule())
    report = clock.report()
    assert report["steps"] == 3 * 2 - 3
    assert report["step_ms"] > 0
    assert 0 < report["waiting_share"] < 1


def test_a_run_without_a_step_has_no_time():
    assert StepClock().report() == {"steps": 0}
