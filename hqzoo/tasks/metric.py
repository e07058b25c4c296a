"""What a score means: its direction, unit, and the difference that nobody would mind. The one place for all of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from hqzoo.errors import ConfigError, unknown_name

__all__ = [
    "ACCURACY", "AVERAGE_PRECISION", "BINARY_ACCURACY", "BOUNDARY_IOU", "ECE", "F1", "IMAGE_IOU", "IOU", "JACCARD",
    "LOSS", "MACRO_F1", "MACRO_F1_CHOSEN", "MICRO_F1", "MICRO_F1_CHOSEN", "MIOU", "OA", "PRECISION", "RANK", "RECALL",
    "RECIPROCAL_RANK", "SMALL_OBJECT_RECALL", "SOFT_IOU", "Metric", "by_name", "standard_metrics",
]  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """A score that a task reports. Tables, verdicts, plots and stopping read here what it means.

    Args:
        name: Its key in a report and, behind ``val/`` and ``test/``, in logs. A score of one class is
            ``<name>/<class>`` and means the same.
        direction: Whether ``"max"`` or ``"min"`` is better.
        label: What readers see; empty: the name.
        unit: Unit; empty for shares from 0 to 1.
        margin: The difference that nobody would mind, in the unit: scores nearer than this are equivalent. None: no
            such difference is known, so that nothing is called equivalent.
        mean_of: Name of the score of classes whose mean this is; empty: of none.

    Raises:
        ConfigError: If name, direction or margin do not make sense.
    """

    name: str
    direction: Literal["max", "min"] = "max"
    label: str = ""
    unit: str = ""
    margin: float | None = None
    mean_of: str = ""

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ConfigError(f"A metric is named without '/', which stands before a class; got '{self.name}'.")
        if self.direction not in ("max", "min"):
            raise ConfigError(f"The direction of metric '{self.name}' is max or min, got '{self.direction}'.")
        if self.margin is not None and not (math.isfinite(self.margin) and self.margin > 0):
            raise ConfigError(f"The margin of metric '{self.name}' is a positive number, got {self.margin}.")

    @property
    def heading(self) -> str:
        """What readers see."""
        return self.label or self.name

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score is the better one."""
        return self.direction == "max"

    def improves(self, new: float, old: float) -> bool:
        """Return whether ``new`` is better than ``old``; never for NaN."""
        return new > old if self.higher_is_better else new < old

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the metric from :meth:`to_dict`'s result."""
        return cls(**values)


# CHOICE throughout: one point of a share is the margin of the published tables.
MIOU = Metric("miou", label="mIoU", margin=0.01, mean_of="iou")
IOU = Metric("iou", label="IoU", margin=0.01)
JACCARD = Metric("jaccard", label="macro Jaccard", margin=0.01)
OA = Metric("oa", label="OA", margin=0.01)
# No margin: one point of it is half a point for every class of overall accuracy, 16.5 points of it with 33 classes.
BINARY_ACCURACY = Metric("binary_accuracy", label="class-averaged binary accuracy")
F1 = Metric("f1", label="F1", margin=0.01)
PRECISION = Metric("precision", margin=0.01)
RECALL = Metric("recall", margin=0.01)
# No margin: boundary IoU depends on the width of the band, so that one point is 6 % of a score near .16 and 1 % of one
# near .9. A table that calls such scores equivalent says by which margin. Reports carry the margin that they were
# written with, so that earlier tables keep theirs.
BOUNDARY_IOU = Metric("boundary_iou", label="boundary IoU", mean_of="boundary_iou")
SOFT_IOU = Metric("soft_iou", label="soft IoU", margin=0.01, mean_of="soft_iou")
SMALL_OBJECT_RECALL = Metric("small_object_recall", label="small-object recall", margin=0.01)
ECE = Metric("ece", "min", label="ECE", margin=0.01)
LOSS = Metric("loss", "min")
ACCURACY = Metric("accuracy", margin=0.01)
MACRO_F1 = Metric("macro_f1", label="macro F1", margin=0.01, mean_of="f1")
MICRO_F1 = Metric("micro_f1", label="micro F1", margin=0.01)
MICRO_F1_CHOSEN = Metric("micro_f1_chosen", label="micro F1 at chosen thresholds", margin=0.01)
MACRO_F1_CHOSEN = Metric("macro_f1_chosen", label="macro F1 at chosen thresholds", margin=0.01)
IMAGE_IOU = Metric("image_iou", label="mean IoU of images", margin=0.01)
RANK = Metric("rank", "min", label="rank of the first hit")
RECIPROCAL_RANK = Metric("reciprocal_rank", label="mean reciprocal rank", margin=0.01)
AVERAGE_PRECISION = Metric("average_precision", label="mean average precision", margin=0.01)


def by_name(name: str, metrics: Iterable[Metric]) -> Metric:
    """Return the metric of a score, ``miou`` or ``iou/lesion``.

    Raises:
        ConfigError: If none of them is meant.
    """
    known = {metric.name: metric for metric in metrics}
    own = name.partition("/")[0]
    if own not in known:
        raise ConfigError(unknown_name("metric", name, known))
    return known[own]


def standard_metrics() -> tuple[Metric, ...]:
    """Return the metrics of this module, for whoever has a name and no report that says what it means."""
    return tuple(each for each in globals().values() if isinstance(each, Metric))
