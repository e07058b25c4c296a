"""Settings of Lightning's trainer that it, or this machine, cannot honour: told by their key before anything is run."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import torch

from hqzoo._lightning import pl
from hqzoo.errors import ConfigError, HqzooError, did_you_mean

__all__ = ["REFUSALS", "built_trainer", "check_settings", "sentence", "told_by_key"]

MISCONFIGURATION = pl.utilities.exceptions.MisconfigurationException  # type: ignore[attr-defined]
REFUSALS = (MISCONFIGURATION, ValueError, TypeError, RuntimeError, ImportError, ZeroDivisionError, KeyError, IndexError)
"""What Lightning, torch and callbacks raise when a setting makes no sense to them."""

SEEDS = 2**32
LOWEST: dict[str, float] = {
    "num_nodes": 1, "max_epochs": -1, "min_epochs": 0, "max_steps": -1, "min_steps": 0, "check_val_every_n_epoch": 1,
    "limit_train_batches": 0, "limit_val_batches": 0, "limit_test_batches": 0, "limit_predict_batches": 0,
    "overfit_batches": 0, "num_sanity_val_steps": -1, "log_every_n_steps": 0, "accumulate_grad_batches": 1,
    "gradient_clip_val": 0, "reload_dataloaders_every_n_epochs": 0, "fast_dev_run": 0,
}  # fmt: skip
"""The lowest value that makes sense of each number among the trainer's settings; Lightning does not check them all."""
PLACES = ("accelerator", "devices", "num_nodes", "strategy", "precision", "sync_batchnorm", "plugins", "deterministic")
LIBRARIES = (f"{pl.__name__}.", "lightning.fabric.", "lightning_fabric.", "torch.optim.", "jsonargparse.")


def check_settings(config: Mapping[str, Any]) -> None:
    """Refuse seeds and numbers of the trainer that are out of range.

    Raises:
        ConfigError: Naming the key, the value and what would work.
    """
    if config["trainer"]["default_root_dir"] is None:
        raise ConfigError("trainer.default_root_dir is the run folder, got null: name a folder, such as runs/mine.")
    seed = config["seed_everything"]
    if not isinstance(seed, bool) and seed is not None and not 0 <= seed < SEEDS:
        raise ConfigError(f"seed_everything is a whole number from 0 to {SEEDS - 1}, got {seed}.")
    for name, lowest in LOWEST.items():
        value = config["trainer"][name]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not value >= lowest:  # nor NaN
            raise ConfigError(f"trainer.{name} must be at least {lowest}, got {value}.")
    interval = config["trainer"]["val_check_interval"]
    if isinstance(interval, (int, float)) and not interval > 0:
        raise ConfigError(
            f"trainer.val_check_interval must be above 0, got {interval}: 0.5 validates twice an epoch, 100 every 100 "
            "batches."
        )


def built_trainer(arguments: Mapping[str, Any]) -> pl.Trainer:
    """Return Lightning's trainer.

    Raises:
        ConfigError: If it refuses its settings; the message names the one that is wrong, and what this machine has.
    """
    try:
        return pl.Trainer(**arguments)
    except REFUSALS as error:
        raise ConfigError(_blame(arguments, error)) from error


def _blame(arguments: Mapping[str, Any], error: Exception) -> str:
    """Say which setting the trainer does not take: one alone, or several that do not go together."""
    given = {name: arguments[name] for name in arguments if name not in ("callbacks", "logger")}
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    alone = [name for name, value in given.items() if value is not None and _refuses({**quiet, name: value})]
    said = [name for name, value in given.items() if value is not None and re.search(rf"[`(]{name}\b", str(error))]
    named = alone or said or [name for name in PLACES if given.get(name) not in (None, "auto", 1, False)]
    values = " and ".join(f"trainer.{name}={given[name]!r}" for name in named) or "The trainer's settings"
    verb = "do not go together" if len(named) > 1 else "cannot be used here" if named else "make no sense"
    return f"{values} {verb}: {sentence(error)}{''.join(_works(name, given[name]) for name in named)}"


def _refuses(arguments: Mapping[str, Any]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pl.Trainer(**arguments)
        except REFUSALS:
            return True
    return False


def _works(name: str, value: object) -> str:
    """Return what would work on this machine in the place of a setting."""
    if name in ("accelerator", "devices"):
        gpus = torch.cuda.device_count()
        found = f"{gpus} CUDA device(s)" if gpus else "no GPU that torch can use"
        remedy = {"accelerator": "auto", "devices": "auto (or 1)"}[name]
        return f" This machine has {found} and {os.cpu_count()} CPU cores: --trainer.{name} {remedy} always works."
    if name == "strategy":
        known = pl.strategies.StrategyRegistry.available_strategies()
        nearest = "" if value in known else did_you_mean(str(value), known)
        return f"{nearest} On one device: --trainer.strategy auto. Known: {', '.join(known)}."
    return ""


def sentence(error: BaseException) -> str:
    """Return the message of another library as one sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.sub(r"^'(.*)'$", r"\1", text)  # of a KeyError
    text = re.sub(r"<[\w.]*?(\w+) object at 0x\w+>", r"\1", text)
    return text if text.endswith((".", "!", "?")) else f"{text}."


@contextmanager
def told_by_key(settings: Mapping[str, Any], begun: Callable[[], bool]) -> Iterator[None]:
    """Tell what Lightning, torch's optimizers or a callback of theirs refuse before the first step as a mistake.

    What is raised in code of the user's own, or once training has begun, stays as it is.

    Args:
        settings: The trainer's settings.
        begun: Whether training has begun.

    Raises:
        ConfigError: Instead of the other library's exception.
    """
    try:
        yield
    except HqzooError:
        raise
    except MISCONFIGURATION as error:  # Lightning's word for a mistake of the user
        raise ConfigError(_with_keys(sentence(error), settings)) from error
    except REFUSALS as error:
        late = "conditioned on metric" in str(error)  # early stopping looks at the end of the first epoch
        if not late and (begun() or not _is_theirs(error.__traceback__)):
            raise
        raise ConfigError(_with_keys(sentence(error), settings)) from error


def _is_theirs(trace: TracebackType | None) -> bool:
    module = ""
    while trace is not None:
        module, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return module.startswith(LIBRARIES)


def _with_keys(text: str, settings: Mapping[str, Any]) -> str:
    """Write the trainer's settings that a message names as the recipe's keys, and what they are set to."""
    named = [name for name in settings if re.search(rf"[`(]{name}\b", text)]
    return text + (f" Set: {', '.join(f'trainer.{name}={settings[name]!r}' for name in named)}." if named else "")
