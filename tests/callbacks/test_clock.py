"""The clock of training steps."""

import pytest
import torch

from hqzoo._lightning import pl
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
    assert 0 < report["peak_mb"] < 2000


def test_memory_is_measured_from_the_start_of_training(tmp_path):
    size = 64_000_000
    before = torch.ones(4 * size, dtype=torch.uint8)
    del before

    class Hungry(pl.Callback):
        def on_train_batch_end(self, *_):
            torch.ones(size, dtype=torch.uint8)

    modest, hungry = StepClock(), StepClock()
    for clock, callbacks in ((modest, []), (hungry, [Hungry()])):
        trainer = tiny_trainer(tmp_path, max_epochs=1, callbacks=[clock, *callbacks])
        trainer.fit(tiny_task(), SquaresDataModule())
    assert modest.report()["peak_mb"] < 4 * size / 1e6
    assert size / 1e6 <= hungry.report()["peak_mb"] < 4 * size / 1e6


def test_a_run_without_a_step_has_no_time():
    assert StepClock().report() == {"steps": 0}
