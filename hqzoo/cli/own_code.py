"""The user's own classes that a recipe names: imported before anything else, so that a failure is told as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hqzoo._own_code import import_own

__all__ = ["check_imports"]


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
