"""Files that are either complete or absent, and the names of those that published weights lie in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hqzoo.errors import WriteError

__all__ = ["SPEC_FILE", "TENSOR_FILE", "replacing", "write_text"]

SPEC_FILE = "weights.json"
TENSOR_FILE = "weights.safetensors"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to, and rename it to ``path`` when the block ends well.

    Raises:
        WriteError: If the file cannot be written; nothing half-written is left behind.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(path)
    except OSError as error:
        raise WriteError(
            f"Cannot write {path}: {error.strerror or error}. Is the disk full, or the folder read-only?"
        ) from error
    finally:
        with suppress(OSError):  # where even this fails, the error above says why
            beside.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        WriteError: If it cannot be written.
    """
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
