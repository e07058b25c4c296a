"""Classes and scripts of the user's own: found as ``python SCRIPT`` finds them, or told why they cannot be imported."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hqzoo.errors import ConfigError

__all__ = ["check_imports", "import_own"]


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


def import_own(module: str, what: str) -> Any:  # noqa: ANN401 - whatever module it is
    """Import a module of the user's own.

    Args:
        module: Its dotted name.
        what: What needs it, for the message.

    Raises:
        ConfigError: If it is not found, or something in it fails; the message says where.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module == missing or module.startswith(f"{missing}."):
            raise ConfigError(f"{what} cannot be imported: {_not_found(missing)}") from error
        raise ConfigError(f"{what} cannot be imported: {_where(error, module)} needs '{missing}'.") from error
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{what} cannot be imported: {_where(error, module)}: {text}") from error


def _not_found(missing: str) -> str:
    parent, _, name = missing.rpartition(".")
    if parent:
        return f"there is no module '{name}' in '{parent}' ({_home(parent)})."
    return (
        f"there is no module '{missing}', neither in the working folder {Path.cwd()} nor among the installed packages. "
        "Run hqzoo where it lies, or name its folder in PYTHONPATH."
    )


def _home(package: str) -> str:
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return str(places[0] if places else spec.origin if spec else "built in")


def _where(error: Exception, module: str) -> str:
    """Return file and line of the user's own code that failed."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if frame.filename != __file__ and not _is_installed(frame.filename)]
    last = (own or frames)[-1]
    return module if last.filename == __file__ else f"{last.filename}, line {last.lineno}"


def _is_installed(file: str) -> bool:
    return "site-packages" in file or file.startswith(sys.base_prefix)
