"""Progress that reads well in a log file: a line now and then, where a terminal would show a moving bar."""
# ruff: noqa: ANN401, D102 - the hooks have Lightning's signatures and are documented there

from __future__ import annotations

import sys
import time
from typing import Any

from hqzoo._lightning import pl

__all__ = ["LineProgress", "progress_callback"]


class LineProgress(pl.callbacks.ProgressBar):
    """Write one line at the end of every epoch, and in between every so many seconds.

    Args:
        every_n_seconds: Least time between two lines within an epoch, seconds.
    """

    def __init__(self, every_n_seconds: float = 30.0) -> None:
        super().__init__()
        self.every_n_seconds = every_n_seconds
        self._enabled = True
        self._written = 0.0
        self._first: tuple[int, float] | None = None  # batches done and time at the first batch of this epoch

    def disable(self) -> None:
        """Write nothing (Lightning calls this on all processes but the first)."""
        self._enabled = False

    def enable(self) -> None:
        """Write again."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Write a line for others."""
        self._write(" ".join(map(str, args)))

    def _write(self, line: str) -> None:
        if self._enabled:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def _begin(self) -> None:
        self._first, self._written = None, time.monotonic()

    def _advance(self, stage: str, done: int, total: int | float) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done, now  # not zero batches: a run may resume in the middle of an epoch
        if now - self._written < self.every_n_seconds:
            return
        self._written = now
        speed = (done - self._first[0]) / max(now - self._first[1], 1e-9)
        left = f", {(total - done) / speed:.0f} s left" if speed > 0 and total != float("inf") else ""
        self._write(f"{stage}: {done}/{total} batches, {speed:.2f} batches/s{left}{self._metrics()}")

    def _metrics(self) -> str:
        metrics = self.get_metrics(self.trainer, self.trainer.lightning_module)
        metrics.pop("v_num", None)
        shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in metrics.items()}
        return "".join(f", {name} {value}" for name, value in shown.items())

    def _epoch(self) -> str:
        return f"epoch {self.trainer.current_epoch + 1}/{self.trainer.max_epochs or '?'}"

    def on_train_start(self, *_: Any) -> None:
        self._begin()  # an epoch that was resumed in the middle does not start

    def on_train_epoch_start(self, *_: Any) -> None:
        self._begin()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self._advance(self._epoch(), index + 1, self.total_train_batches)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        summary = [name for name in metrics if name.startswith(("train/", "val/")) and name.count("/") == 1]
        scores = "".join(f", {name} {metrics[name]:.4g}" for name in summary)  # not those of single classes
        self._write(f"{self._epoch()}: done, step {trainer.global_step}{scores}")

    def on_validation_epoch_start(self, *_: Any) -> None:
        self._begin()

    def on_validation_batch_end(self, trainer: Any, *args: Any) -> None:
        if not trainer.sanity_checking:
            self._advance("validation", args[3] + 1, sum(trainer.num_val_batches))

    def on_test_epoch_start(self, *_: Any) -> None:
        self._begin()

    def on_test_batch_end(self, trainer: Any, *args: Any) -> None:
        self._advance("test", args[3] + 1, sum(trainer.num_test_batches))

    def on_predict_epoch_start(self, *_: Any) -> None:
        self._begin()

    def on_predict_batch_end(self, trainer: Any, *args: Any) -> None:
        self._advance("prediction", args[3] + 1, sum(trainer.num_predict_batches))


def progress_callback() -> pl.callbacks.ProgressBar:
    """Return a moving bar for a terminal, lines for anything else."""
    return pl.callbacks.RichProgressBar() if sys.stdout.isatty() else LineProgress()
