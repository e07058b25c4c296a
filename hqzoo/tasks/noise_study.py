"""A trained task under noise and finite shots: its scores under every condition, and their curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hqzoo._files import replacing
from hqzoo.errors import ConfigError
from hqzoo.quantum import Execution, NoiseModel, QuantumLayer, executed
from hqzoo.quantum.mitigation import SCALES, Extrapolation
from hqzoo.tasks.base import Task

__all__ = ["Condition", "NoiseStudy", "Outcome", "draw_outcomes"]

LEAST_RANGE = 0.05  # of the score in the figure
SEEDS_APART = 1000  # between repeats

Scores = Mapping[str, float | None]


@dataclass(frozen=True)
class Condition:
    """One way in which the circuits of a task are run.

    Args:
        strength: Multiple of the study's noise.
        shots: Measurements of every group of observables; None: exact expectation values.
        zne: Zero-noise extrapolation; None: none.
    """

    strength: float
    shots: int | None
    zne: Extrapolation | None

    @property
    def measured(self) -> str:
        """How values are measured, in words."""
        return ("exact" if self.shots is None else f"{self.shots:,} shots") + (f", {self.zne} ZNE" if self.zne else "")


@dataclass(frozen=True)
class Outcome:
    """The scores under a condition.

    Args:
        condition: The condition.
        scores: Every score by name, averaged over repeats.
        repeats: The task's first score, run by run.
    """

    condition: Condition
    scores: Scores
    repeats: tuple[float | None, ...]

    @property
    def score(self) -> float | None:
        """The task's first score, averaged over repeats."""
        return _mean(self.repeats)

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        found = {"score": self.score, "scores": dict(self.scores), "repeats": list(self.repeats)}
        return {**asdict(self.condition), **found}


@dataclass(frozen=True)
class NoiseStudy:
    """What a trained task is put through: every strength of noise with every kind of measurement.

    Args:
        noise: The noise of strength 1.
        strengths: Multiples of it; without noise there is one condition for each kind of measurement.
        shots: Numbers of shots, beside exact expectation values.
        zne: Also with zero-noise extrapolation, wherever there is noise.
        repeats: Runs with fresh shots.
        seed: Seed of shots and trajectories.
        n_trajectories: Random states per sample where a noisy circuit is too large to be exact.

    Raises:
        ConfigError: If there is neither noise nor shots, nothing to extrapolate from, or a number makes no sense.
        CircuitError: If the noise cannot be made as strong as asked for.
    """

    noise: NoiseModel
    strengths: tuple[float, ...]
    shots: tuple[int, ...] = ()
    zne: Extrapolation | None = None
    repeats: int = 1
    seed: int = 0
    n_trajectories: int = 100

    def __post_init__(self) -> None:
        if self.noise.is_ideal and not self.shots:
            raise ConfigError("Nothing to try: give a noise channel such as depolarizing=0.01, shots, or both.")
        if self.zne and self.noise.is_ideal:
            raise ConfigError("Zero-noise extrapolation takes noise away, and there is none: give a noise channel.")
        if self.repeats < 1 or min([1, *self.shots]) < 1 or min([0.0, *self.strengths]) < 0:
            raise ConfigError("Repeats and shots are at least 1, and strengths at least 0.")
        self.noise.scaled(max([0.0, *self.strengths]) * (max(SCALES) if self.zne else 1.0))

    @property
    def conditions(self) -> list[Condition]:
        """Every condition, the weakest noise first."""
        return [
            Condition(strength, shots, zne)
            for strength in (sorted(set(self.strengths)) if not self.noise.is_ideal else [0.0])
            for shots in (None, *sorted(set(self.shots)))
            for zne in (None, *([self.zne] if self.zne and strength else []))
        ]

    def outcomes(self, task: Task, score: Callable[[], Scores]) -> Iterator[Outcome]:
        """Yield the scores under every condition, in order.

        Args:
            task: The task; its model is run under the conditions while ``score`` runs.
            score: Tests the task and returns its scores by name.

        Raises:
            ConfigError: If the task's model has no quantum layer.
        """
        if not any(isinstance(module, QuantumLayer) for module in task.modules()):
            raise ConfigError(
                f"'{task.architecture}' with {task.architecture_args} has no quantum layer: noise has nothing to act "
                "on. Give a hybrid model."
            )
        return (self._outcome(condition, task, score) for condition in self.conditions)

    def _outcome(self, condition: Condition, task: Task, score: Callable[[], Scores]) -> Outcome:
        found = []
        for repeat in range(self.repeats if condition.shots else 1):
            execution = Execution(
                self.noise.scaled(condition.strength),
                condition.shots,
                condition.zne,
                seed=self.seed + SEEDS_APART * repeat,
                n_trajectories=self.n_trajectories,
            )
            with executed(task.model, execution):
                found.append(score())
        means = {name: _mean([scores[name] for scores in found]) for name in found[0]}
        return Outcome(condition, means, tuple(scores[task.metrics[0].name] for scores in found))


def draw_outcomes(outcomes: Sequence[Outcome], noise: NoiseModel, heading: str, path: Path) -> None:
    """Draw the score against the strength of the noise, a line per kind of measurement; without noise: shots.

    Args:
        outcomes: Scores under every condition.
        noise: The noise of strength 1.
        heading: Name of the score.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    if noise.is_ideal:
        sampled = [outcome for outcome in outcomes if outcome.condition.shots]
        axes.plot([float(o.condition.shots or 0) for o in sampled], _heights(sampled), "o-", label="shots")
        if outcomes[0].score is not None:
            axes.axhline(outcomes[0].score, color="0.4", linestyle=":", label="exact")
        axes.set(xscale="log", xlabel="shots")
    else:
        for kind in dict.fromkeys(outcome.condition.measured for outcome in outcomes):
            own = [outcome for outcome in outcomes if outcome.condition.measured == kind]
            line = "s--" if own[0].condition.zne else "o-"
            axes.plot([o.condition.strength for o in own], _heights(own), line, label=kind)
        axes.set(xlabel="multiple of the noise")
        axes.set_title(str(noise), fontsize=9, wrap=True)
    low, high = axes.get_ylim()
    if high - low < LEAST_RANGE:  # differences that mean nothing should not look like much
        axes.set_ylim((low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2)
    axes.set(ylabel=heading)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=150)


def _heights(outcomes: Sequence[Outcome]) -> list[float]:
    return [math.nan if outcome.score is None else outcome.score for outcome in outcomes]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
