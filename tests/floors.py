"""What files of the package import and name, read from their syntax trees."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "hqzoo"
FLOORS = {
    **dict.fromkeys(("errors", "_files", "_lazy", "_own_code", "_lightning", "_memory"), 0),
    "quantum": 1,
    "nn": 2,
    "models": 3,
    "data": 3,
    **dict.fromkeys(("tasks", "callbacks", "scenes", "weights"), 4),
    "compare": 5,
    "cli": 6,
}
SHARED_BY_DATA = "hqzoo.data.sensor"  # all that a model may know of data
FACADE = ("__init__.py", "__main__.py")  # of the package itself: names of all floors, imported on first use


def files() -> list[Path]:
    """Every file of the package, relative to it."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse((PACKAGE / path).read_text(encoding="utf-8"))


def imports(path: Path, module: ast.Module) -> Iterator[str]:
    """Yield the dotted names below ``hqzoo`` that a file imports, wherever in it (functions, TYPE_CHECKING).

    ``from hqzoo import data`` gives ``hqzoo.data``; relative imports are made absolute.
    """
    package = ["hqzoo", *path.parts[:-1]]
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            found = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in found if name.startswith("hqzoo."))


def breach(path: Path, name: str) -> str:
    """Return why a file may not import a name, or an empty string."""
    own, other = path.parts[0].removesuffix(".py"), name.split(".")[1]
    if other not in FLOORS:
        return ""  # a name of the façade, such as hqzoo.__version__
    if FLOORS[other] > FLOORS[own]:
        return f"{path} imports {name} from a floor above its own"
    if (own, other) == ("models", "data") and not f"{name}.".startswith(f"{SHARED_BY_DATA}."):
        return f"{path} imports {name}: models may know of data what {SHARED_BY_DATA} says"
    if (own, other) == ("data", "models"):
        return f"{path} imports {name}: data know nothing of models"
    return ""


def concrete(folder: str, ending: str) -> dict[str, set[Path]]:
    """Return the classes of a folder that fill its base in: their names, and the files that may name them.

    These are the file of the class, files of its subclasses, and the folder's ``__init__``. Every class whose name
    ends with ``ending`` counts, but those of ``base.py``, which holds what is common to all.
    """
    found: dict[str, tuple[Path, set[str]]] = {}
    for path in files():
        if path.parts[0] != folder or path.name == "base.py":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and node.name.endswith(ending):
                found[node.name] = path, {ast.unparse(base).split(".")[-1] for base in node.bases}
    return {
        name: {path, Path(folder, "__init__.py")} | {other for other, bases in found.values() if name in bases}
        for name, (path, _) in found.items()
    }


def names(module: ast.Module) -> set[str]:
    """Return every name that code uses, also as a string that is a name or a class path; prose does not count."""
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not set(node.value) & set(" \n"):
            found.update(node.value.split("."))
    return found
