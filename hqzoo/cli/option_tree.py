"""A command line as one tree: recipe files and options, later ones over earlier ones, nothing checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hqzoo.cli.values import is_choice

__all__ = ["CLASS_KEYS", "collect", "sources"]

CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


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
        node[leaf] = _structure(value)


def _structure(value: str) -> Any:  # noqa: ANN401 - any YAML
    """Return a list or a dictionary that is written out on the command line; other values as they are."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value  # the parser's message says so


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
