"""How far training has come, in samples of the whole epoch, so that it goes on exactly on any number of processes."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from hqzoo._lightning import pl
from hqzoo.data.processes import processes
from hqzoo.data.sampling import EpochSampler

__all__ = ["CountsSamples"]


class _Start(NamedTuple):
    """Where training begins: samples of an epoch that are done, and how many batches of this run they would be."""

    epoch: int = 0
    samples: int = 0
    batches: int = 0


class CountsSamples(pl.LightningDataModule):
    """A data module whose saved state holds the epoch and the samples done in it by all processes together.

    Args:
        batch_size: Samples in a batch of one process.
        seed: Seed of the order of samples.
    """

    def __init__(self, batch_size: int, seed: int) -> None:
        super().__init__()
        self.batch_size, self.seed = batch_size, seed
        self._resume: dict[str, Any] = {}
        self._start = _Start()

    def sampler_of(self, length: int) -> EpochSampler:
        """Return the sampler of an epoch of so many samples, which begins where a loaded state left off."""
        epoch, done = self._resume.get("epoch", 0), self._resume.get("samples", 0)
        self._start = _Start(epoch, done, done // self._samples_per_batch())
        self._resume = {}  # a second fit without a checkpoint starts anew
        return _TrainingSampler(self, length, self.seed, epoch, done)

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch, the samples that all processes have done in it, and the settings that make batches.

        Batches whose gradients wait for the next optimizer step are not done: no checkpoint holds these gradients.
        """
        state: dict[str, Any] = {
            "epoch": 0, "samples": 0, "samples_per_step": self._samples_per_step(), "seed": self.seed,
        }  # fmt: skip
        if self.trainer is not None:
            # Not `completed`: Lightning raises it only after the callbacks that save checkpoints.
            progress = self.trainer.fit_loop.state_dict()
            epoch, batches = progress["epoch_progress"]["current"], progress["epoch_loop.batch_progress"]
            done, last = batches["current"]["processed"], batches["is_last_batch"]
            running = epoch["started"] > epoch["processed"]
            exhausted = last and done == batches["current"]["ready"]
            at_end = running and done > 0 and (exhausted or done >= self.trainer.num_training_batches)
            state["epoch"] = epoch["processed"] + at_end
            if running and not at_end:
                state["samples"] = self._samples_after(epoch["processed"], done)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state; the next training loader starts there."""
        self._resume = dict(state_dict)
        present = {"samples_per_step": self._samples_per_step(), "seed": self.seed}
        for name, now in present.items():
            then = state_dict.get(name)
            if then is not None and then != now:
                warnings.warn(
                    f"This run resumes with {name}={now}, but the checkpoint was trained with {name}={then}: "
                    "its steps will see other samples than those of an uninterrupted run.",
                    stacklevel=2,
                )

    def _samples_per_batch(self) -> int:
        """Samples of one batch of all processes together."""
        return self.batch_size * processes().world

    def _samples_per_step(self) -> int:
        """Samples of one optimizer step of all processes together."""
        accumulated = 1 if self.trainer is None else self.trainer.accumulate_grad_batches
        return self._samples_per_batch() * accumulated

    def _samples_after(self, epoch: int, batches: int) -> int:
        """Return the samples that whole optimizer steps have done after so many batches of an epoch."""
        start = self._start if self._start.epoch == epoch else _Start()
        accumulated = 1 if self.trainer is None else self.trainer.accumulate_grad_batches
        whole = max(start.batches, batches // accumulated * accumulated)
        return start.samples + (whole - start.batches) * self._samples_per_batch()

    def _match_progress(self, epoch: int) -> None:
        """Make Lightning count batches of this run in the epoch that a resumed run begins with.

        The checkpoint counts those of the run that wrote it, which were of another size with another number of
        processes, and may count some that were left out because their step was not done.
        """
        ended = self._start.samples == 0  # Lightning may still have to end the epoch before: validate, call back
        if self.trainer is None or epoch not in (self._start.epoch, self._start.epoch - ended):
            return
        progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress.current
        if progress.processed == 0:
            return
        done = int(self.trainer.num_training_batches) if ended else self._start.batches
        moved = done - progress.processed
        for count in ("ready", "started", "processed", "completed"):
            setattr(progress, count, max(0, getattr(progress, count) + moved))


class _TrainingSampler(EpochSampler):
    """Tells its data module when Lightning, with its own counters restored, begins an epoch."""

    def __init__(self, module: CountsSamples, length: int, seed: int, epoch: int, done: int) -> None:
        super().__init__(length, seed, epoch, done)
        self._module = module

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose keys come next."""
        super().set_epoch(epoch)
        self._module._match_progress(epoch)
