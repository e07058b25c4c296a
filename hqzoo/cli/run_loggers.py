"""Loggers of a run: their short names, what they are told, and one entry in them for its training and its tests."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from jsonargparse import dict_to_namespace

from hqzoo._lightning import pl
from hqzoo.callbacks.circuit_watch import circuit_layers, circuit_plans
from hqzoo.cli.class_names import SHORT_NAMES
from hqzoo.cli.provenance import provenance
from hqzoo.cli.report import plain
from hqzoo.cli.run_folder import MetricsFile, RunFolder

__all__ = ["LOGGERS", "RunLoggers", "join_run", "with_full_names", "with_logger_options"]

FILE = "loggers.json"
SAFE = SHORT_NAMES["wandb"]

ShortName = Literal["wandb"]
LOGGERS = pl.loggers.Logger | ShortName | list[pl.loggers.Logger | ShortName] | bool | None
"""What ``trainer.logger`` may be in a recipe."""

IDENTITIES = ("run_id", "experiment_key", "version")
"""Arguments by which loggers go on with an entry that exists; their attributes have the same names, or ``version``."""


class RunLoggers(pl.callbacks.Callback):
    """Tells loggers the recipe and where the run comes from, and writes down which of their entries is this run's.

    Where the run comes from is also written to ``provenance.json`` in the run folder.

    Args:
        folder: The run folder.
        config: The parsed command line, as plain types.
    """

    def __init__(self, folder: RunFolder, config: Mapping[str, Any]) -> None:
        self.folder, self.config = folder, config

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell them; Lightning itself tells the settings of the task, after which some loggers take no more."""
        if not trainer.is_global_zero:
            return
        origin = provenance(trainer.datamodule)  # type: ignore[attr-defined]
        self.folder.write_json("provenance.json", origin)
        recipe = {name: plain(self.config[name]) for name in ("model", "data", "trainer")}
        plans = {row["circuit"]: row for row in circuit_plans(circuit_layers(pl_module))}
        for logger in _others(trainer):
            logger.log_hyperparams({**recipe, "seed": self.config["seed_everything"], **origin, "circuits": plans})

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
    # Those of base classes may hide behind **kwargs.
    known = {name for each in cls.__mro__ for name in inspect.signature(each).parameters}
    return next((name for name in IDENTITIES if name in known), None)


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


def with_logger_options(argv: list[str]) -> list[str]:
    """Return a command line in which ``--wandb`` is the key of the recipe that it is short for."""
    return ["--trainer.logger=wandb" if argument == "--wandb" else argument for argument in argv]


def with_full_names(given: Any, root: str) -> Any:  # noqa: ANN401 - a parsed configuration
    """Return what ``trainer.logger`` says with classes for short names.

    Lightning's own logger of Weights & Biases is replaced by one that never stops a training, and one that would write
    into the working folder writes into the run folder.

    Args:
        given: Its value.
        root: The run folder.
    """
    if isinstance(given, list):
        return [with_full_names(each, root) for each in given]
    if given == "wandb":
        project = os.environ.get("WANDB_PROJECT", "hqzoo")
        arguments = {"name": Path(root).name, "project": project, "save_dir": "."}
        given = dict_to_namespace({"class_path": SAFE, "init_args": arguments})
    if not hasattr(given, "get"):
        return given
    if str(given.get("class_path")).endswith(".WandbLogger"):
        given["class_path"] = SAFE
    arguments = given.get("init_args")
    if arguments is not None and arguments.get("save_dir") == ".":  # WandbLogger's default
        arguments["save_dir"] = root
    return given


def _configured(config: Any) -> Iterator[Any]:  # noqa: ANN401 - a parsed configuration
    given = config["trainer"]["logger"]
    for logger in given if isinstance(given, list) else [given]:
        if hasattr(logger, "get") and logger.get("init_args") is not None:
            yield logger
