"""Classes of a recipe that refuse their arguments when they are built: which one it was, and what it said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonargparse import ArgumentParser

from hqzoo.cli.explain import BASES
from hqzoo.cli.trainer_settings import REFUSALS, sentence
from hqzoo.cli.values import parser_of, wrong_value
from hqzoo.errors import ConfigError, HqzooError

__all__ = ["blame", "check_architecture"]


def check_architecture(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse names and values that an architecture cannot take; the parser looks at nothing inside a dictionary.

    Raises:
        ConfigError: Naming the key.
    """
    from hqzoo.models import check_arguments, model_info

    check_arguments(name, dict(arguments))
    place = "model.init_args.architecture_args"
    if wrong := wrong_value(parser_of(model_info(name).build), arguments, place):
        raise ConfigError(wrong)


def blame(config: Mapping[str, Any], error: Exception) -> None:
    """Tell what could not be built from a configuration: in hqzoo's own words, or by the key of the class.

    Args:
        config: The parsed configuration.
        error: What building all of it raised. The parser makes a mismatch of types of whatever a constructor raises.

    Raises:
        ConfigError: If one of the classes refuses its arguments.
    """
    told = next((each for each in _causes(error) if isinstance(each, HqzooError)), None)
    if told is not None:
        raise told from error
    for key, base, entry in _entries(config):
        try:
            _build(base, entry)
        except (*REFUSALS, OSError) as again:
            first = list(_causes(again))[-1]
            name = str(entry["class_path"]).rpartition(".")[2]
            raise ConfigError(
                f"'{key}' is wrong: {name} refuses its arguments ({type(first).__name__}): {sentence(first)}"
            ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, type, Mapping[str, Any]]]:
    for key, base in BASES.items():
        value: Any = config
        for name in key.split("."):
            value = value.get(name)
        for index, entry in enumerate(value if isinstance(value, list) else [value]):
            if hasattr(entry, "as_dict"):
                yield (f"{key}[{index}]" if isinstance(value, list) else key), base, entry.as_dict()


def _build(base: type, entry: Mapping[str, Any]) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=base)
    parser.instantiate_classes(parser.parse_object({"value": entry}))
