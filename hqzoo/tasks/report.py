"""What a test found, as one typed value with a versioned plain form: what tables, pages and files read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from hqzoo.errors import ConfigError, unknown_name
from hqzoo.tasks.metric import Metric, by_name

__all__ = ["Report"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Scores of a checkpoint on one split, and all that is needed to compare them with others.

    Args:
        scores: Score by metric name; None where it does not exist, such as of a class that is absent.
        metrics: What these scores, and those of classes, mean.
        classes: A row per class: ``name``, scores by metric name, and counts; empty where there are no classes. Counts
            of the truth alone, which are the same for every model, have names that begin with ``truth_``.
        model: ``architecture``, ``architecture_args``, numbers of parameters, references of frozen parts.
        costs: Circuit runs, FLOPs, memory, step time.
        data: Where the data came from: class, arguments, fingerprint of the images, folds, how many samples.
        run: Split, checkpoint, step, seconds, version; ``prediction`` of class maps: ``windows`` of a plain grid as the
            model sees them, or ``blended`` whole images.
        details: Further plain values behind the scores, such as the confusion matrix.
    """

    SCHEMA: ClassVar[int] = 2

    scores: Mapping[str, float | None]
    metrics: tuple[Metric, ...]
    classes: tuple[Mapping[str, Any], ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """What is known of the truth that was scored, by class: two models are compared only where it is the same."""
        found = {row["name"]: {key: row[key] for key in row if key.startswith("truth_")} for row in self.classes}
        return {name: counts for name, counts in found.items() if counts}

    def metric(self, name: str) -> Metric:
        """Return what a score means: ``miou``, or one of a class, ``iou/lesion``.

        Raises:
            ConfigError: If the report has no such metric.
        """
        return by_name(name, self.metrics)

    def score(self, name: str) -> float | None:
        """Return a score, ``miou``, or one of a class, ``iou/lesion``; None where it does not exist.

        Raises:
            ConfigError: If the report has no such score.
        """
        metric, of_class, class_name = name.partition("/")
        place: Mapping[str, Any] = self.scores
        if of_class:
            classes = {row["name"]: row for row in self.classes}
            if class_name not in classes:
                raise ConfigError(unknown_name("class", class_name, classes))
            place = classes[class_name]
        known = {each.name for each in self.metrics}
        if metric not in place or metric not in known:
            raise ConfigError(
                unknown_name("metric", name, [f"{each}{of_class}{class_name}" for each in place if each in known])
            )
        value = place[metric]
        return None if value is None or math.isnan(value) else float(value)

    def explained(self, metric: Metric) -> Self:
        """Return the report with what one of its scores means, where it does not say so itself.

        Raises:
            ConfigError: If there is no such score.
        """
        if metric.name in {each.name for each in self.metrics}:
            return self
        if metric.name not in self.scores:
            raise ConfigError(unknown_name("metric", metric.name, self.scores))
        return replace(self, metrics=(*self.metrics, metric))

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, with the ``schema`` that they follow."""
        return {
            "schema": self.SCHEMA,
            "scores": dict(self.scores),
            "metrics": [metric.to_dict() for metric in self.metrics],
            "classes": [dict(row) for row in self.classes],
            "model": dict(self.model),
            "costs": dict(self.costs),
            "data": dict(self.data),
            "run": dict(self.run),
            "details": dict(self.details),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the report from :meth:`to_dict`'s result; keys that belong to whoever stored it are left out.

        Raises:
            ConfigError: If it follows another schema.
        """
        schema = values.get("schema")
        if schema != cls.SCHEMA:
            raise ConfigError(
                f"This report follows schema {schema or 'none'}, but this hqzoo reads schema {cls.SCHEMA}. "
                + ("Update hqzoo." if isinstance(schema, int) and schema > cls.SCHEMA else "Test the checkpoint again.")
            )
        return cls(
            scores=values["scores"],
            metrics=tuple(Metric.from_dict(each) for each in values["metrics"]),
            classes=tuple(values["classes"]),
            **{name: values[name] for name in ("model", "costs", "data", "run", "details")},
        )
