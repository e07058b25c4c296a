"""Scores of units: one number per unit, or a ratio of counts that add up over units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hqzoo.compare.unit_runs import UnitRun
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.tasks import metric
from hqzoo.tasks.count_scores import CALIBRATION_BINS, UNIT, calibration_error, share, soft_iou
from hqzoo.tasks.metric import Metric

__all__ = ["Linear", "Ratio", "Statistic", "check_name", "is_score_of_units", "statistic_of"]

Array = npt.NDArray[np.float64]
Columns = Mapping[str, npt.NDArray[Any]]
PerUnit = Callable[[Columns], npt.ArrayLike]


@dataclass(frozen=True)
class Linear:
    """A score whose mean over units is the score of them all.

    Args:
        metric: What it means.
        of_run: The score of every unit of a run ``(N,)``, NaN for units that have none.
    """

    metric: Metric
    of_run: Callable[[UnitRun], Array]


@dataclass(frozen=True)
class Ratio:
    """A score of counts that are added up over units first.

    Args:
        metric: What it means.
        counts: The counts of every unit of a run ``(N, ...)``.
        score: The score ``(B,)`` of added counts ``(B, ...)``, NaN where there is none.
    """

    metric: Metric
    counts: Callable[[UnitRun], Array]
    score: Callable[[Array], Array]


Statistic = Linear | Ratio


def statistic_of(statistic: str | PerUnit, run: UnitRun) -> Statistic:
    """Return a score by name, or that of a function of a run's columns.

    Args:
        statistic: Name of a score: of every unit ``accuracy``, ``loss``, ``image_iou``, ``rank``, ``reciprocal_rank``,
            ``average_precision``; of counts that are added up over units ``miou``, ``iou``, ``oa``, ``f1``,
            ``precision``, ``recall``, ``macro_f1``, ``micro_f1``, ``soft_iou``, ``ece``. Those that classes have are
            also ``iou/water``. Or a function from the columns to one number per unit ``(N,)``.
        run: A run that shall have it.

    Raises:
        ConfigError: If there is no such score or class, or the run lacks its columns.
    """
    if callable(statistic):
        name = getattr(statistic, "__name__", "statistic")
        return Linear(Metric(name.strip("<>")), partial(_called, statistic))
    check_name(statistic)
    name, of_class, class_name = statistic.partition("/")
    number = _class_number(run, class_name) if of_class else None
    found: Statistic
    if name in LINEAR:
        meaning, of_unit = LINEAR[name]
        found = Linear(meaning, partial(_of_units, of_unit, number))
        found.of_run(run)
    else:
        meaning, counts, score = RATIO[name]
        found = Ratio(meaning, partial(_counted, counts), partial(score, number))
        found.counts(run)
    return found


def check_name(statistic: str) -> None:
    """Refuse a name that no score of units has.

    Raises:
        ConfigError: If there is no such score.
    """
    if not is_score_of_units(statistic):
        known = {*LINEAR, *RATIO}
        whole = known - ONLY_OF_CLASSES | {f"{each}/CLASS" for each in OF_CLASSES}
        raise ConfigError(unknown_name("score of units", statistic, whole))


def is_score_of_units(name: str) -> bool:
    """Return whether units have a score of this name, ``accuracy`` or ``iou/water``."""
    whole, of_class, _ = name.partition("/")
    return whole in (OF_CLASSES if of_class else {*LINEAR, *RATIO} - ONLY_OF_CLASSES)


def _class_number(run: UnitRun, name: str) -> int:
    if name not in run.classes:
        raise ConfigError(unknown_name("class", name, run.classes))
    return run.classes.index(name)


# One number per unit ----------------------------------------------------------------------------------------------


def _called(function: PerUnit, run: UnitRun) -> Array:
    values = np.asarray(function(run.columns), np.float64)
    if values.shape != run.columns["name"].shape:
        raise ConfigError(
            f"A statistic of units gives one number per unit, shape {run.columns['name'].shape}; got {values.shape}."
        )
    return values


def _of_units(of_unit: Callable[[UnitRun, int | None], Array], number: int | None, run: UnitRun) -> Array:
    return np.asarray(of_unit(run, number), np.float64)


def _accuracy(run: UnitRun, _: int | None) -> Array:
    right = _column(run, "truth") == _prediction(run)
    return np.asarray(right.all(1) if right.ndim == 2 else right, np.float64)


def _image_iou(run: UnitRun, number: int | None) -> Array:
    counts = _confusion(run)
    iou = np.where(counts[:, 0] + counts[:, 2] > 0, share(counts[:, 0], counts.sum(1)), np.nan)
    return _mean_of_present(iou) if number is None else iou[:, number]


def _stored(name: str, run: UnitRun, _: int | None) -> Array:
    return np.asarray(_column(run, name), np.float64)


def _reciprocal_rank(run: UnitRun, _: int | None) -> Array:
    return 1 / _stored("rank", run, None)


# Counts -----------------------------------------------------------------------------------------------------------


def _counted(counts: Callable[[UnitRun], Array], run: UnitRun) -> Array:
    return np.asarray(counts(run), np.float64)


def _confusion(run: UnitRun) -> Array:
    """Return hits, false alarms and misses of every unit and class ``(N, 3, K)``."""
    if {"tp", "fp", "fn"} <= set(run.columns):
        return np.stack([run.columns[name] for name in ("tp", "fp", "fn")], 1).astype(np.float64)
    truth, predicted = _column(run, "truth", "tp, fp and fn, or truth"), _prediction(run)
    if truth.ndim == 1:
        classes = np.arange(len(run.classes) or _column(run, "probability").shape[1])
        truth, predicted = truth[:, None] == classes, predicted[:, None] == classes
    truth, predicted = truth.astype(bool), predicted.astype(bool)
    return np.stack([truth & predicted, ~truth & predicted, truth & ~predicted], 1).astype(np.float64)


def _soft(run: UnitRun) -> Array:
    return np.asarray(_column(run, "soft"), np.float64)


def _calibration(run: UnitRun) -> Array:
    """Return in every bin of confidence how much there is, its confidence and its hits ``(N, 3, bins)``."""
    if "calibration" in run.columns:
        return np.asarray(run.columns["calibration"], np.float64)
    truth, chance = _column(run, "truth", "calibration, or truth and probability"), _column(run, "probability")
    several = truth.ndim == 2  # then all labels count alike, each with its own probability
    confidence = chance if several else chance.max(1, keepdims=True)
    hits = truth if several else (truth == _prediction(run))[:, None]
    place = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    inside = place[..., None] == np.arange(CALIBRATION_BINS)
    columns = (np.ones_like(confidence), confidence * UNIT, hits)
    return np.stack([(inside * column[..., None]).sum(1) for column in columns], 1)


def _prediction(run: UnitRun) -> npt.NDArray[Any]:
    """Return the predicted class ``(N,)``, or labels ``(N, K)``."""
    if "prediction" in run.columns:
        return run.columns["prediction"]
    chance = _column(run, "probability", "prediction, or probability")
    # Files that were written before predictions were kept: their threshold is not known, 0.5 was the default.
    several = _column(run, "truth").ndim == 2
    return chance >= 0.5 if several else chance.argmax(1)


def _column(run: UnitRun, name: str, wanted: str = "") -> npt.NDArray[Any]:
    if name not in run.columns:
        raise ConfigError(
            f"{run.label} has no column '{wanted or name}', which this score follows from; it has "
            f"{', '.join(run.columns)}. Test it again to have what is missing, or compare another score."
        )
    return run.columns[name]


# Scores of counts -------------------------------------------------------------------------------------------------


def _mean_of_present(scores: Array) -> Array:
    """Return the mean over classes, the absent ones left out."""
    present = ~np.isnan(scores)
    return share(np.where(present, scores, 0).sum(-1), present.sum(-1))


def _of_class(scores: Array, number: int | None) -> Array:
    return _mean_of_present(scores) if number is None else scores[..., number]


def _iou(number: int | None, counts: Array) -> Array:
    hits, _, misses = (counts[..., place, :] for place in range(3))
    return _of_class(np.where(hits + misses > 0, share(hits, counts.sum(-2)), np.nan), number)


def _f1(number: int | None, counts: Array) -> Array:
    return _of_class(share(2 * counts[..., 0, :], counts.sum(-2) + counts[..., 0, :]), number)


def _micro_f1(_: int | None, counts: Array) -> Array:
    return _f1(0, counts.sum(-1, keepdims=True))


def _recall(number: int | None, counts: Array) -> Array:
    return _of_class(share(counts[..., 0, :], counts[..., 0, :] + counts[..., 2, :]), number)


def _precision(number: int | None, counts: Array) -> Array:
    """Return hits over claims, 0 for a class that is there but was never predicted."""
    hits, false, misses = (counts[..., place, :] for place in range(3))
    there = hits + misses > 0
    return _of_class(np.where(there, hits / np.maximum(hits + false, 1), share(hits, hits + false)), number)


def _oa(_: int | None, counts: Array) -> Array:
    return _recall(0, counts.sum(-1, keepdims=True))


def _soft_iou(number: int | None, sums: Array) -> Array:
    return _of_class(soft_iou(sums), number)


def _ece(_: int | None, bins: Array) -> Array:
    return calibration_error(bins)


LINEAR: dict[str, tuple[Metric, Callable[[UnitRun, int | None], Array]]] = {
    "accuracy": (metric.ACCURACY, _accuracy),
    "loss": (metric.LOSS, partial(_stored, "loss")),
    "image_iou": (metric.IMAGE_IOU, _image_iou),
    "rank": (metric.RANK, partial(_stored, "rank")),
    "reciprocal_rank": (metric.RECIPROCAL_RANK, _reciprocal_rank),
    "average_precision": (metric.AVERAGE_PRECISION, partial(_stored, "average_precision")),
}
RATIO: dict[str, tuple[Metric, Callable[[UnitRun], Array], Callable[[int | None, Array], Array]]] = {
    "miou": (metric.MIOU, _confusion, _iou),
    "iou": (metric.IOU, _confusion, _iou),
    "oa": (metric.OA, _confusion, _oa),
    "f1": (metric.F1, _confusion, _f1),
    "precision": (metric.PRECISION, _confusion, _precision),
    "recall": (metric.RECALL, _confusion, _recall),
    "macro_f1": (metric.MACRO_F1, _confusion, _f1),
    "micro_f1": (metric.MICRO_F1, _confusion, _micro_f1),
    "soft_iou": (metric.SOFT_IOU, _soft, _soft_iou),
    "ece": (metric.ECE, _calibration, _ece),
}
OF_CLASSES = {"image_iou", "iou", "f1", "precision", "recall", "soft_iou"}
ONLY_OF_CLASSES = {"iou", "f1", "precision", "recall"}
