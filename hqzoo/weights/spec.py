"""What published weights say of themselves: one JSON file beside the file of tensors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from hqzoo import __version__
from hqzoo._files import SPEC_FILE, TENSOR_FILE
from hqzoo.data.plain import Plain
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.data.targets import Targets
from hqzoo.errors import CheckpointError, HqzooError
from hqzoo.tasks.trained import Trained
from hqzoo.weights.evidence import CircuitSize, ControlResult, DataSource, Origin, Score

__all__ = ["SPEC_FILE", "TENSOR_FILE", "WeightSpec", "check_name", "read_spec"]

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RELEASE = re.compile(r"\d+(\.\d+)*")
DIGEST = re.compile(r"[0-9a-f]{64}")
TEXTS = ("summary", "licence", "architecture", "task", "code_version", "created", "command", "recipe_sha256")
TREES = ("architecture_args", "task_args", "contents")
TAKEN = ("best", "last")  # what --ckpt_path calls the checkpoints of a run

ONE: Mapping[str, Any] = {"targets": Targets, "control": ControlResult, "trained": Trained}
MANY: Mapping[str, Any] = {"scores": Score, "out_of_domain": Score, "training_data": DataSource}
NAMED: Mapping[str, Any] = {
    "sensors": Sensor,
    "statistics": Statistics,
    "circuits": CircuitSize,
    "frozen": Origin,
    "started_from": Origin,
}


@dataclass(frozen=True, kw_only=True)
class WeightSpec(Plain):
    """Everything that must be known of weights to use them, judge them and pass them on.

    Files have two numbers. ``schema`` grows with new fields: a reader that does not know them keeps and tells them.
    ``format`` grows when an older reader would misunderstand the file, which refuses it by name.

    Args:
        name: Lower-case words joined by hyphens.
        version: Of these weights, such as ``"1.0.0"``.
        summary: One line.
        licence: SPDX expression of the weights' own licence.
        sha256: Digest of the file of tensors.
        size: Its bytes.
        architecture: Name in hqzoo's registry, or where a factory of one's own is found.
        architecture_args: Its arguments.
        task: Class path of the task that wrote the checkpoint.
        task_args: Further arguments of the task, such as loss and optimizer.
        sensors: Name in the batch to sensor.
        statistics: Name in the batch to the statistics that normalise images.
        targets: Classes, palette and ignored index; None for weights that were trained without any.
        outputs: Outputs of the model's head: one a class, or a single logit for two; None without a head.
        trained: Precision and window of the training; None where the checkpoint did not say.
        steps: Optimizer steps done.
        contents: Data module (name of its class) to the digest of the images that it trained on.
        training_data: What it was trained on, with licences.
        recipe_sha256: Digest of the run's ``config.yaml``; empty where there was none.
        command: The command that made the weights.
        code_version: Version of hqzoo that trained them.
        created: When they were packed, ISO 8601 in UTC.
        min_hqzoo: Oldest version of hqzoo that loads them.
        scores: What they reach on data of the same kind that they were not trained on.
        control: What the same network reaches with a control in its circuits' place; None: not run.
        out_of_domain: Scores on data of another kind than the training data.
        circuits: Part of the model to the size of its circuit; empty for models without one.
        frozen: Place of each part that is not in the file to where it comes from.
        started_from: Part of the model to the weights that its training started from.
        caveats: Sentences that a user should read first.

    Raises:
        CheckpointError: If a value is malformed.
    """

    SCHEMA: ClassVar[int] = 1
    FORMAT: ClassVar[int] = 1

    name: str
    version: str
    summary: str
    licence: str
    sha256: str
    size: int
    architecture: str
    architecture_args: Mapping[str, Any] = field(default_factory=dict)
    task: str
    task_args: Mapping[str, Any] = field(default_factory=dict)
    sensors: Mapping[str, Sensor]
    statistics: Mapping[str, Statistics]
    targets: Targets | None = None
    outputs: int | None = None
    trained: Trained | None = None
    steps: int = 0
    contents: Mapping[str, str] = field(default_factory=dict)
    training_data: tuple[DataSource, ...] = ()
    recipe_sha256: str = ""
    command: str = ""
    code_version: str
    created: str
    min_hqzoo: str
    scores: tuple[Score, ...] = ()
    control: ControlResult | None = None
    out_of_domain: tuple[Score, ...] = ()
    circuits: Mapping[str, CircuitSize] = field(default_factory=dict)
    frozen: Mapping[str, Origin] = field(default_factory=dict)
    started_from: Mapping[str, Origin] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        for key, pattern in (("version", RELEASE), ("min_hqzoo", RELEASE), ("sha256", DIGEST)):
            value = getattr(self, key)
            if not (isinstance(value, str) and pattern.fullmatch(value)):
                raise CheckpointError(
                    f"{key} of the weights '{self.name}' is {value!r}; {pattern.pattern} is expected."
                )
        for keys, kind in ((TEXTS, str), (TREES, Mapping), (("steps",), int), (("outputs",), int | None)):
            for key in keys:
                if not isinstance(getattr(self, key), kind):
                    told = getattr(kind, "__name__", str(kind))
                    raise CheckpointError(f"{key} of the weights '{self.name}' is {getattr(self, key)!r}, not {told}.")
        if not (isinstance(self.size, int) and self.size > 0):
            raise CheckpointError(
                f"size of the weights '{self.name}' is a positive number of bytes, got {self.size!r}."
            )
        Inputs(self.sensors, self.statistics)  # refuses those that disagree

    @property
    def inputs(self) -> Inputs:
        """Sensors and statistics, as a model's builder takes them."""
        return Inputs(self.sensors, self.statistics)

    @property
    def distribution(self) -> str:
        """Name of the wheel that carries them."""
        return f"hqzoo-weights-{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain types; what is empty is left out."""
        own = {each.name: _plain(getattr(self, each.name)) for each in fields(self) if each.name != "further"}
        kept = {key: value for key, value in own.items() if value not in (None, [], {}, "")}
        return {"format": self.FORMAT, "schema": self.SCHEMA, **kept, **self.further}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the object from :meth:`to_dict`'s result.

        Raises:
            CheckpointError: If it was written in a newer format, or a value is missing or malformed.
        """
        values = {key: value for key, value in values.items() if value is not None}
        written = values.pop("format", None)
        if not isinstance(written, int) or written > cls.FORMAT:
            raise CheckpointError(
                f"The weights '{values.get('name')}' are described in format {written!r}; hqzoo {__version__} reads "
                f"formats up to {cls.FORMAT}. They need hqzoo {values.get('min_hqzoo', 'of a newer version')}: "
                "pip install --upgrade hqzoo."
            )
        try:
            for kinds, build in ((ONE, _one), (MANY, _many), (NAMED, _named)):
                values |= {key: build(kind, values[key]) for key, kind in kinds.items() if key in values}
            values |= {"caveats": tuple(map(str, values.get("caveats", ())))}
            return super().from_dict(values)
        except CheckpointError:
            raise
        except (HqzooError, TypeError, ValueError, AttributeError, LookupError) as error:
            raise CheckpointError(f"The description of the weights '{values.get('name')}' is wrong: {error}") from error


def read_spec(folder: Path) -> WeightSpec:
    """Return what the weights in a folder say of themselves.

    Raises:
        CheckpointError: If the file is missing, damaged, of a newer format, or wrong.
    """
    path = folder / SPEC_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The description of weights {path} cannot be read: {error}.") from error
    if not isinstance(values, Mapping):
        raise CheckpointError(f"The file {path} describes no weights: it holds {type(values).__name__}.")
    try:
        return WeightSpec.from_dict(values)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def check_name(name: object) -> None:
    """Refuse what cannot be a name of weights.

    Raises:
        CheckpointError: If it is no such name.
    """
    if not (isinstance(name, str) and NAME.fullmatch(name)) or name in TAKEN:
        raise CheckpointError(
            f"{name!r} is no name for weights: lower-case words and numbers joined by hyphens are, such as "
            f"'hq-unet-aerial', but not {' or '.join(TAKEN)}."
        )


def _one(kind: Any, value: Any) -> Any:  # noqa: ANN401 - plain types to one of the classes above
    return kind.from_dict(value)


def _many(kind: Any, value: Any) -> Any:  # noqa: ANN401 - likewise
    return tuple(kind.from_dict(each) for each in value)


def _named(kind: Any, value: Any) -> Any:  # noqa: ANN401 - likewise
    return {str(name): kind.from_dict(each) for name, each in value.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any tree of plain types and the classes above
    if isinstance(value, Plain | Trained):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
