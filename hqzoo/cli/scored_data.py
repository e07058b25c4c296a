"""Which images a checkpoint is scored on: the test split of its own data, or all of other data."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from hqzoo._lightning import pl
from hqzoo.cli.option_tree import sources
from hqzoo.cli.run_folder import RunFolder, read_config
from hqzoo.data.base import DataModule
from hqzoo.data.parts import DIVIDING, Part, contents
from hqzoo.errors import ConfigError
from hqzoo.weights.checkpoint import read_header

if TYPE_CHECKING:
    from hqzoo.cli.parsing import CommandLine

__all__ = ["Choice", "choose_data"]

PLACES = ("root", "dataset", "images", "packed")
"""Arguments of data modules that say which data set is meant."""


@dataclass(frozen=True)
class Choice:
    """What is scored.

    Args:
        own: Whether these are the data that the checkpoint was trained on.
        part: ``train``, ``val``, ``test`` or ``all``.
        usual: Whether this is the part that the run itself set aside for it.
        name: A short name of the data, for files.
    """

    own: bool
    part: Part
    usual: bool
    name: str

    def file(self, verb: str, module: pl.LightningDataModule) -> str:
        """Return the name, without suffix, of the files for what was found; only the usual ones have the verb's."""
        if self.usual:
            return verb
        if not isinstance(module, DataModule):
            return f"{verb}-{self.name}"
        if verb == "predictions" and not module.contents:
            return f"{verb}-{self.name}"  # images alone have no splits to tell them by
        made_of = module.contents + module.fingerprint("val" if verb == "validate" else "test")
        return f"{verb}-{self.name}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"


def choose_data(command: CommandLine, checkpoint: Path) -> Choice:
    """Settle what a checkpoint is scored on, and set the command's data module to it.

    Data are the checkpoint's own if their images are those that it was trained on, wherever they lie. Of these the
    run's test split is scored, of others all; ``--split``, or an argument such as ``fold`` that is given together with
    the data, asks for something else. How the run divided its own data is not forced on others.

    Args:
        command: The command line, its data module built.
        checkpoint: The checkpoint.
    """
    given = _plain(command.config["data"])
    trained = _trained_on(checkpoint)
    asked = _asked(command.argv)
    wanted = command.config.get("split")
    part: Part = wanted or ("val" if command.verb == "validate" else "test")
    own = _is_own(command, checkpoint, given, trained)
    name = _name(given)
    if own:
        same = trained is None or all(
            given["init_args"].get(key) == value for key, value in trained["init_args"].items() if key in DIVIDING
        )
        if not same or part in ("train", "all"):
            _tell("Not the test split of the run itself: images that are scored may be among those it was trained on.")
    else:
        dropped = {key: value for key, value in _remembered(given).items() if key not in asked}
        if dropped:
            told = ", ".join(f"{key}={value}" for key, value in dropped.items())
            command.datamodule = _rebuilt(given, set(dropped))
            _tell(f"Other data than the checkpoint was trained on. Not taken over from its run: {told}.")
        if wanted is None and command.verb != "validate" and not asked & (DIVIDING - {"ignore"}):
            part = "all"
    module = command.datamodule
    unlabelled = command.verb == "predict" and wanted is None and isinstance(module, DataModule) and not module.contents
    if part != "test" and command.verb != "validate" and not unlabelled:  # to predict, images are enough
        if not isinstance(module, DataModule):
            raise ConfigError("--split goes with data modules of hqzoo; one of your own says itself what it tests on.")
        module.test_on(part)
    return Choice(own, part, own and same and wanted in (None, "test"), name)


def _is_own(
    command: CommandLine, checkpoint: Path, given: Mapping[str, Any], trained: Mapping[str, Any] | None
) -> bool:
    """Return whether the data are those of the checkpoint's run."""
    if trained is not None and _without_division(given) == _without_division(trained):
        return True
    module = command.datamodule
    if not isinstance(module, DataModule):
        return trained is None
    state = read_header(checkpoint).get(type(module).__qualname__)
    known = state.get("contents") if isinstance(state, Mapping) else None
    if not known:
        return trained is None and isinstance(state, Mapping)
    return bool(contents(_rebuilt(given, set(DIVIDING))) == known)


def _trained_on(checkpoint: Path) -> dict[str, Any] | None:
    """Return the data section of the run that a checkpoint lies in; None if that is not known."""
    folder = RunFolder.of_checkpoint(checkpoint)
    data = read_config(folder).get("data") if folder is not None else None
    return _plain(data) if isinstance(data, Mapping) else None


def _plain(data: Any) -> dict[str, Any]:  # noqa: ANN401 - a parsed configuration or a file's content
    tree = data.as_dict() if hasattr(data, "as_dict") else dict(data)
    return {"class_path": str(tree["class_path"]), "init_args": dict(tree.get("init_args") or {})}


def _without_division(data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return what tells a data set, of which all else is how it is divided, cut and fed."""
    places = {key: str(value) for key, value in data["init_args"].items() if _tells(key)}
    return data["class_path"].rpartition(".")[2], places


def _tells(key: str) -> bool:
    return key in (*PLACES, "masks", "dataset_args", "train_seed", "test_seed", "size") or key.endswith("_landscapes")


def _remembered(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the data given now are divided by what the run, or a recipe for other data, said."""
    arguments = given["init_args"]
    defaults = _rebuilt_arguments(given, set(DIVIDING))
    return {key: arguments[key] for key in sorted(DIVIDING & set(arguments)) if arguments[key] != defaults.get(key)}


def _asked(argv: list[str]) -> frozenset[str]:
    """Return the dividing arguments that are given together with the data, or behind them."""
    asked = frozenset[str]()
    for source in sources(argv):
        data = source.get("data")
        names = frozenset(_names(data)) if isinstance(data, Mapping) else frozenset()
        if isinstance(data, str) or names & {"class_path", *PLACES}:
            asked = frozenset()
        asked |= names & DIVIDING
    return asked


def _names(data: Mapping[str, Any]) -> Iterator[str]:
    yield from data
    if isinstance(data.get("init_args"), Mapping):
        yield from data["init_args"]


def _rebuilt_arguments(given: Mapping[str, Any], without: set[str]) -> dict[str, Any]:
    arguments: dict[str, Any] = _plain(_parsed(given, without)[1]["value"])["init_args"]
    return arguments


def _rebuilt(given: Mapping[str, Any], without: set[str]) -> Any:  # noqa: ANN401 - a data module
    parser, config = _parsed(given, without)
    return parser.instantiate_classes(config)["value"]


def _parsed(given: Mapping[str, Any], without: set[str]) -> tuple[ArgumentParser, Any]:
    """Return a configuration in which some arguments have their defaults, and its parser."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=pl.LightningDataModule)
    arguments = {key: value for key, value in given["init_args"].items() if key not in without}
    return parser, parser.parse_object({"value": {**given, "init_args": arguments}})


def _name(given: Mapping[str, Any]) -> str:
    root = given["init_args"].get("root")
    return Path(str(root)).expanduser().resolve().name if root else given["class_path"].rpartition(".")[2]


@pl.utilities.rank_zero_only
def _tell(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
