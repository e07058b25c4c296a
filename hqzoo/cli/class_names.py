"""The names that classes and parsers know: what stands behind a ``class_path``, and its constructor's arguments."""

from __future__ import annotations

import dataclasses
import typing
from importlib import import_module
from types import UnionType

from jsonargparse import ArgumentParser

from hqzoo.cli.values import parser_of

__all__ = ["SHORT_NAMES", "argument_names", "find_class", "names_of"]

SHORT_NAMES = {"wandb": "hqzoo.callbacks.wandb_logger.SafeWandbLogger"}
"""Names that a recipe may have in the place of a class path."""


def find_class(class_path: str, base: type | None) -> tuple[type | None, list[str]]:
    """Return the class of a dotted path or of a bare name that jsonargparse finds, and the names known."""
    module_name, _, name = SHORT_NAMES.get(class_path, class_path).rpartition(".")
    if not module_name:
        by_name = {cls.__name__: cls for cls in (_subclasses(base) if base else ())}
        return by_name.get(name), sorted(by_name)
    try:
        module = import_module(module_name)
        found = getattr(module, name, None)
    except ImportError:
        return None, sorted(f"{cls.__module__}.{cls.__name__}" for cls in (_subclasses(base) if base else ()))
    public = getattr(module, "__all__", None) or [each for each in dir(module) if not each.startswith("_")]
    return found if isinstance(found, type) else None, [f"{module_name}.{each}" for each in public]


def argument_names(cls: type) -> set[str]:
    """Return the dotted names of a constructor's arguments, with the fields of settings dataclasses."""
    names = names_of(parser_of(cls))
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    for name, hint in hints.items():
        for choice in typing.get_args(hint) if isinstance(hint, UnionType) else ():
            if dataclasses.is_dataclass(choice):
                names |= {f"{name}.{field.name}" for field in dataclasses.fields(choice)}
    return names


def names_of(parser: ArgumentParser) -> set[str]:
    """Return the dotted names of a parser's arguments."""
    return {action.dest for action in parser._actions if action.dest.rsplit(".", 1)[-1] != "help"}


def _subclasses(base: type) -> set[type]:
    children: list[type] = base.__subclasses__()
    below = [each for child in children if not child.__name__.startswith("_") for each in _subclasses(child)]
    return {base, *below}
