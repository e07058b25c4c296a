"""What is wrong with a recipe or a command line: the key, at any depth, and the nearest right one.

jsonargparse decides whether a command line is right; this module only words the answer. It puts the recipe
files and the options together into one tree and walks down it beside the names that are known at every level:
the trainer's arguments, those of the classes that ``class_path`` names, the fields of settings dataclasses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonargparse import ArgumentParser

from hqzoo._lightning import pl
from hqzoo.cli.class_names import argument_names, find_class, names_of
from hqzoo.cli.option_tree import CLASS_KEYS, collect
from hqzoo.errors import did_you_mean

__all__ = ["explain"]

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
        A sentence with the full key and the nearest right one; what the parser said, in short, where no name
        is wrong.
    """
    tree = collect(argv)
    names = names_of(parser)
    found = next(_unknown(tree, names, "", ""), None)
    if found is None:
        return _shorten(message)
    key, name, known = found
    return f"Unknown key '{key}'.{_nearest(name, known, tree, names)} Known here: {', '.join(sorted(known))}."


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
    if path in BASES and isinstance(value, str):
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
