"""The user's own classes that a recipe names: imported before anything else, so that a failure is told as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hqzoo._own_code import import_own

if TYPE_CHECKING:
    import argparse

__all__ = ["add_own_architecture", "check_imports"]


def add_own_architecture(parser: argparse.ArgumentParser) -> None:
    """Add the option that allows a checkpoint to call the function that built its model."""
    parser.add_argument(
        "--own-architecture",
        metavar="PATH",
        help="the function package.module.function, of your own, that the checkpoint's model was built with; it is "
        "called, so name it only where you trust the checkpoint",
    )


def check_imports(tree: Mapping[str, Any], bases: Mapping[str, type]) -> None:
    """Import the module of every class that a recipe names.

    Args:
        tree: Recipe files and options as one tree.
        bases: Keys whose values may be a class path without ``class_path:`` in front.

    Raises:
        ConfigError: If a module cannot be imported; modules of hqzoo are left to whoever knows the right names.
    """
    for key, path in _class_paths(tree, "", bases):
        module = path.rpartition(".")[0]
        if module and module.partition(".")[0] != "hqzoo":
            import_own(module, f"{key}: {path}")


def _class_paths(value: object, key: str, bases: Mapping[str, type]) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _class_paths(item, f"{key}[{index}]", bases)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _class_paths(item, f"{key}.{name}" if key else str(name), bases)
    elif isinstance(value, str) and (key.endswith("class_path") or key.partition("[")[0] in bases):
        yield key, value
