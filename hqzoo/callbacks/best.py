"""The checkpoint with the best validation score."""
# ruff: noqa: D102 - the hooks are documented by Lightning

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from hqzoo._lightning import pl
from hqzoo.callbacks.resume import save_checkpoint
from hqzoo.errors import ConfigError
from hqzoo.tasks.base import Task

__all__ = ["BestCheckpoint"]


class BestCheckpoint(pl.callbacks.Checkpoint):
    """Keep the checkpoint with the best validation score; do nothing where there is none.

    The task says which score that is, and whether higher or lower is better. A LightningModule that is no task of
    hqzoo does not: it gets a best checkpoint only where ``monitor`` and ``mode`` are given.

    Unlike Lightning's ModelCheckpoint it needs no score to exist, goes on with the best score so far when the
    run folder was moved, and never leaves a half-written file under its name. On several processes the first one's
    score decides; those of tasks are the same on all.

    Args:
        path: Where to keep it.
        monitor: Name of the score in the logs; None: the task's.
        mode: Whether ``"max"`` or ``"min"`` of it is best.

    Raises:
        ConfigError: If one of ``monitor`` and ``mode`` is given without the other, or ``mode`` is neither of the two.
    """

    def __init__(self, path: str | Path, monitor: str | None = None, mode: Literal["min", "max"] | None = None) -> None:
        if (monitor is None) != (mode is None) or mode not in (None, "min", "max"):
            raise ConfigError(
                f"BestCheckpoint got monitor={monitor!r} and mode={mode!r}. Give both, such as monitor='val/loss', "
                "mode='min', or neither: then the task decides."
            )
        self.path = Path(path)
        self.monitor, self.mode = monitor, mode
        self.score: float | None = None  # the best one so far

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.monitor is None and isinstance(pl_module, Task):
            self.monitor, self.mode = pl_module.monitor

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.monitor is None or trainer.sanity_checking or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        found = trainer.callback_metrics.get(self.monitor)
        score = trainer.strategy.broadcast(None if found is None else found.item())
        if self._is_better(score):
            self.score = score
            save_checkpoint(trainer, self.path)

    def _is_better(self, score: float | None) -> bool:
        if score is None or math.isnan(score):
            return False
        return self.score is None or (score > self.score if self.mode == "max" else score < self.score)

    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "mode": self.mode, "score": self.score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if (state_dict["monitor"], state_dict["mode"]) == (self.monitor, self.mode):  # else there is nothing to compare
            self.score = state_dict["score"]
