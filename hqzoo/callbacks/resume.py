"""Stopping and going on: ``last.ckpt`` from which training continues as if it had never stopped."""
# ruff: noqa: ANN401, D102 - the hooks have Lightning's signatures and are documented there

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from hqzoo._lightning import pl
from hqzoo.errors import CheckpointError

__all__ = [
    "Resumable",
    "TrainingInterrupted",
    "get_random_state",
    "set_random_state",
    "workers_survive_ctrl_c",
]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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

    The random states of Python, NumPy and torch travel in the checkpoint. Data loaders draw seeds from
    torch's state whenever they are set up, which a resumed run does once more than an uninterrupted one:
    therefore both go on with the first batch behind a checkpoint from the state that was saved in it. With
    several processes this holds for the first; the others draw anew.

    Files are written beside their place and renamed, so ``last.ckpt`` is never half-written.

    Args:
        path: Where to keep the checkpoint; default: ``checkpoints/last.ckpt`` in the trainer's root folder.
        notify: Called with one sentence when a signal arrives; default: nobody is told.
    """

    def __init__(self, path: str | Path | None = None, notify: Callable[[str], None] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.notify = notify
        self._stop = False
        self._accumulating = False  # whether gradients of a step that is not done wait, which no checkpoint holds
        self._saved_step = -1  # global step of the checkpoint that the interruption wrote
        self._next_state: dict[str, Any] | None = None  # of the generators, for the next training batch
        self._resumed = False  # whether that state came from a checkpoint

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle where the checkpoint goes."""
        if self.path is None:
            self.path = Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for signals. Lightning puts the former handlers back, whichever way training ends."""
        self._stop, self._accumulating, self._saved_step = False, False, -1
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread only
        process = os.getpid()
        former = {number: signal.getsignal(number) for number in SIGNALS}

        def handle(number: int, frame: FrameType | None) -> None:
            if os.getpid() != process:
                return  # a forked data worker: its parent decides
            if self._stop:
                for each, handler in former.items():
                    signal.signal(each, handler)
                raise KeyboardInterrupt
            self._stop = True
            if self.notify is not None and trainer.is_global_zero:
                doing = "finishing the validation" if trainer.validating else "finishing this batch"
                self.notify(f"Interrupted: {doing}, then saving. Once more: stop at once.")

        for number in SIGNALS:
            signal.signal(number, handle)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        self._accumulating = not whole
        if self._agreed_to_stop(trainer):
            self._save(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self._agreed_to_stop(trainer) and self._saved_step != trainer.global_step:
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._agreed_to_stop(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._leave_if_saved(trainer)

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self._leave_if_saved(trainer)
        if self._next_state is not None:
            set_random_state(self._next_state)
            self._next_state, self._resumed = None, False

    def _agreed_to_stop(self, trainer: pl.Trainer) -> bool:
        if trainer.sanity_checking:
            return False
        if trainer.world_size > 1:  # all processes must save after the same batch
            self._stop = trainer.strategy.reduce_boolean_decision(self._stop, all=False)
        return self._stop and not self._accumulating

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.fast_dev_run or self.path is None:  # type: ignore[attr-defined]
            return
        save_checkpoint(trainer, self.path)
        if self._stop:
            self._saved_step = trainer.global_step

    def _leave_if_saved(self, trainer: pl.Trainer) -> None:
        # Leaving here and not where the checkpoint is saved lets Lightning log the metrics of the last batch.
        if self._stop and self._saved_step >= 0 and self.path is not None:
            raise TrainingInterrupted(self.path, trainer.current_epoch, self._saved_step)

    @property
    def interrupted(self) -> bool:
        """Whether a signal asked to stop and a checkpoint to go on from was saved for it."""
        return self._stop and self._saved_step >= 0

    def state_dict(self) -> dict[str, Any]:
        """Return the random states, from which the next training batch will go on in this run as well."""
        if not self._resumed:
            self._next_state = get_random_state()
        return {"random": self._next_state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the random states of a checkpoint, for the first training batch."""
        self._next_state, self._resumed = state_dict["random"], True


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


def get_random_state() -> dict[str, Any]:
    """Return the states of Python's, NumPy's and torch's generators, as types that are safe to load."""
    version, keys, gauss = random.getstate()
    name, numpy_keys, position, has_gauss, numpy_gauss = np.random.get_state()
    return {
        "python": [version, list(keys), gauss],
        "numpy": [str(name), numpy_keys.tolist(), int(position), int(has_gauss), float(numpy_gauss)],  # type: ignore[union-attr, attr-defined]
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what :func:`get_random_state` returned; GPU states only where there are as many GPUs."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, numpy_keys, position, has_gauss, numpy_gauss = state["numpy"]
    np.random.set_state((name, np.array(numpy_keys, dtype=np.uint32), position, has_gauss, numpy_gauss))
    torch.set_rng_state(state["torch"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all([value.cpu() for value in state["cuda"]])
