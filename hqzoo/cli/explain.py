"""What is wrong with a recipe or a command line: the key, at any depth, and the nearest right one.

jsonargparse decides whether a command line is right; this module only words the answer. It puts the recipe
files and the options together into one tree and walks down it beside the names that are known at every level:
the trainer's arguments, those of the classes that ``class_path`` names, the fields of settings dataclasses. Where all
names are known, it tries value by value (:mod:`hqzoo.cli.values`).
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from hqzoo._lightning import pl
from hqzoo.cli.values import is_choice, parser_of, wrong_value
from hqzoo.errors import did_you_mean

__all__ = ["BASES", "collect", "explain", "sources", "wrong_values"]

CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")
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
    names = _names(parser)
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
            cls = _find_class(str(value["class_path"]), base)[0]
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


def collect(argv: list[str]) -> dict[str, Any]:
    """Return recipe files and options as one tree, later ones over earlier ones, without checking anything.

    Args:
        argv: A command line such as ``["-c", "recipe.yaml", "--trainer.max_epochs", "3"]``.
    """
    tree: dict[str, Any] = {}
    for key, value in _options(argv):
        if key in ("c", "config"):
            _merge(tree, _read(value))
        elif key != "print_config":
            _set(tree, key, value)
    return tree


def sources(argv: list[str]) -> list[dict[str, Any]]:
    """Return every recipe file of a command line, and then its options together, each as a tree."""
    files, options = list[dict[str, Any]](), dict[str, Any]()
    for key, value in _options(argv):
        if key in ("c", "config"):
            files.append(_read(value))
        elif key != "print_config":
            _set(options, key, value)
    return [*files, options]


def _names(parser: ArgumentParser) -> set[str]:
    """Return the dotted names of a parser's arguments."""
    return {action.dest for action in parser._actions if action.dest.rsplit(".", 1)[-1] != "help"}


def _options(argv: list[str]) -> Iterator[tuple[str, str]]:
    waiting: str | None = None
    for argument in argv:
        if re.match(r"--?[A-Za-z]", argument):
            if waiting is not None:
                yield waiting, ""
            waiting, equals, value = argument.lstrip("-").partition("=")
            if equals:
                yield waiting, value
                waiting = None
        elif waiting is not None:
            yield waiting, argument
            waiting = None
    if waiting is not None:
        yield waiting, ""


def _read(path: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}  # the parser's message says so
    return content if isinstance(content, dict) else {}


def _merge(tree: dict[str, Any], more: Mapping[str, Any]) -> None:
    if tree.get("class_path") != more.get("class_path", tree.get("class_path")):
        tree.pop("init_args", None)  # they were meant for another class
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _set(tree: dict[str, Any], key: str, value: str) -> None:
    """Put ``--a.b.c value`` into the tree; ``+`` appends, ``init_args`` may be left out."""
    *parents, leaf = key.split(".")
    node: Any = tree
    for name in parents:
        node = _enter(node, name)
    if leaf.endswith("+"):
        node.setdefault(leaf[:-1], [])
        if isinstance(node[leaf[:-1]], list):
            node[leaf[:-1]].append({"class_path": value})
    elif isinstance(node.get(leaf), dict) and "class_path" in node[leaf] and not is_choice(value):
        _merge(node[leaf], {"class_path": value})
    else:
        node = _arguments(node) if leaf not in CLASS_KEYS else node
        node[leaf] = value


def _enter(node: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in CLASS_KEYS:
        node = _arguments(node)
    child = node.get(name)
    if isinstance(child, list) and child and isinstance(child[-1], dict):
        return child[-1]
    if isinstance(child, str):
        child = {"class_path": child}
    if not isinstance(child, dict):
        child = {}
    node[name] = child
    return child


def _arguments(node: dict[str, Any]) -> dict[str, Any]:
    """Return where a class's arguments are, given the node that names it; any other node as it is."""
    return node.setdefault("init_args", {}) if "class_path" in node else node


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
    cls, alternatives = _find_class(class_path, BASES.get(path.split("[")[0]))
    if cls is None:
        yield f"{path}.class_path: {class_path}", class_path, alternatives
    elif isinstance(value.get("init_args"), Mapping):
        yield from _unknown(value["init_args"], _class_names(cls), f"{path}.init_args", "")


def _find_class(class_path: str, base: type | None) -> tuple[type | None, list[str]]:
    """Return the class of a dotted path or of a bare name that jsonargparse finds, and the names known."""
    module_name, _, name = class_path.rpartition(".")
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


def _subclasses(base: type) -> set[type]:
    children: list[type] = base.__subclasses__()
    below = [each for child in children if not child.__name__.startswith("_") for each in _subclasses(child)]
    return {base, *below}


def _class_names(cls: type) -> set[str]:
    """Return the dotted names of a constructor's arguments, with the fields of settings dataclasses."""
    names = _names(parser_of(cls))
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    for name, hint in hints.items():
        for choice in typing.get_args(hint) if isinstance(hint, UnionType) else ():
            if dataclasses.is_dataclass(choice):
                names |= {f"{name}.{field.name}" for field in dataclasses.fields(choice)}
    return names


def _nearest(name: str, known: list[str], tree: dict[str, Any], names: set[str]) -> str:
    """Return the nearest name at this level, or the same name at another one."""
    elsewhere = {key.rsplit(".", 1)[-1]: key for key in sorted(names, reverse=True)}
    for part in ("data", "model"):
        value = tree.get(part)
        class_path = value.get("class_path") if isinstance(value, Mapping) else value
        found = _find_class(class_path, BASES[part])[0] if isinstance(class_path, str) else None
        for key in sorted(_class_names(found) if found else (), reverse=True):
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
