"""What a user may write for published weights: a folder, a name, or a place on a hub."""

from __future__ import annotations

from pathlib import Path

from hqzoo.weights.catalogue import Found, find_weights, in_folder
from hqzoo.weights.hub import fetch, is_hub
from hqzoo.weights.spec import NAME, SPEC_FILE

__all__ = ["find_published", "is_published"]


def find_published(given: str | Path) -> Found:
    """Return published weights.

    Args:
        given: A folder that holds them, their name (see :func:`hqzoo.weights.catalogue.find_weights`), or
            ``hf:OWNER/REPOSITORY@COMMIT``, which is downloaded into the cache.

    Raises:
        CheckpointError: If there are none, or they are not those that were published.
    """
    if isinstance(given, Path) or (Path(given) / SPEC_FILE).is_file():
        return in_folder(Path(given))
    return fetch(given) if is_hub(given) else find_weights(given)


def is_published(given: str) -> bool:
    """Return whether a text names published weights, and no path that is there."""
    if Path(given).expanduser().exists():
        return False
    return is_hub(given) or NAME.fullmatch(given.partition("@")[0]) is not None
