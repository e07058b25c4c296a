"""The checkpoint with the best validation score."""
# ruff: noqa: D102 - the hooks are documented by Lightning

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from hqzoo._lightning import pl
from hqzoo.callbacks.resume import save_checkpoint

__all__ = ["BestCheckpoint"]


class BestCheckpoint(pl.callbacks.Checkpoint):
    """Keep the checkpoint with the best validation score; do nothing where there is no validation.

    Unlike Lightning's ModelCheckpoint it needs no score to exist, goes on with the best score so far when the
    run folder was moved, and never leaves a half-written file under its name.

    Args:
        path: Where to keep it.
        monitor: Name of the score.
        mode: Whether the highest score is the best one (``"max"``), or the lowest (``"min"``).
    """

    def __init__(self, path: str | Path, monitor: str, mode: Literal["min", "max"]) -> None:
        self.path = Path(path)
        self.monitor, self.mode = monitor, mode
        self.score = -math.inf if mode == "max" else math.inf

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        score = trainer.callback_metrics.get(self.monitor)
        if score is None or trainer.sanity_checking or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        value = score.item()
        if value > self.score if self.mode == "max" else value < self.score:  # never for NaN
            self.score = value
            save_checkpoint(trainer, self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score = state_dict["score"]
