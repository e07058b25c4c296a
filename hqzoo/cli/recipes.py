"""The recipes that come with hqzoo, by short name: ``hq_unet/landscapes``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hqzoo.errors import ConfigError, did_you_mean

__all__ = ["find_recipe", "list_recipes", "with_recipe_paths"]


def list_recipes() -> dict[str, Path]:
    """Return the files of all recipes that come with hqzoo, by short name."""
    root = Path(str(files("hqzoo.recipes")))
    return {str(path.relative_to(root).with_suffix("")): path for path in sorted(root.glob("*/*.yaml"))}


def find_recipe(given: str) -> str:
    """Return the file meant by ``-c``: a path, or the short name of a recipe that comes with hqzoo.

    Raises:
        ConfigError: If it is neither.
    """
    if Path(given).is_file():
        return given
    known = list_recipes()
    short = given.removesuffix(".yaml").removeprefix("recipes/")
    if short in known:
        return str(known[short])
    raise ConfigError(
        f"There is no recipe file '{given}'.{did_you_mean(short, known)} It is looked for as a path, then "
        f"among the recipes that come with hqzoo: {', '.join(known)}."
    )


def with_recipe_paths(argv: list[str]) -> list[str]:
    """Return a command line with every ``-c`` and ``--config`` pointing to a file.

    Raises:
        ConfigError: If a recipe does not exist.
    """
    result: list[str] = []
    for argument in argv:
        name, equals, value = argument.partition("=")
        if result and result[-1] in ("-c", "--config"):
            result.append(find_recipe(argument))
        elif equals and name in ("-c", "--config"):
            result.append(f"{name}={find_recipe(value)}")
        else:
            result.append(argument)
    return result
