"""Stops at the first fault of a data set, as training must, or goes on and collects all of them, as a check does.

What finds a fault says so by :func:`refuse`, or works inside :func:`going_on`. Both raise, unless somebody collects.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from hqzoo.data.records import Image, ImageRecord, Mask, Window
from hqzoo.errors import DataError

__all__ = ["Refused", "collecting", "going_on", "refuse"]

_collected: ContextVar[list[DataError] | None] = ContextVar("collected", default=None)


class Refused(ImageRecord):
    """An image that a check found a fault of, in its place among the others: reading it raises the fault.

    Args:
        name: Name of the image.
        image: Image file.
        mask: Mask file, or None where there is none.
        fault: What is wrong with one of them.
    """

    def __init__(self, name: str, image: Path, mask: Path | None, fault: DataError) -> None:
        super().__init__(name, 0, 0)
        self.image, self.mask, self.fault = image, mask, fault

    @property
    def labelled(self) -> bool:
        """Whether there is a mask."""
        return self.mask is not None

    @property
    def file(self) -> Path:
        """The image file."""
        return self.image

    def read(self, window: Window | None = None) -> tuple[Image, Mask | None]:
        """Raise the fault."""
        raise self.fault


@contextmanager
def collecting() -> Iterator[list[DataError]]:
    """Collect faults inside instead of raising them; the list grows as they are found."""
    faults: list[DataError] = []
    token = _collected.set(faults)
    try:
        yield faults
    finally:
        _collected.reset(token)


def refuse(fault: DataError) -> None:
    """Raise a fault; inside :func:`collecting`, note it and return, so that the caller goes on without it."""
    faults = _collected.get()
    if faults is None:
        raise fault
    faults.append(fault)


@contextmanager
def going_on() -> Iterator[None]:
    """Refuse the fault that is raised inside, such as one file of many."""
    try:
        yield
    except DataError as fault:
        refuse(fault)
