"""What is wrong with a recipe or a command line: the key, at any depth, and the nearest right one.

jsonargparse decides whether a command line is right; this module only words the answer. It puts the recipe
files and the options together into one tree and walks down it beside the names that are known at every level:
the trainer's arguments, those of the classes that ``class_path`` names, the fields of settings dataclasses. Where all
names are known, it tries value by value (:mod:`hqzoo.cli.values`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonargparse import ArgumentParser

from hqzoo._lightning import pl
from hqzoo.cli.class_names import argument_names, find_class, names_of
from hqzoo.cli.option_tree import CLASS_KEYS, collect
from hqzoo.cli.values import is_choice, parser_of, wrong_value
from hqzoo.errors import did_you_mean

__all__ = ["BASES", "explain", "wrong_values"]

BASES: dict[str, type] = {
    "model": pl.LightningModule,
    "data": pl.LightningDataModule,
    "trainer.callbacks": pl.Callback,
    "trainer.logger": pl.loggers.Logger,
}


def explain(message: str, parser: ArgumentParser, argv: list[str]) -> str:
    """Say what is wrong with a command line that the parser refused.

    Args:
        message: The parser's own message.
        parser: The parser.
        argv: The command line.

    Returns:
        A sentence with the full key and what would be right there; what the parser said, in short, where this is not
        found.
    """
    tree = collect(argv)
    names = names_of(parser)
    found = next(_unknown(tree, names, "", ""), None)
    if found is None:
        return _missing(message, tree) or wrong_values(tree, parser) or _shorten(message)
    key, name, known = found
    return f"Unknown key '{key}'.{_nearest(name, known, tree, names)} Known here: {', '.join(sorted(known))}."


def wrong_values(tree: Mapping[str, Any], parser: ArgumentParser, nulls_only: bool = False) -> str | None:
    """Return a sentence about the first value that its key cannot take; None where there is none.

    Args:
        tree: What :func:`collect` returned.
        parser: The parser.
        nulls_only: Whether to look at nulls, NaN and infinity alone, which the parser lets through.
    """
    first = wrong_value(parser, tree, "", BASES, nulls_only)
    return first or next(_wrong_in_classes(tree, nulls_only), None)


def _wrong_in_classes(tree: Mapping[str, Any], nulls_only: bool) -> Iterator[str]:
    """Yield a sentence about each class whose arguments are missing or wrong, or that has no place where it stands."""
    for key, base in BASES.items():
        node: Any = tree
        for name in key.split("."):
            node = node.get(name) if isinstance(node, Mapping) else None
        for index, value in enumerate(node if isinstance(node, list) else [node]):
            place = f"{key}[{index}]" if isinstance(node, list) else key
            value = {"class_path": value} if isinstance(value, str) and not is_choice(value) else value
            if not isinstance(value, Mapping):
                continue
            cls = find_class(str(value["class_path"]), base)[0]
            if cls is None or not issubclass(cls, base):
                yield f"'{place}' takes a {base.__name__}, and {value['class_path']} is none."
                continue
            parser, given = parser_of(cls), value.get("init_args") or {}
            for name in _required(cls):
                if name not in given:
                    yield (
                        f"'{place}' is wrong: {cls.__name__} needs '{name}'. Give --{key}.{name} VALUE behind it, or "
                        f"'{name}' in its init_args."
                    )
            if wrong := wrong_value(parser, given, f"{place}.init_args", (), nulls_only):
                yield wrong


def _required(cls: type) -> list[str]:
    """Return the arguments of a constructor that have no default."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(cls).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind not in kinds]


def _missing(message: str, tree: Mapping[str, Any]) -> str | None:
    """Say which part of a recipe is missing or switched off, where the parser complains of that."""
    required = "required" in message
    absent = [part for part in ("model", "data") if (is_choice(tree[part]) if part in tree else required)]
    if not absent:
        return None
    return f"No {' and no '.join(absent)} given: name a recipe (-c hq_unet/folder, or a file), or --{absent[0]} CLASS."


def _unknown(node: Mapping[str, Any], names: set[str], path: str, prefix: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (full key, its last part, the known names there) of every unknown key of a node.

    Args:
        node: A part of the tree.
        names: Dotted names that the parser of this part knows.
        path: Where the node is in the whole tree, for the message.
        prefix: Where the node is below this parser, with a dot behind it.
    """
    known = sorted({name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)})
    for name, value in node.items():
        here = f"{path}.{name}" if path else str(name)
        if name not in known:
            yield here, str(name), known
        elif any(other.startswith(f"{prefix}{name}.") for other in names):
            if isinstance(value, Mapping):
                yield from _unknown(value, names, here, f"{prefix}{name}.")
        else:
            yield from _unknown_in_value(value, here)


def _unknown_in_value(value: object, path: str) -> Iterator[tuple[str, str, list[str]]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_in_value(item, f"{path}[{index}]")
    if path in BASES and isinstance(value, str) and not is_choice(value):
        value = {"class_path": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("class_path"), str):
        return
    class_path = value["class_path"]
    yield from ((f"{path}.{key}", key, list(CLASS_KEYS)) for key in value if key not in CLASS_KEYS)
    cls, alternatives = find_class(class_path, BASES.get(path.split("[")[0]))
    if cls is None:
        yield f"{path}.class_path: {class_path}", class_path, alternatives
    elif isinstance(value.get("init_args"), Mapping):
        yield from _unknown(value["init_args"], argument_names(cls), f"{path}.init_args", "")


def _nearest(name: str, known: list[str], tree: dict[str, Any], names: set[str]) -> str:
    """Return the nearest name at this level, or the same name at another one."""
    elsewhere = {key.rsplit(".", 1)[-1]: key for key in sorted(names, reverse=True)}
    for part in ("data", "model"):
        value = tree.get(part)
        class_path = value.get("class_path") if isinstance(value, Mapping) else value
        found = find_class(class_path, BASES[part])[0] if isinstance(class_path, str) else None
        for key in sorted(argument_names(found) if found else (), reverse=True):
            elsewhere[key.rsplit(".", 1)[-1]] = f"{part}.init_args.{key}"
    if not did_you_mean(name, known) and name in elsewhere:
        return f" Did you mean '{elsewhere[name]}'?"
    return did_you_mean(name, known)


def _shorten(message: str) -> str:
    """Return a parser's message about a wrong value in one line, any other one as it is."""
    keys = re.findall(r'Parser key "([^"]+)"', message)
    given = re.findall(r"(?:Got value|Given value): (.+)", message)
    expected = re.findall(r"Expected an? (?!path|dot import)(.+?)(?:\. Got value|$)", message, re.MULTILINE)
    if not keys or not given or not expected:
        return message
    wanted = [re.sub(r"<class '([\w.]+)'>", r"\1", each).replace("typing.", "") for each in expected]
    choices = re.findall(r"'([^']+)'", " ".join(each for each in wanted if each.startswith("Literal")))
    kinds = " or ".join(dict.fromkeys("null" if each == "NoneType" else each for each in wanted))
    hint = did_you_mean(given[-1], choices)
    return f"The value of '{'.'.join(keys)}' is wrong: expected {kinds}, got '{given[-1]}'.{hint}"
