"""Classification: one label per image, or any number of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from hqzoo._lightning import pl
from hqzoo.errors import ConfigError, DataError
from hqzoo.models.registry import Kind
from hqzoo.tasks import metric
from hqzoo.tasks.base import Batch, Found, Stage, Task
from hqzoo.tasks.label_scores import label_scores, reliability_of_labels
from hqzoo.tasks.metric import Metric
from hqzoo.tasks.samples import Samples
from hqzoo.tasks.thresholds import best_thresholds, f1_at

__all__ = ["ClassificationTask"]


class ClassificationTask(Task):
    """Train, check and use any model that gives logits per image.

    The kind of targets decides: single labels have the cross-entropy of a softmax, several labels the mean binary
    cross-entropy of sigmoids.

    Args:
        architecture: Name of a registered model, see ``hqzoo.models.list_models("classification")``.
        architecture_args: Its arguments.
        label_smoothing: Share of the truth that is spread over all classes (single labels only).
        class_weights: Weight of each class in the loss; None: all alike.
        threshold: Probability from which on one of several labels is predicted.
        **common: Further arguments of :class:`hqzoo.tasks.base.Task`.

    Raises:
        ConfigError: If a name, an argument or a setting does not make sense.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        metric.ACCURACY, metric.MACRO_F1, metric.MICRO_F1, metric.MICRO_F1_CHOSEN, metric.MACRO_F1_CHOSEN,
        metric.ECE, metric.LOSS, metric.F1, metric.PRECISION, metric.RECALL,
    )  # fmt: skip
    model_kinds: ClassVar[tuple[Kind, ...]] = ("classification",)
    target_kinds: ClassVar[tuple[str, ...]] = ("label", "multilabel")

    def __init__(
        self,
        architecture: str,
        architecture_args: dict[str, Any] | None = None,
        label_smoothing: float = 0.0,
        class_weights: list[float] | None = None,
        threshold: float = 0.5,
        **common: Any,  # noqa: ANN401 - the base class checks them
    ) -> None:
        super().__init__(architecture, architecture_args, **common)
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"label_smoothing is a share from 0 to below 1, got {label_smoothing}.")
        if not 0 < threshold < 1:
            raise ConfigError(f"threshold is a probability between 0 and 1, got {threshold}.")
        if class_weights is not None and (not class_weights or min(class_weights) < 0 or max(class_weights) <= 0):
            raise ConfigError(f"class_weights are not negative and not all zero, got {class_weights}.")
        self.label_smoothing, self.class_weights, self.threshold = label_smoothing, class_weights, threshold
        self.remember(label_smoothing=label_smoothing, class_weights=class_weights, threshold=threshold)
        self.configure_model()

    def build_parts(self) -> None:
        """Make room for what is found of every image.

        Raises:
            ConfigError: If there is not one weight per class.
        """
        if self.class_weights is not None and len(self.class_weights) != len(self.classes):
            raise ConfigError(
                f"class_weights has {len(self.class_weights)} numbers for {len(self.classes)} classes: "
                f"{', '.join(self.classes)}."
            )
        weights = None if self.class_weights is None else torch.tensor(self.class_weights)
        self.register_buffer("weights", weights, persistent=False)
        if self._several:
            self.register_buffer("thresholds", torch.full((len(self.classes),), torch.nan))
        self.images = {"val": Samples(), "test": Samples()}

    @property
    def _several(self) -> bool:
        return self.targets is not None and self.targets.kind == "multilabel"

    # One batch ----------------------------------------------------------------------------------------------

    def losses(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the loss of every image ``(B,)`` from logits ``(B, K)`` and labels ``(B,)`` or ``(B, K)``."""
        weights: Tensor | None = self.weights  # type: ignore[assignment]
        if self._several:
            per_label = F.binary_cross_entropy_with_logits(logits, label.to(logits.dtype), weights, reduction="none")
            return per_label.mean(1)
        return F.cross_entropy(
            logits, label, weights, reduction="none", label_smoothing=self.label_smoothing if self.training else 0.0
        )

    def _check(self, label: Tensor, logits: Tensor) -> None:
        expected = tuple(logits.shape) if self._several else (len(logits),)
        if tuple(label.shape) != expected:
            raise DataError(f"Expected labels {expected}, got {tuple(label.shape)}.")
        if not self._may_look():
            return
        wrong = (label != 0) & (label != 1) if self._several else (label < 0) | (label >= logits.shape[1])
        if wrong.any():
            known = "0 and 1" if self._several else f"class indices 0 to {logits.shape[1] - 1}"
            raise DataError(f"The labels hold {sorted(set(label[wrong].tolist()))}; expected {known}.")

    def compute_loss(self, batch: Batch) -> Tensor:
        """Return the mean loss of a training batch; with class weights, of single labels, their weighted mean."""
        logits, label = self(batch), batch["label"]
        self._check(label, logits)
        losses = self.losses(logits, label)
        if self._several or self.class_weights is None:
            return losses.mean()
        return losses.sum() / torch.as_tensor(self.class_weights, device=label.device)[label].sum()

    def evaluate(self, batch: Batch, stage: Stage) -> Tensor:
        """Note truth and probabilities ``(B, K)`` of one batch, and return the latter."""
        logits, label = self(batch), batch["label"]
        self._check(label, logits)
        probability: Tensor = logits.float().sigmoid() if self._several else logits.float().softmax(1)
        loss = self.losses(logits.float(), label)
        predicted = probability >= self.threshold if self._several else probability.argmax(1)
        columns = {"truth": label, "prediction": predicted, "probability": probability, "loss": loss}
        self.images[stage].add(batch["name"], batch.get("scene"), **columns)
        return probability

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return probabilities ``(B, K)``."""
        logits: Tensor = self(batch).float()
        return logits.sigmoid() if self._several else logits.softmax(1)

    # The end of a split -------------------------------------------------------------------------------------

    def summarise(self, stage: Stage) -> Found:
        """Return the scores of all images of the split, each counted once."""
        samples = self.images[stage].gather()
        truth, probability = samples["truth"], samples["probability"]
        scores, rows = label_scores(truth, probability, self.classes, self.threshold)
        scores["loss"] = float(samples["loss"].mean())
        if self._several:
            scores |= self._at_chosen_thresholds(truth, probability, stage)
        details: dict[str, Any] = {"images": len(truth), "reliability": reliability_of_labels(truth, probability)}
        if not self._several:
            confusion = np.zeros((len(self.classes), len(self.classes)), np.int64)
            np.add.at(confusion, (truth, probability.argmax(1)), 1)
            details["confusion"] = confusion.tolist()
        return Found(scores, tuple(rows), details, samples)

    def _at_chosen_thresholds(
        self, truth: npt.NDArray[Any], probability: npt.NDArray[Any], stage: Stage
    ) -> dict[str, float | None]:
        """Return F1 at thresholds that validation images chose; None in a test before any validation."""
        thresholds: Tensor = self.thresholds  # type: ignore[assignment]
        if stage == "val":
            thresholds.copy_(torch.from_numpy(best_thresholds(truth, probability)))
        if bool(thresholds.isnan().any()):
            return {"micro_f1_chosen": None, "macro_f1_chosen": None}
        micro, macro = f1_at(truth, probability, thresholds.cpu().numpy())
        return {"micro_f1_chosen": micro, "macro_f1_chosen": macro}

    # Pictures and files -------------------------------------------------------------------------------------

    def draw_panel(self, samples: list[Mapping[str, Any]], predictions: list[Tensor], path: Path) -> Path:
        """Draw every image with its truth and the most probable classes."""
        from hqzoo.tasks.panels import draw_labels  # matplotlib takes half a second

        name, sensor = next(iter((self.sensors or {}).items()))
        return draw_labels(
            [sample[name] for sample in samples],
            [sample["label"] for sample in samples],
            predictions,
            self.classes,
            path,
            scale=255.0 if sensor.scale == 255 else None,
        )

    def prediction_writer(self, folder: Path) -> pl.Callback:
        """Return the callback that writes the probabilities of every image into one table."""
        from hqzoo.callbacks.label_writer import LabelWriter

        return LabelWriter(str(folder))
