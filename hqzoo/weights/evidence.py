"""What published weights rest on: data and their licences, scores with their intervals, circuits, borrowed parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from hqzoo.data.plain import Plain
from hqzoo.errors import CheckpointError

__all__ = ["CircuitSize", "ControlResult", "DataSource", "Origin", "Score"]


@dataclass(frozen=True, kw_only=True)
class DataSource(Plain):
    """A data set that weights were trained on.

    Args:
        name: Its name.
        licence: Its licence, as an SPDX expression or in words.
        url: Where it is found.
        citation: How it wants to be cited.
        fingerprint: Digest of the images used; empty: not computed.
    """

    SCHEMA: ClassVar[int] = 1

    name: str
    licence: str
    url: str = ""
    citation: str = ""
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.licence:
            raise CheckpointError(
                f"Training data need a name and a licence, got name={self.name!r} and licence={self.licence!r}."
            )


@dataclass(frozen=True, kw_only=True)
class Score(Plain):
    """A score on data that the weights were not trained on.

    Args:
        metric: Its name, as in reports: ``"miou"``.
        value: Its value; the mean where there are several folds or seeds.
        data: Name of the data.
        split: Which part of them.
        direction: Whether the largest or the smallest score is the best.
        images: On how many images it rests; None: not stated.
        folds: Folds of the data.
        seeds: Seeds of the trainings.
        interval: Low and high end of the confidence interval; None: not computed.
        confidence: Of the interval.
        label: What readers see; empty: the metric's name.
        floor: What a trivial answer reaches on the same data; None: not stated.
        floor_name: Which one: ``"land everywhere"``, ``"chance"``.
        control: What the spec's control reaches on the same data; None: not scored there.
        control_interval: Confidence interval of the score minus the control's; None: not computed.
    """

    SCHEMA: ClassVar[int] = 2

    metric: str
    value: float
    data: str
    split: str = "test"
    direction: Literal["max", "min"] = "max"
    images: int | None = None
    folds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    interval: tuple[float, float] | None = None
    confidence: float = 0.95
    label: str = ""
    floor: float | None = None
    floor_name: str = ""
    control: float | None = None
    control_interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _finite(self.value, self.metric))
        for key in ("floor", "control"):
            if (beside := getattr(self, key)) is not None:
                object.__setattr__(self, key, _finite(beside, f"{self.metric}, {key}"))
        object.__setattr__(self, "control_interval", _interval(self.control_interval, f"{self.metric}, control"))
        object.__setattr__(self, "folds", tuple(self.folds))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        object.__setattr__(self, "interval", _interval(self.interval, self.metric))
        if self.direction not in ("max", "min"):
            raise CheckpointError(f"The direction of '{self.metric}' is max or min, got {self.direction!r}.")

    @property
    def above_floor(self) -> bool | None:
        """Whether the whole interval is better than the trivial answer; None where one of the two is not stated."""
        if self.floor is None or self.interval is None:
            return None
        low, high = self.interval
        return low > self.floor if self.direction == "max" else high < self.floor


@dataclass(frozen=True, kw_only=True)
class ControlResult(Plain):
    """What the network reaches with a control in the place of its circuits, trained in the same way.

    Args:
        name: Which control: ``"constant"``, ``"mlp"``, ...
        metric: Name of the score.
        value: What the control reaches.
        difference: Score of the circuit minus score of the control, paired where that was possible.
        interval: Confidence interval of the difference; None: not computed.
        verdict: *better*, *worse*, *equivalent* or *undecided*: what the circuit is against the control.
        how: How the two were compared, in a few words: what they were trained with, and over what they are paired.
    """

    SCHEMA: ClassVar[int] = 2

    name: str
    metric: str
    value: float
    difference: float
    interval: tuple[float, float] | None = None
    verdict: Literal["better", "worse", "equivalent", "undecided"] = "undecided"
    how: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _finite(self.value, self.metric))
        object.__setattr__(self, "difference", _finite(self.difference, self.metric))
        object.__setattr__(self, "interval", _interval(self.interval, self.metric))
        if self.verdict not in ("better", "worse", "equivalent", "undecided"):
            raise CheckpointError(
                f"A verdict is better, worse, equivalent or undecided, got {self.verdict!r} for '{self.name}'."
            )


@dataclass(frozen=True, kw_only=True)
class CircuitSize(Plain):
    """A circuit of a model.

    Args:
        qubits: Its wires.
        gates: Its gates.
        weights: Its trained angles.
        outputs: Its expectation values.
        engine: The engine that ran it where the weights were packed.
    """

    SCHEMA: ClassVar[int] = 1

    qubits: int
    gates: int
    weights: int
    outputs: int
    engine: str


@dataclass(frozen=True, kw_only=True)
class Origin(Plain):
    """Where weights of somebody else come from.

    Args:
        source: A tag such as ``"timm/vit_small_patch16_dinov3.lvd1689m"``, or ``"random"``.
        sha256: Digest of the weights.
        licence: Their licence; empty for random ones only.
        seed: Seed of random weights.
        torch: Version of torch that drew random weights.
    """

    SCHEMA: ClassVar[int] = 1

    source: str
    sha256: str = ""
    licence: str = ""
    seed: int | None = None
    torch: str = ""

    def __post_init__(self) -> None:
        if self.source != "random" and not self.licence:
            raise CheckpointError(
                f"The weights rest on '{self.source}', whose licence is not stated. State it: "
                f"licences: {{'{self.source}': LICENCE}}."
            )

    def reference(self) -> dict[str, object]:
        """Return what a checkpoint says of a frozen part."""
        own: dict[str, object] = {"source": self.source, "sha256": self.sha256}
        return own if self.seed is None else {**own, "seed": self.seed, "torch": self.torch}


def _finite(value: object, name: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise CheckpointError(f"The score '{name}' is a finite number, got {value!r}.")
    return float(value)


def _interval(value: object, name: str) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise CheckpointError(f"The interval of '{name}' has two ends, got {value!r}.")
    low, high = (_finite(end, name) for end in value)
    if low > high:
        raise CheckpointError(f"The interval of '{name}' goes from low to high, got {value!r}.")
    return low, high
