"""All processes stop behind the same batch, and rarely ask."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from hqzoo._lightning import pl
from hqzoo.callbacks.vote import MOST_BATCHES, StopVote
from tests.processes.launch import on_processes

BATCHES = 120


class Voter(pl.Callback):
    """Votes behind every batch; one process is told to stop in batch 70."""

    def __init__(self, vote: StopVote) -> None:
        self.vote = vote
        self.held: list[int] = []
        self.agreed: int | None = None

    def on_train_start(self, *_: Any) -> None:
        self.vote.begin()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self.vote.asked = trainer.global_rank == 1 and index >= 70
        reduce = trainer.strategy.reduce
        trainer.strategy.reduce = lambda *args, **kwargs: (self.held.append(index), reduce(*args, **kwargs))[1]
        if self.vote.after_batch(trainer) and self.agreed is None:
            self.agreed = index
        trainer.strategy.reduce = reduce


class Still(pl.LightningModule):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.weight, self.seconds = torch.nn.Parameter(torch.zeros(1)), seconds

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        time.sleep(self.seconds * (1 + self.global_rank))  # one process is slower
        return (self.weight * batch).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def train(pause: float, seconds: float) -> tuple[Sequence[int], int | None]:
    voter = Voter(StopVote(seconds))
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", logger=False, callbacks=[voter],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, barebones=False,
    )  # fmt: skip
    trainer.fit(Still(pause), DataLoader(torch.ones(2 * BATCHES, 1), batch_size=1))
    return voter.held, voter.agreed


def test_votes_are_rare_and_the_same_everywhere() -> None:
    (first, stopped), (second, stopped_too) = on_processes(2, train, 0.002, 0.1)
    assert first == second
    assert stopped == stopped_too
    assert stopped is not None
    assert stopped >= 70
    assert first[0] == 0  # so that a second vote knows how long batches take
    assert len(first) < stopped / 2
    assert first[-1] == stopped  # what all know needs no vote


def test_quick_batches_are_voted_on_at_least_every_hundred() -> None:
    (held, stopped), _ = on_processes(2, train, 0.0, 1000.0)
    assert held == [0, MOST_BATCHES]
    assert stopped == MOST_BATCHES


def test_one_process_stops_at_once() -> None:
    vote = StopVote()
    trainer = pl.Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    assert not vote.after_batch(trainer)
    vote.asked = True
    assert vote.after_batch(trainer)
