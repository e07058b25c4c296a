"""Values that a recipe's keys cannot take: each one is tried alone, so that the key that is wrong gets the blame."""

from __future__ import annotations

import math
import re
import typing
from argparse import ArgumentError
from collections.abc import Callable, Collection, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union

from jsonargparse import ArgumentParser

from hqzoo.errors import did_you_mean

__all__ = ["is_choice", "parser_of", "wrong_value"]

ABSENT = object()


def parser_of(made_by: Callable[..., object]) -> ArgumentParser:
    """Return a parser of the arguments of a class or function, those of base classes behind ``**kwargs`` included."""
    parser = ArgumentParser(exit_on_error=False)
    if isinstance(made_by, type):
        parser.add_class_arguments(made_by, fail_untyped=False)
    else:
        parser.add_function_arguments(made_by, fail_untyped=False)
    return parser


def is_choice(value: object) -> bool:
    """Return whether a value is true, false or null, also as a command line writes them."""
    return value is None or isinstance(value, bool) or value in ("true", "false", "null", "True", "False", "None")


def wrong_value(
    parser: ArgumentParser, node: Mapping[str, Any], path: str, spared: Collection[str] = (), nulls_only: bool = False
) -> str | None:
    """Return a sentence about the first value of a part of a recipe that its key cannot take; None: all can.

    Args:
        parser: Knows the keys of this part.
        node: The part.
        path: Where it is in the whole recipe.
        spared: Full keys whose values name classes, which are looked at elsewhere.
        nulls_only: Whether to look at nulls, NaN and infinity alone, which jsonargparse lets through.
    """
    for name, fields in _groups(parser).items():
        value, key = node.get(name, ABSENT), f"{path}.{name}" if path else name
        if value is not ABSENT and not isinstance(value, Mapping):
            return f"The value of '{key}' is wrong: expected {', '.join(fields)} below it, got {_shown(value)}."
    for action in parser._actions:
        hint = getattr(action, "_typehint", None)
        key = f"{path}.{action.dest}" if path else action.dest
        value = _dig(node, action.dest)
        if hint is None or value is ABSENT or (key in spared and not is_choice(value)):
            continue
        if (nulls_only and not _is_null(value) and not _is_no_number(value)) or _fits(hint, value):
            continue
        return f"The value of '{key}' is wrong: expected {_words(hint)}, got {_shown(value)}.{_remedy(hint, value)}"
    return None


def _groups(parser: ArgumentParser) -> dict[str, list[str]]:
    """Return the names that have no value themselves, only fields below them, with these."""
    groups: dict[str, list[str]] = {}
    own = {action.dest for action in parser._actions if hasattr(action, "_typehint")}
    for action in parser._actions:
        name, dot, field = action.dest.partition(".")
        if dot and name not in own and not field.endswith("help") and "." not in field:
            groups.setdefault(name, []).append(field)
    return groups


def _dig(node: Mapping[str, Any], dotted: str) -> Any:  # noqa: ANN401 - any value of a recipe
    place: Any = node
    for name in dotted.split("."):
        if not isinstance(place, Mapping) or name not in place:
            return ABSENT
        place = place[name]
    return place


def _is_null(value: object) -> bool:
    return value is None or value == "null"


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _fits(hint: Any, value: object) -> bool:  # noqa: ANN401 - any annotation
    if _is_null(value):
        return hint in (Any, object, NoneType) or any(_fits(each, None) for each in _members(hint))
    if _is_no_number(value):
        return False
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=hint)
    try:
        if isinstance(value, str):
            parser.parse_args([f"--value={value}"])
        else:
            parser.parse_object({"value": value})
    except ArgumentError:
        return False
    return True


def _shown(value: object) -> str:
    return "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


def _remedy(hint: Any, value: object) -> str:  # noqa: ANN401 - any annotation
    """Return what may have been meant: a list without its brackets, or the nearest of several choices."""
    if isinstance(value, str) and not _is_null(value) and _fits(hint, f"[{value}]"):
        return f" Write it as [{value}]."
    return did_you_mean(str(value), [str(each) for each in _choices(hint)])


def _members(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any annotation
    """Return the alternatives of a union; none of any other annotation."""
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, UnionType) else ()


def _choices(hint: Any) -> Iterator[object]:  # noqa: ANN401 - any annotation
    if typing.get_origin(hint) is Literal:
        yield from typing.get_args(hint)
    for each in _members(hint):
        yield from _choices(each)


def _words(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Return an annotation in the words of a recipe: ``int or [int, int] or null``."""
    return " or ".join(dict.fromkeys(_alternatives(hint)))


def _alternatives(hint: Any) -> Iterator[str]:  # noqa: ANN401 - any annotation
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if members := _members(hint):
        for each in sorted(members, key=lambda each: each is NoneType):  # null last
            yield from _alternatives(each)
    elif origin is Literal:
        yield from (f"'{each}'" if isinstance(each, str) else _shown(each) for each in arguments)
    elif hint is bool:
        yield "true or false"
    elif hint is NoneType:
        yield "null"
    elif origin is tuple and Ellipsis not in arguments:
        yield f"[{', '.join(map(_words, arguments))}]"
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield "a dictionary"
    elif origin is not None and arguments:
        yield f"a list of {_words(arguments[0])}"
    else:
        yield re.sub(r".*\.", "", getattr(hint, "__name__", str(hint)))
