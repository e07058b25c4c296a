"""A run that is stopped anywhere and goes on is the run that was never stopped."""

import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hqzoo._lightning import pl
from hqzoo.callbacks.resume import Resumable, TrainingInterrupted
from hqzoo.data import ArrayRecord, ClassMap, ImageRecord, SegmentationDataModule, Sensor
from hqzoo.errors import CheckpointError

EPOCHS, STEPS, VAL_BATCHES = 3, 5, 2


class Toy(SegmentationDataModule):
    """Noise images in memory: five steps and two validation batches an epoch."""

    def __init__(self) -> None:
        super().__init__(batch_size=2, crop_size=8, crops_per_epoch=2 * STEPS)
        self.sensor = Sensor(bands=("red",))
        self.class_map = ClassMap(names=("a", "b"))

    def load_records(self, split: str) -> Sequence[ImageRecord]:
        generator = np.random.default_rng(len(split))
        height = 8 * (4 if split == "val" else 6)
        image = generator.integers(0, 255, (1, height, 8)).astype(np.uint8)
        return [ArrayRecord(split, image, (image[0] > 100).astype(np.uint8))]


class Dice(pl.LightningModule):
    """A convolution whose loss depends on all three global generators, in training and in validation."""

    def __init__(self, kill_at: tuple[str, int, int] | None = None, times: int = 1) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.layer = torch.nn.Conv2d(1, 2, 1)
        self.kill_at, self.times = kill_at, times
        self.steps: list[tuple[int, int, float, float]] = []
        self.validations: list[tuple[int, int, float]] = []

    def loss(self, batch: dict[str, Any]) -> torch.Tensor:
        noise = torch.rand(1).item() + random.random() + float(np.random.rand())
        logits = self.layer(torch.dropout(batch["image"] / 255, 0.3, train=True))
        return torch.nn.functional.cross_entropy(logits, batch["mask"].long()) * (1 + noise)

    def kill(self, where: str, index: int) -> None:
        if (where, self.current_epoch, index) == self.kill_at:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        self.kill("train", batch_idx)
        loss = self.loss(batch)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.steps.append((self.current_epoch, batch_idx, loss.item(), rate))
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.kill("val", batch_idx)
        self.validations.append((self.current_epoch, batch_idx, self.loss(batch).item()))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(module: Dice, root: Path, checkpoint: Path | None = None, **options: Any) -> Resumable:
    resumable = Resumable(root / "last.ckpt")
    trainer = pl.Trainer(
        logger=False,
        accelerator="cpu",
        callbacks=[resumable],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **{"max_epochs": EPOCHS, **options},
    )
    pl.seed_everything(3)
    trainer.fit(module, datamodule=Toy(), ckpt_path=checkpoint, weights_only=True)
    return resumable


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Dice:
    module = Dice()
    train(module, tmp_path_factory.mktemp("whole"))
    assert len(module.steps) == EPOCHS * STEPS
    assert len(module.validations) == EPOCHS * VAL_BATCHES
    return module


POINTS = [("train", e, b) for e in (0, 1) for b in range(STEPS)] + [("val", e, b) for e in (0, 1) for b in (0, 1)]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_stopped_and_resumed_equals_uninterrupted(point: tuple[str, int, int], whole: Dice, tmp_path: Path) -> None:
    first = Dice(kill_at=point)
    with pytest.raises(TrainingInterrupted) as stop:
        train(first, tmp_path)
    assert stop.value.checkpoint == tmp_path / "last.ckpt"
    assert stop.value.step == len(first.steps)
    if point[0] == "train" and point[2] < STEPS - 1:
        assert first.steps[-1][:2] == point[1:]  # the batch at hand was finished, no other one begun
    second = Dice()
    torch.nn.init.zeros_(second.layer.weight)  # it must come from the checkpoint
    train(second, tmp_path, tmp_path / "last.ckpt")
    assert first.steps + second.steps == whole.steps
    assert first.validations + second.validations == whole.validations
    assert torch.equal(second.layer.weight, whole.layer.weight)
    assert torch.equal(second.layer.bias, whole.layer.bias)


def test_checkpoint_of_a_finished_epoch_goes_on_exactly(whole: Dice, tmp_path: Path) -> None:
    """As after a power cut: the newest checkpoint is that of the last epoch's end."""
    first, second = Dice(), Dice()
    train(first, tmp_path, max_epochs=2)
    train(second, tmp_path / "on", tmp_path / "last.ckpt")
    assert first.steps + second.steps == whole.steps
    assert torch.equal(second.layer.weight, whole.layer.weight)


def test_validation_within_an_epoch(tmp_path: Path) -> None:
    options = {"val_check_interval": 2}
    whole = Dice()
    train(whole, tmp_path / "whole", **options)
    for point in (("train", 1, 1), ("train", 1, 2), ("val", 1, 0)):
        root = tmp_path / "_".join(map(str, point))
        first, second = Dice(kill_at=point), Dice()
        with pytest.raises(TrainingInterrupted):
            train(first, root, **options)
        train(second, root, root / "last.ckpt", **options)
        assert first.steps + second.steps == whole.steps
        assert first.validations + second.validations == whole.validations


@pytest.mark.parametrize("batch", range(STEPS))
def test_accumulated_gradients_are_not_lost(batch: int, tmp_path: Path) -> None:
    """Steps of two, two and one batches: only behind these may training stop."""
    options = {"accumulate_grad_batches": 2, "val_check_interval": 3}
    whole, first, second = Dice(), Dice(kill_at=("train", 1, batch)), Dice()
    train(whole, tmp_path / "whole", **options)
    with pytest.raises(TrainingInterrupted):
        train(first, tmp_path, **options)
    assert first.steps[-1][:2] == (1, min(batch + 1 - batch % 2, STEPS - 1))
    train(second, tmp_path, tmp_path / "last.ckpt", **options)
    assert first.steps + second.steps == whole.steps
    assert first.validations + second.validations == whole.validations
    assert torch.equal(second.layer.weight, whole.layer.weight)


def test_second_signal_in_validation_stops_at_once_and_loses_only_the_validation(whole: Dice, tmp_path: Path) -> None:

    class Impatient(Dice):
        def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
            super().validation_step(batch, batch_idx)
            if self.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)  # the first in batch 0, the second in batch 1

    first = Impatient()
    with pytest.raises(SystemExit) as stop:
        train(first, tmp_path)
    assert isinstance(stop.value.__context__, KeyboardInterrupt)
    second = Dice()
    train(second, tmp_path, tmp_path / "last.ckpt")
    trained = [step[:2] for step in first.steps + second.steps]
    assert trained == [step[:2] for step in whole.steps]
    assert [each[0] for each in second.validations] == [2, 2]


def test_second_signal_in_training_stops_before_the_batch_ends(tmp_path: Path) -> None:
    module = Dice(kill_at=("train", 0, 2), times=2)
    with pytest.raises(SystemExit):
        train(module, tmp_path)
    assert len(module.steps) == 2
    assert not (tmp_path / "last.ckpt").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_are_put_back(number: signal.Signals, tmp_path: Path) -> None:
    before = signal.getsignal(number)
    train(Dice(), tmp_path)
    assert signal.getsignal(number) is before
    with pytest.raises(TrainingInterrupted):
        train(Dice(kill_at=("train", 0, 1)), tmp_path)
    assert signal.getsignal(number) is before


def test_interruption_is_announced(tmp_path: Path) -> None:
    told: list[str] = []
    resumable = Resumable(notify=told.append)
    trainer = pl.Trainer(
        default_root_dir=tmp_path, max_epochs=1, logger=False, accelerator="cpu", callbacks=[resumable],
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with pytest.raises(TrainingInterrupted):
        trainer.fit(Dice(kill_at=("train", 0, 1)), datamodule=Toy())
    assert resumable.interrupted
    assert len(told) == 1
    assert "finishing this batch" in told[0]
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "checkpoints",
        "last.ckpt",
    ]  # nothing half-written


def test_full_disk_is_one_clear_error_and_keeps_the_last_checkpoint(
    whole: Dice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = tmp_path / "last.ckpt"
    train(Dice(), tmp_path, max_epochs=1)
    before = last.read_bytes()

    def fill(trainer: pl.Trainer, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", fill)
    with pytest.raises(CheckpointError, match=r"last\.ckpt: No space left on device"):
        train(Dice(), tmp_path, last)
    assert last.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
