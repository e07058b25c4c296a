"""Settings of a task: frozen dataclasses in code, plain dictionaries in recipes and checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar

from hqzoo.errors import ConfigError, did_you_mean

__all__ = ["as_settings", "check_keys", "to_plain"]

S = TypeVar("S")


def as_settings(cls: type[S], value: S | Mapping[str, Any], kind: str) -> S:
    """Return settings of class ``cls`` from an instance, or from a checkpoint's plain dictionary.

    Args:
        cls: A settings dataclass, such as ``LossSettings``.
        value: An instance of it, or a mapping with some of its fields.
        kind: What the settings are of, for messages: ``"loss"``.

    Raises:
        ConfigError: If a key is no field of ``cls``, or ``value`` is something else altogether.
    """
    if isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"The {kind} settings must be {cls.__name__}(...) or a dictionary, got {value!r}.")
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    check_keys(value, known, f"{kind} setting")
    return cls(**value)


def check_keys(given: Iterable[str], known: Iterable[str], kind: str) -> None:
    """Refuse names that are not known.

    Raises:
        ConfigError: Naming the first unknown name, the nearest right one, and all right ones.
    """
    names = sorted(known)
    for name in given:
        if name not in names:
            raise ConfigError(f"Unknown {kind} '{name}'.{did_you_mean(name, names)} Known: {', '.join(names)}.")


def to_plain(value: Any) -> Any:  # noqa: ANN401 - any tree of settings goes in
    """Return ``value`` as numbers, strings, lists and dictionaries, which any checkpoint may safely hold."""
    if hasattr(value, "to_dict"):
        return to_plain(value.to_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value
