"""Loggers of a run: what they are told by default, and one entry in them for its training and its tests."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from hqzoo._lightning import pl
from hqzoo.cli.run_folder import MetricsFile, RunFolder

__all__ = ["RunLoggers", "join_run"]

FILE = "loggers.json"
IDENTITIES = ("run_id", "experiment_key", "version")
"""Arguments by which loggers go on with an entry that exists; their attributes have the same names, or ``version``."""
SETTINGS = (
    "max_epochs", "max_steps", "precision", "accumulate_grad_batches", "gradient_clip_val", "devices", "num_nodes",
    "strategy",
)  # fmt: skip


class RunLoggers(pl.callbacks.Callback):
    """Tells loggers the settings of data and trainer, and writes down which of their entries is this run's.

    Args:
        folder: The run folder.
        config: The parsed command line, as plain types.
    """

    def __init__(self, folder: RunFolder, config: Mapping[str, Any]) -> None:
        self.folder, self.config = folder, config

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the settings; Lightning itself tells those of the task, after which some loggers take no more."""
        trainer_settings = {name: self.config["trainer"][name] for name in SETTINGS}
        settings = {"data": self.config["data"], "trainer": trainer_settings, "seed": self.config["seed_everything"]}
        for logger in _others(trainer):
            logger.log_hyperparams(settings)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write down the entries, which exist by now."""
        entries = {type(each).__name__: entry for each in _others(trainer) if (entry := _entry(each))}
        if entries and trainer.is_global_zero:
            self.folder.write_json(FILE, entries)


def _others(trainer: pl.Trainer) -> list[Any]:
    return [each for each in trainer.loggers if not isinstance(each, MetricsFile)]


def _entry(logger: Any) -> dict[str, Any]:  # noqa: ANN401 - any logger
    """Return the argument that lets a logger of the class go on with this one's entry."""
    name = _identity(type(logger))
    value = getattr(logger, name or "", None) or getattr(logger, "version", None)
    return {name: value} if name and isinstance(value, (str, int)) else {}


def _identity(cls: type) -> str | None:
    if issubclass(cls, pl.loggers.CSVLogger):
        return None  # a second one empties the file of the first
    return next((name for name in IDENTITIES if name in inspect.signature(cls).parameters), None)


def join_run(config: Any, folder: RunFolder) -> None:  # noqa: ANN401 - a parsed configuration
    """Let the loggers of a configuration go on with the entries of a run, unless they are told which ones to take.

    Args:
        config: The parsed configuration; it is changed.
        folder: The run's folder.
    """
    file = folder.root / FILE
    known = json.loads(file.read_text()) if file.is_file() else {}
    for logger in _configured(config):
        module, _, name = logger["class_path"].rpartition(".")
        argument = _identity(getattr(import_module(module), name))
        if argument and argument in known.get(name, {}) and logger["init_args"].get(argument) is None:
            logger["init_args"][argument] = known[name][argument]


def _configured(config: Any) -> Iterator[Any]:  # noqa: ANN401 - a parsed configuration
    given = config["trainer"]["logger"]
    for logger in given if isinstance(given, list) else [given]:
        if hasattr(logger, "get") and logger.get("init_args") is not None:
            yield logger
