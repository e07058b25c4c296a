"""Training that is interrupted and resumed sees the same samples and ends at the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hqzoo._lightning import pl
from hqzoo.data import ArrayRecord, ClassMap, SegmentationDataModule, Sensor

BATCHES, EPOCHS = 4, 3


class Coded(SegmentationDataModule):
    """Random pictures: two different crops never have the same sum."""

    def load_records(self, split: str) -> list[ArrayRecord]:
        self.sensor, self.class_map = Sensor(("red", "green", "blue")), ClassMap(("a", "b"))
        rng = np.random.default_rng(0)
        count = 3 if split == "train" else 1
        return [
            ArrayRecord(
                f"{split}{i}",
                rng.integers(0, 256, (3, 40, 50), dtype=np.uint8),
                rng.integers(0, 2, (40, 50), dtype=np.uint8),
            )
            for i in range(count)
        ]


class Tiny(pl.LightningModule):
    """Writes down what it sees and the loss; has dropout, so a shifted global generator shows as well."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(4, 2, 1))
        self.seen: dict[int, tuple[float, float]] = {}
        self.sums: dict[int, float] = {}  # of all images of an optimizer step

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch)
        total = float(batch["image"].double().sum())
        self.seen[self.global_step] = (total, float(loss.detach()))
        self.sums[self.global_step] = self.sums.get(self.global_step, 0.0) + total
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.log("val/loss", self.loss(batch))

    def loss(self, batch: dict[str, Any]) -> torch.Tensor:
        return nn.functional.cross_entropy(self.net(batch["image"] / 255), batch["mask"], ignore_index=255)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-2)


class GlobalRandomness(pl.Callback):
    """Carries torch's generator in the checkpoint, as the command line's resume callback does."""

    def state_dict(self) -> dict[str, Any]:
        return {"torch": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loaded = state_dict["torch"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if hasattr(self, "loaded"):
            torch.set_rng_state(self.loaded)


class SaveAt(pl.Callback):
    """Saves a checkpoint at one of Lightning's moments of every epoch or batch."""

    def __init__(self, folder: Path, moment: str) -> None:
        self.folder = folder
        setattr(self, moment, self.save)

    def save(self, trainer: pl.Trainer, *_: object) -> None:
        if not trainer.sanity_checking:
            trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


class Interrupt(pl.Callback):
    """Raises in the middle of a batch and saves on the way out."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            raise RuntimeError("interrupted")

    def on_exception(self, trainer: pl.Trainer, *_: object) -> None:
        trainer.save_checkpoint(self.path)


def train(
    folder: Path,
    callbacks: list[pl.Callback],
    workers: int,
    validate: bool,
    resume: Path | None = None,
    val_check_interval: float = 1.0,
    crop_size: int | tuple[int, int] = 16,
    batch_size: int = 4,
    accumulate: int = 1,
) -> Tiny:
    pl.seed_everything(1)
    model = Tiny()
    trainer = pl.Trainer(
        default_root_dir=folder,
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if validate else 0,
        val_check_interval=val_check_interval,
        accumulate_grad_batches=accumulate,
        callbacks=[GlobalRandomness(), *callbacks],
    )
    data = Coded(batch_size=batch_size, crop_size=crop_size, crops_per_epoch=4 * BATCHES, num_workers=workers, seed=3)
    trainer.fit(model, data, ckpt_path=resume, weights_only=False if resume else None)
    return model


def weights(model: Tiny) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("moment", "validate", "saves"),
    [
        ("on_train_batch_end", True, BATCHES * EPOCHS),
        ("on_train_batch_end", False, BATCHES * EPOCHS),
        ("on_validation_end", True, EPOCHS),
        ("on_train_epoch_end", True, EPOCHS),
        ("on_train_epoch_end", False, EPOCHS),
    ],
)
def test_resume_equals_uninterrupted(tmp_path: Path, moment: str, validate: bool, saves: int, workers: int) -> None:
    whole = train(tmp_path, [SaveAt(tmp_path, moment)], workers, validate)
    assert sorted(whole.seen) == list(range(BATCHES * EPOCHS))
    assert len({total for total, _ in whole.seen.values()}) == BATCHES * EPOCHS  # no crop is seen twice
    checkpoints = sorted(tmp_path.glob("*.ckpt"), key=lambda path: int(path.stem))
    assert len(checkpoints) == saves
    # With workers each resumed run costs processes: the middle and both kinds of epoch ends are enough there.
    chosen = checkpoints if workers == 0 else [c for c in checkpoints if int(c.stem) in (3, 4, 8)]
    for checkpoint in chosen:
        step = int(checkpoint.stem)
        resumed = train(tmp_path, [], workers, validate, resume=checkpoint)
        assert resumed.seen == {k: v for k, v in whole.seen.items() if k >= step}, f"resumed at step {step}"
        assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("step", [0, 2, 4, 7])
def test_resume_after_an_exception_in_the_middle_of_a_batch(tmp_path: Path, step: int) -> None:
    whole = train(tmp_path, [], 0, True)
    path = tmp_path / "last.ckpt"
    with pytest.raises(RuntimeError, match="interrupted"):
        train(tmp_path, [Interrupt(step, path)], 0, True)
    resumed = train(tmp_path, [], 0, True, resume=path)
    assert resumed.seen == {k: v for k, v in whole.seen.items() if k >= step}
    assert torch.equal(weights(resumed), weights(whole))


def test_resume_after_validation_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    whole = train(tmp_path, [SaveAt(tmp_path, "on_validation_end")], 0, True, val_check_interval=0.5)
    checkpoints = list(tmp_path.glob("*.ckpt"))
    assert len(checkpoints) == 2 * EPOCHS
    for checkpoint in checkpoints:
        resumed = train(tmp_path, [], 0, True, resume=checkpoint, val_check_interval=0.5)
        assert resumed.seen == {k: v for k, v in whole.seen.items() if k >= int(checkpoint.stem)}
        assert torch.equal(weights(resumed), weights(whole))


def test_resume_with_rectangular_crops(tmp_path: Path) -> None:
    size = (12, 20)
    whole = train(tmp_path, [SaveAt(tmp_path, "on_train_batch_end")], 0, False, crop_size=size)
    resumed = train(tmp_path, [], 0, False, resume=tmp_path / "6.ckpt", crop_size=size)
    assert resumed.seen == {k: v for k, v in whole.seen.items() if k >= 6}
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("moment", ["on_train_batch_end", "on_validation_end", "on_train_epoch_end"])
@pytest.mark.parametrize(("first", "then"), [((4, 1), (2, 2)), ((2, 2), (4, 1)), ((2, 2), (1, 4)), ((4, 1), (1, 4))])
def test_resume_with_as_many_samples_in_a_step_made_of_other_batches(
    tmp_path: Path, moment: str, first: tuple[int, int], then: tuple[int, int]
) -> None:
    """What a run is to Lightning that goes on with another number of processes."""
    whole = train(tmp_path, [SaveAt(tmp_path, moment)], 0, True, batch_size=first[0], accumulate=first[1])
    assert sorted(whole.sums) == list(range(BATCHES * EPOCHS))
    for checkpoint in tmp_path.glob("*.ckpt"):
        resumed = train(tmp_path, [], 0, True, resume=checkpoint, batch_size=then[0], accumulate=then[1])
        expected = {step: total for step, total in whole.sums.items() if step >= int(checkpoint.stem)}
        assert resumed.sums == pytest.approx(expected, rel=1e-12), f"resumed at step {checkpoint.stem}"


@pytest.mark.parametrize(("batch_size", "steps"), [(8, [2, 4, 6, 8]), (2, [1, 3, 4, 11])])
def test_resume_with_larger_or_smaller_steps_goes_on_at_the_right_sample(
    tmp_path: Path, batch_size: int, steps: list[int]
) -> None:
    whole = train(tmp_path, [SaveAt(tmp_path, "on_train_batch_end")], 0, True)
    for step in steps:
        with pytest.warns(UserWarning, match=f"resumes with samples_per_step={batch_size}"):
            resumed = train(tmp_path, [], 0, True, resume=tmp_path / f"{step}.ckpt", batch_size=batch_size)
        left = sum(total for each, total in whole.sums.items() if each >= step)
        assert sum(resumed.sums.values()) == pytest.approx(left, rel=1e-12), f"resumed at step {step}"
        assert len(resumed.sums) == (BATCHES * EPOCHS - step) * 4 // batch_size


def test_workers_make_no_difference(tmp_path: Path) -> None:
    assert train(tmp_path, [], 0, False).seen == train(tmp_path, [], 2, False).seen


def test_second_fit_starts_anew(tmp_path: Path) -> None:
    data = Coded(batch_size=4, crop_size=16, crops_per_epoch=16)
    data.setup("fit")
    data.load_state_dict({"epoch": 1, "samples": 8})
    resumed, anew = list(data.train_dataloader()), list(data.train_dataloader())
    assert (len(resumed), len(anew)) == (2, 4)
    assert len(data.train_dataloader()) == 4


def test_other_batch_size_warns() -> None:
    data = Coded(batch_size=4)
    with pytest.warns(UserWarning, match="samples_per_step=4, but the checkpoint was trained with samples_per_step=8"):
        data.load_state_dict({"epoch": 0, "samples": 24, "samples_per_step": 8, "seed": 0})
