"""Weights & Biases that never stop a training."""
# ruff: noqa: ANN401 - Lightning's own signatures

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from hqzoo._lightning import pl

__all__ = ["SafeWandbLogger"]

DummyExperiment = pl.loggers.logger.DummyExperiment  # type: ignore[attr-defined]

PATIENCE = {"init_timeout": 30.0, "finish_timeout": 600.0}
"""Seconds to wait for a server that does not answer, when a run begins and when it ends.

CHOICE; W&B itself waits for 90, and for ever. Variables such as ``WANDB_INIT_TIMEOUT`` go first.
"""


class SafeWandbLogger(pl.loggers.WandbLogger):
    """Lightning's logger of Weights & Biases, with one difference: what fails there is one warning here.

    A server that cannot be reached, or refuses, makes the run an offline one, which ``wandb sync`` sends later. Where
    W&B is not installed, or cannot even write its files, nothing is logged. A run is finished when its training or
    test is, and a later one of the same logger goes on with it.

    Args:
        **arguments: As of Lightning's ``WandbLogger``.

    Attributes:
        lost: Whether it has given up.
    """

    _experiment: Any = None
    _project = _name = _id = _save_dir = None  # what Lightning's names come from, should its constructor fail

    def __init__(self, **arguments: Any) -> None:
        self.lost = False
        patience = {name: value for name, value in PATIENCE.items() if f"WANDB_{name.upper()}" not in os.environ}
        arguments.setdefault("settings", patience)
        try:
            super().__init__(**arguments)
            self._wandb_init.pop("anonymous", None)  # W&B knows it no more, and says so in every run
        except ModuleNotFoundError as error:
            self.give_up(error)

    @property
    def experiment(self) -> Any:
        """The run of W&B; something that takes every call and does nothing if there is none."""
        if not self.lost and self._experiment is None and _speaks():
            self._begin()
        return DummyExperiment() if self._experiment is None else self._experiment

    def _begin(self) -> None:
        try:
            _ = super().experiment
        except ImportError as error:
            self.give_up(error)
        except Exception as error:  # noqa: BLE001 - servers, proxies and keys fail in many ways
            self._begin_offline(error)

    def _begin_offline(self, reason: Exception) -> None:
        self._wandb_init["mode"] = "offline"
        try:
            _ = super().experiment
        except Exception:  # noqa: BLE001 - likewise
            self.give_up(reason)
            return
        self._warn(f"This run is logged offline, for `wandb sync` to send later: {_words(reason)}")

    def give_up(self, reason: Exception) -> None:
        """Log nothing more, and say why, once."""
        if not self.lost:
            self.lost = True
            self._warn(f"Nothing (more) goes to Weights & Biases: {_words(reason)}")

    @staticmethod
    def _warn(sentence: str) -> None:
        warnings.warn(sentence, stacklevel=3)

    def _try(self, action: Callable[..., object], *arguments: Any, **named: Any) -> None:
        if self.lost or not _speaks():
            return
        _ = self.experiment
        if self.lost:
            return
        try:
            action(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - likewise
            self.give_up(error)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log values."""
        self._try(super().log_metrics, metrics, step)

    def log_hyperparams(self, params: Any, *arguments: Any, **named: Any) -> None:
        """Log settings."""
        self._try(super().log_hyperparams, params, *arguments, **named)

    def log_image(self, key: str, images: list[Any], step: int | None = None, **named: Any) -> None:
        """Log pictures."""
        self._try(super().log_image, key, images, step, **named)

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Keep checkpoints, where ``log_model`` asks for it."""
        self._try(super().after_save_checkpoint, checkpoint_callback)

    def finalize(self, status: str) -> None:
        """End the run; a later training or test of this logger goes on with it."""
        if self._experiment is None:
            return
        self._try(super().finalize, status)
        self._try(self._finish, 0 if status == "success" else 1)

    def _finish(self, exit_code: int) -> None:
        self._id = self._wandb_init["id"] = self._experiment.id
        self._experiment.finish(exit_code=exit_code)
        self._experiment = None


def _speaks() -> bool:
    """Return whether this process is the first one, which speaks for all."""
    return int(pl.utilities.rank_zero_only.rank) == 0  # type: ignore[attr-defined]


def _words(reason: Exception) -> str:
    text = " ".join(str(reason).split())
    return f"{type(reason).__name__}: {text}" if text else type(reason).__name__
