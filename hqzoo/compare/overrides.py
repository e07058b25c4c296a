"""Overrides of a recipe, ``--key=value``: which ones a comparison sets itself, and which only say where to run."""

from __future__ import annotations

import re
from typing import Any

from hqzoo.errors import ConfigError

__all__ = ["PLACES", "is_local", "is_of_data", "key_of", "setting"]

OWN = ("seed_everything", "data.seed", "data.fold", "trainer.default_root_dir", "ckpt_path", "config")
PLACES = ("root", "sources", "label_files", "encoded", "packed")
"""Arguments of data modules that say where files lie: a comparison knows data by their content."""
LOCAL = (
    *(f"data.{name}" for name in PLACES), "data.num_workers", "data.cache_gib", "trainer.accelerator",
    "trainer.enable_progress_bar", "trainer.enable_model_summary", "trainer.logger",
)  # fmt: skip


def setting(text: Any) -> str:  # noqa: ANN401 - whatever a YAML list holds
    """Return an override as ``--key=value``.

    Raises:
        ConfigError: If it is none, or sets what the comparison itself sets.
    """
    if not isinstance(text, str) or not re.fullmatch(r"(--)?[A-Za-z_][\w.]*=.*", text, re.DOTALL):
        raise ConfigError(f"{text!r} is no override: write KEY=VALUE, such as --trainer.max_epochs=5.")
    key = key_of(text)
    if any(own == key or own.startswith(f"{key}.") for own in OWN):
        raise ConfigError(
            f"'{text}': the comparison itself sets {', '.join(own for own in OWN if own.startswith(key))} for every "
            "cell. Choose with folds and seeds of the table, and set single keys."
        )
    return "--" + text.removeprefix("--")


def is_local(override: str) -> bool:
    """Return whether an override says where and how to run, not what: such as the folder of the data."""
    key = key_of(override)
    return any(key == each or key.startswith(f"{each}.") for each in LOCAL)


def is_of_data(override: str) -> bool:
    """Return whether an override is one of the data."""
    return key_of(override).startswith("data")


def key_of(override: str) -> str:
    """Return the key of an override; ``data.init_args.root`` and ``data.root`` are the same."""
    return override.removeprefix("--").partition("=")[0].replace(".init_args", "")
