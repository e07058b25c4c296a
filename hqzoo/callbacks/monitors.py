"""Names of scores that callbacks watch, compared with what the task logs before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from hqzoo._lightning import pl
from hqzoo.callbacks.best import BestCheckpoint
from hqzoo.data.base import DataModule
from hqzoo.errors import ConfigError, did_you_mean
from hqzoo.tasks.base import Task

__all__ = ["MonitorCheck"]


class MonitorCheck(pl.callbacks.Callback):
    """Refuse early stopping, checkpoints and whatever else has a ``monitor`` that the task will never log.

    Lightning finds out at the end of the first epoch. What a LightningModule logs that is no task of hqzoo is not known
    beforehand; it is left to Lightning.
    """

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the names.

        Raises:
            ConfigError: Naming callback, score and the nearest name that is logged.
        """
        if not isinstance(pl_module, Task):
            return
        data = getattr(trainer, "datamodule", None)
        empty = isinstance(data, DataModule) and not data.records("val")
        validates = bool(trainer.limit_val_batches) and not empty
        known = ["train/loss", *(f"val/{name}" for name in pl_module.logged_names() if validates)]
        for callback, monitor in _monitored(trainer):
            if callback == BestCheckpoint.__name__ and monitor == pl_module.monitor[0]:
                continue  # it does nothing where there is no score
            if monitor not in known and not monitor.startswith(("lr-", "epoch", "step")):
                reason = "" if validates else " There is no validation in this run: set data.init_args.val_fold."
                raise ConfigError(
                    f"{callback} has monitor='{monitor}', which is not logged.{did_you_mean(monitor, known)}{reason} "
                    f"Logged: {', '.join(known)}."
                )


def _monitored(trainer: pl.Trainer) -> Iterator[tuple[str, str]]:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str):
            yield type(callback).__name__, monitor
