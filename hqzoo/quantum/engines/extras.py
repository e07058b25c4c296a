"""Simulators that are not part of the base installation, imported only when an engine asks for them."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from hqzoo.errors import CircuitError

__all__ = ["need"]


def need(module: str, extra: str, purpose: str, below_python: tuple[int, int] | None = None) -> ModuleType:
    """Import a module that an extra of hqzoo brings.

    Args:
        module: Name of the module, such as ``pennylane``.
        extra: The extra that installs it.
        purpose: What needs it, the beginning of the error message.
        below_python: The first version of Python that the extra does not support.

    Raises:
        CircuitError: If the module, or one that it needs in turn, is not installed.
    """
    command = f'pip install "hqzoo[{extra}]"'
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if below_python and sys.version_info >= below_python:
            given, first = ".".join(map(str, sys.version_info[:2])), ".".join(map(str, below_python))
            raise CircuitError(
                f"{purpose} needs the extra '{extra}', which has no packages for Python {given}. "
                f"Use a Python below {first} and: {command}"
            ) from None
        raise CircuitError(
            f"{purpose} needs the extra '{extra}': no module named '{error.name}'. Install it: {command}"
        ) from None
