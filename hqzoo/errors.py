"""Exceptions of hqzoo: every error a user can cause says what was given, what was expected and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "CircuitError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "FailedRunsError",
    "HqzooError",
    "LeakError",
    "SceneError",
    "SensorError",
    "WriteError",
    "did_you_mean",
    "unknown_name",
]


class HqzooError(Exception):
    """Root of all errors that a user of hqzoo can cause and mend."""


class ConfigError(HqzooError):
    """A recipe, a command line or a constructor argument does not make sense."""


class CircuitError(HqzooError):
    """A circuit is malformed, or an engine cannot run it."""


class DataError(HqzooError):
    """A file of a data set is missing, damaged or does not fit the others."""


class LeakError(DataError):
    """Training and test images are not apart: a list or a fold has an image, or a scene, on both sides."""


class DivergedError(HqzooError):
    """Training left losses or outputs that are no numbers."""


class FailedRunsError(HqzooError):
    """Some runs of a table failed; the others were finished."""


class SensorError(HqzooError):
    """Images come in other bands, units or scales than the model was trained on."""


class SceneError(HqzooError):
    """A raster cannot be mapped, or its map cannot be written."""


class WriteError(HqzooError):
    """A file cannot be written."""


class CheckpointError(HqzooError):
    """A checkpoint is missing, damaged or was not written by hqzoo."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name nearest to ``name``, in any case, or an empty string."""
    lowered = {each.lower(): each for each in known}
    nearest = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return f" Did you mean '{lowered[nearest[0]]}'?" if nearest else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return one sentence that says that ``name`` is no known ``kind``, the nearest right name, and all of them."""
    names = sorted(known)
    return f"Unknown {kind} '{name}'.{did_you_mean(name, names)} Known: {', '.join(names) or 'none'}."
