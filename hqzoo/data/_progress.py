"""A progress bar that appears only for work that takes its time."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import TypeVar

__all__ = ["progress"]

T = TypeVar("T")

_PATIENCE = 2.0  # seconds of silence


def progress(items: Collection[T], description: str) -> Iterator[T]:
    """Iterate over ``items`` and show a bar on stderr once that has taken two seconds."""
    from rich.console import Console
    from rich.progress import Progress

    start = time.monotonic()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(description, total=len(items))
    shown = False
    try:
        for item in items:
            if not shown and time.monotonic() - start > _PATIENCE:
                bar.start()
                shown = True
            yield item
            bar.advance(task)
    finally:
        if shown:
            bar.stop()
