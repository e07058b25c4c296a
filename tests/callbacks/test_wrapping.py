"""The share of wrapped encodings, logged while training."""

import csv

import torch

from hqzoo._lightning import pl
from hqzoo.callbacks.wrapping import WrappedShare
from hqzoo.tasks import SegmentationTask
from tests.fixtures.tasks import KNOWN, SquaresDataModule, tiny_task, tiny_trainer


def qu_net():
    return SegmentationTask("qu_net", architecture_args={"filters": [4, 4]}, **KNOWN)


def logged(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return [row["train/wrapped_share"] for row in csv.DictReader(file) if row.get("train/wrapped_share")]


def fit(folder, task):
    logger = pl.loggers.CSVLogger(folder, name="", version="")
    trainer = tiny_trainer(folder, max_epochs=2, logger=logger, log_every_n_steps=2, callbacks=[WrappedShare()])
    trainer.fit(task, SquaresDataModule())


def test_the_share_of_every_logged_step_is_that_of_its_batch(tmp_path):
    task = qu_net()
    seen = []
    block = task.model.bottleneck

    def note(module, arguments):
        if module.training:
            seen.append((arguments[0].abs() > 1).float().mean().item())

    block.register_forward_pre_hook(note)
    with torch.no_grad():
        task.model.encoder.blocks[-1][-2].bias.fill_(0.9)  # so that some values lie beyond 1, and some do not
    fit(tmp_path, task)
    shares = [float(value) for value in logged(tmp_path)]
    assert len(seen) == 4  # two epochs of two batches
    assert len(shares) == 2
    torch.testing.assert_close(shares, [seen[1], seen[3]])
    assert 0 < shares[0] < 1
    assert len(block._forward_pre_hooks) == 1  # this test's own: the callback's is gone


def test_a_model_without_qufex_logs_nothing(tmp_path):
    fit(tmp_path, tiny_task())
    with (tmp_path / "metrics.csv").open() as file:
        assert "wrapped_share" not in file.read()
