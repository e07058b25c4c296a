"""Modules and scripts of the user's own: found as ``python SCRIPT`` finds them, or told why they cannot be imported."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from hqzoo.errors import ConfigError

__all__ = ["import_own", "load_script"]


def import_own(module: str, what: str) -> ModuleType:
    """Import a module of the user's own.

    Args:
        module: Its dotted name.
        what: What needs it, for the message.

    Raises:
        ConfigError: If it is not found, or something in it fails; the message says where.
    """
    with _told(module, what):
        return import_module(module)


def load_script(file: str | Path) -> ModuleType:
    """Run a script, but not what stands below ``if __name__ == "__main__"``.

    What lies beside it is found, now and by imports inside its functions, as if Python had been started with it.

    Args:
        file: The script.

    Raises:
        ConfigError: If there is no such file, or something in it fails.
    """
    path = Path(file).resolve()
    if not path.is_file():
        raise ConfigError(f"There is no file {file}.")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} is no Python file.")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickles look their module up
    with _told(path.stem, str(file)):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _told(module: str, what: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module == missing or module.startswith(f"{missing}."):
            raise ConfigError(f"{what} cannot be imported: {_not_found(missing)}") from error
        raise ConfigError(f"{what} cannot be imported: {_where(error, module)} needs '{missing}'.") from error
    except Exception as error:  # what someone else's module does at import can be anything
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
