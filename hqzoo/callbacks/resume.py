"""Stopping and going on: ``last.ckpt`` from which training continues as if it had never stopped."""
# ruff: noqa: ANN401, D102 - the hooks have Lightning's signatures and are documented there

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from hqzoo._lightning import pl
from hqzoo.callbacks.random_state import (
    RandomState,
    derive_random_state,
    gather_random_states,
    get_random_state,
    set_random_state,
)
from hqzoo.callbacks.vote import StopVote
from hqzoo.errors import CheckpointError

__all__ = ["Resumable", "TrainingInterrupted", "save_checkpoint", "workers_survive_ctrl_c"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)

ECHO_SECONDS = 1.0  # torchrun and Lightning hand on at once a signal that the terminal sent to every process already


class TrainingInterrupted(Exception):  # noqa: N818 - no error: the user asked for it
    """Training was stopped by a signal, and can go on from a checkpoint.

    Args:
        checkpoint: The file to go on from.
        epoch: Index of the epoch that was interrupted, from 0.
        step: Number of optimizer steps done.
    """

    def __init__(self, checkpoint: Path, epoch: int, step: int) -> None:
        super().__init__(f"Interrupted in epoch {epoch} after {step} steps; training can go on from {checkpoint}.")
        self.checkpoint = checkpoint
        self.epoch = epoch
        self.step = step


class Resumable(pl.callbacks.Checkpoint):
    """Keep ``last.ckpt``: at the end of every epoch, and when a signal asks to stop.

    The first Ctrl-C (SIGINT) or SIGTERM lets the current training batch finish (with accumulated gradients: the
    current optimizer step), saves, and raises :class:`TrainingInterrupted`. One that comes during validation lets the
    validation finish, since its scores live in no checkpoint; a checkpoint is written at once all the same, so that a
    second signal, which ends the process where it is, costs no more than that validation.

    On several processes the signal may reach any of them: they vote about once a second (see
    :class:`~hqzoo.callbacks.vote.StopVote`), and all save behind the same batch. Launchers hand a Ctrl-C on to
    processes that the terminal told already, so there a second signal counts after a second only. ``torchrun`` kills
    what has not ended 30 seconds after it.

    The random states of Python, NumPy and torch travel in the checkpoint, those of every process. Data loaders draw
    seeds from torch's state whenever they are set up, which a resumed run does once more than an uninterrupted one:
    therefore both go on with the first batch behind a checkpoint from the state that was saved in it. Where a run
    goes on with another number of processes, each gets the state that (seed of the run, epoch, step, rank) give, see
    :func:`~hqzoo.callbacks.random_state.derive_random_state`; a new run on several processes begins like that as
    well, lest all of them drop the same units.

    Files are written beside their place and renamed, so ``last.ckpt`` is never half-written.

    Args:
        path: Where to keep the checkpoint; default: ``checkpoints/last.ckpt`` in the trainer's root folder.
        notify: Called with one sentence when a signal arrives; default: nobody is told.
    """

    def __init__(self, path: str | Path | None = None, notify: Callable[[str], None] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.notify = notify
        self._vote = StopVote()
        self._accumulating = False  # whether gradients of a step that is not done wait, which no checkpoint holds
        self._saved_step = -1  # global step of the checkpoint that the interruption wrote
        self._next_state: RandomState | None = None  # of the generators, for the next training batch
        self._begins = False  # whether that batch is the first one, which begins from a state that was settled before
        self._loaded: list[RandomState] | None = None  # from a checkpoint, one of every process
        self._seed = 0  # of the run

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle where the checkpoint goes."""
        if self.path is None:
            self.path = Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Settle the random states, and listen for signals.

        Lightning puts the former handlers back, whichever way training ends.
        """
        self._accumulating, self._saved_step = False, -1
        self._vote.begin()
        self._next_state, self._loaded = self._first_state(trainer), None
        self._begins = self._next_state is not None
        # Lightning asks in every step whether a SIGTERM came, and makes the accelerator wait for it. It never comes
        # there: this callback listens in its place.
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]
        if threading.current_thread() is threading.main_thread():  # no other one gets signals
            self._listen(trainer)

    def _listen(self, trainer: pl.Trainer) -> None:
        process, first = os.getpid(), 0.0
        former = {number: signal.getsignal(number) for number in SIGNALS}

        def handle(number: int, frame: FrameType | None) -> None:
            nonlocal first
            if os.getpid() != process:
                return  # a forked data worker: its parent decides
            if not self._vote.asked:
                self._vote.asked, first = True, time.monotonic()
                if self.notify is not None and trainer.is_global_zero:
                    doing = "finishing the validation" if trainer.validating else "finishing this batch"
                    self.notify(f"Interrupted: {doing}, then saving. Once more: stop at once.")
            elif trainer.world_size == 1 or time.monotonic() - first > ECHO_SECONDS:
                for each, handler in former.items():
                    signal.signal(each, handler)
                raise KeyboardInterrupt

        for number in SIGNALS:
            signal.signal(number, handle)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        self._accumulating = not whole
        if self._vote.after_batch(trainer) and whole:
            self._save(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        stop = not trainer.sanity_checking and self._vote.after_batch(trainer)
        if stop and not self._accumulating and self._saved_step != trainer.global_step:
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking and self._vote.hold(trainer) and not self._accumulating:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._vote.hold(trainer)
        self._save(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._leave_if_saved(trainer)

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self._leave_if_saved(trainer)
        if self._next_state is not None:
            set_random_state(self._next_state)
            self._next_state, self._begins = None, False

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.fast_dev_run or self.path is None:  # type: ignore[attr-defined]
            return
        save_checkpoint(trainer, self.path)
        if self._vote.agreed:
            self._saved_step = trainer.global_step

    def _leave_if_saved(self, trainer: pl.Trainer) -> None:
        # Leaving here and not where the checkpoint is saved lets Lightning log the metrics of the last batch.
        if self.interrupted and self.path is not None:
            raise TrainingInterrupted(self.path, trainer.current_epoch, self._saved_step)

    @property
    def interrupted(self) -> bool:
        """Whether a signal asked to stop and a checkpoint to go on from was saved for it."""
        return self._vote.agreed and self._saved_step >= 0

    def _first_state(self, trainer: pl.Trainer) -> RandomState | None:
        """Return the state that the first batch begins from; None where it is the one that happens to be."""
        if self._loaded is None:
            self._seed = torch.initial_seed()
            if trainer.world_size == 1:
                return None
        elif len(self._loaded) == trainer.world_size:
            return self._loaded[trainer.global_rank]
        return derive_random_state(self._seed, trainer.current_epoch, trainer.global_step, trainer.global_rank)

    def state_dict(self) -> dict[str, Any]:
        """Return the random states of all processes, from which the next training batch will go on here as well.

        Every process must call it; Lightning does, for every checkpoint.
        """
        if not self._begins or self._next_state is None:
            self._next_state = get_random_state()
        return {"seed": self._seed, "random": gather_random_states(self._next_state)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the random states of a checkpoint, for the first training batch."""
        self._seed, self._loaded = state_dict["seed"], state_dict["random"]


def _nothing() -> None:
    pass


def save_checkpoint(trainer: pl.Trainer, path: Path) -> None:
    """Save a checkpoint such that ``path`` is at all times a whole file: written beside it, then renamed.

    Lightning writes into the system's temporary folder and moves the file, which is a copy, and no rename,
    where that folder lies on another disk.

    Args:
        trainer: The trainer; all processes call this.
        path: The file.

    Raises:
        CheckpointError: If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        trainer.save_checkpoint(partial, weights_only=False)
        if trainer.is_global_zero:
            partial.replace(path)
        trainer.strategy.barrier()  # before any process ends: launchers kill the others then
    except OSError as error:
        if trainer.is_global_zero:
            partial.unlink(missing_ok=True)
        raise CheckpointError(f"Cannot write the checkpoint {path}: {error.strerror or error}.") from error


@contextmanager
def workers_survive_ctrl_c() -> Iterator[None]:
    """Let data workers that are forked inside outlive a Ctrl-C, which a terminal sends to them as well.

    The first ones are forked before any callback of training is called, and without them the batch at hand
    could not be finished. In this process a Ctrl-C does what it did before.
    """
    former = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(former):
        yield
        return
    process = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            former(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
