"""What other libraries raise."""

from __future__ import annotations

import sys

__all__ = ["failures"]

_STANDARD = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
_HOMES = ("pennylane.exceptions", "qiskit.exceptions", "qiskit_machine_learning.exceptions")


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions that code of other libraries ends in: Python's, and those of the libraries that are loaded.

    None of them is an error of ours, so that ``except failures()`` lets those through.
    """
    own = [
        kind
        for home in _HOMES
        if home in sys.modules
        for kind in vars(sys.modules[home]).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    ]
    return (*_STANDARD, *own)
