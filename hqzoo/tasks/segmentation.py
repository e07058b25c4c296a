"""Semantic segmentation: one label per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from hqzoo._lightning import pl
from hqzoo.errors import ConfigError
from hqzoo.models.registry import Kind
from hqzoo.tasks import metric
from hqzoo.tasks.base import Batch, Found, Stage, Task
from hqzoo.tasks.calibration import ProbabilityMetrics
from hqzoo.tasks.checks import check_mask
from hqzoo.tasks.losses import LossSettings, SegmentationLoss
from hqzoo.tasks.metric import Metric
from hqzoo.tasks.metrics import SegmentationMetrics
from hqzoo.tasks.samples import Samples
from hqzoo.tasks.settings import as_settings
from hqzoo.tasks.small_objects import SmallObjectRecall

__all__ = ["SegmentationTask"]

LOSS = LossSettings()
MEANS = ("miou", "oa", "boundary_iou")


class SegmentationTask(Task):
    """Train, check and use any model that gives logits per pixel.

    Args:
        architecture: Name of a registered model, see ``hqzoo.models.list_models``.
        architecture_args: Its arguments.
        loss: What is minimised.
        boundary_width: Width in pixels of the band that boundary IoU looks at; ``None``: 2 % of the window's
            diagonal.
        head: ``"softmax"``: one logit per class. ``"sigmoid"``, for two classes: the model has one logit z, that of
            the second class. It is widened to the logits (0, z), of which the cross-entropy is the binary one.
        **common: Further arguments of :class:`hqzoo.tasks.base.Task`.

    Raises:
        ConfigError: If a name, an argument or a setting does not make sense.

    Attributes:
        model: The model, from normalised images ``(B, C, H, W)`` to logits ``(B, K, H, W)``; there once
            sensors, statistics and targets are known.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        metric.MIOU, metric.OA, metric.BOUNDARY_IOU, metric.SOFT_IOU, metric.ECE, metric.SMALL_OBJECT_RECALL,
        metric.LOSS, metric.IOU, metric.F1, metric.PRECISION, metric.RECALL,
    )  # fmt: skip
    model_kinds: ClassVar[tuple[Kind, ...]] = ("segmentation",)
    target_kinds: ClassVar[tuple[str, ...]] = ("mask",)

    loss: SegmentationLoss
    scenes: Samples

    def __init__(
        self,
        architecture: str,
        architecture_args: dict[str, Any] | None = None,
        loss: LossSettings = LOSS,
        boundary_width: int | None = None,
        head: Literal["softmax", "sigmoid"] = "softmax",
        **common: Any,  # noqa: ANN401 - the base class checks them
    ) -> None:
        super().__init__(architecture, architecture_args, **common)
        if head not in ("softmax", "sigmoid"):
            raise ConfigError(f"head='{head}' is not one of softmax, sigmoid.")
        self.head = head
        self.loss_settings = as_settings(LossSettings, loss, "loss")
        self.boundary_width = boundary_width
        self.remember(loss=self.loss_settings, boundary_width=boundary_width, head=head)
        self.configure_model()

    @property
    def ignore_index(self) -> int:
        """Mask value of pixels that neither loss nor scores count."""
        return self.loss_settings.ignore_index

    def num_outputs(self) -> int:
        """Return how many logits the model has per pixel.

        Raises:
            ConfigError: If a sigmoid head is asked to tell apart more or fewer than two classes.
        """
        if self.head == "softmax":
            return len(self.classes)
        if len(self.classes) != 2:
            raise ConfigError(
                f"head='sigmoid' tells two classes apart; there are {len(self.classes)}: {', '.join(self.classes)}. "
                "Use head='softmax'."
            )
        return 1

    def build_parts(self) -> None:
        """Build loss and metrics."""
        number, ignore = len(self.classes), self.ignore_index
        self.loss = SegmentationLoss(self.loss_settings, number)
        metrics = {stage: SegmentationMetrics(number, ignore, self.boundary_width) for stage in ("val", "test")}
        self.scores = nn.ModuleDict(metrics)
        self.probabilities = ProbabilityMetrics(number, ignore)
        self.small_objects = SmallObjectRecall(number, ignore)
        self.scenes = Samples(windows=True)

    def _counted(self, stage: Stage) -> SegmentationMetrics:
        return self.scores[stage]  # type: ignore[return-value]

    # One batch ----------------------------------------------------------------------------------------------

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return logits ``(B, K, H, W)`` of raw images ``(B, C, H, W)``; see :meth:`hqzoo.tasks.base.Task.forward`."""
        logits: Tensor = super().forward(images)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.head == "sigmoid" else logits

    def _loss_and_logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        logits = self(batch)
        mask = batch["mask"]
        check_mask(mask, logits, self.ignore_index, values=self._may_look())
        loss: Tensor = self.loss(logits, mask)
        return loss, logits

    def compute_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a training batch."""
        return self._loss_and_logits(batch)[0]

    def evaluate(self, batch: Batch, stage: Stage) -> Tensor:
        """Count one batch and return its class maps ``(B, H, W)``; logs ``<stage>/loss``."""
        loss, logits = self._loss_and_logits(batch)
        prediction, mask = logits.argmax(1), batch["mask"]
        self._counted(stage).update(prediction, mask)
        labelled = int((mask != self.ignore_index).sum())
        # Weighted by labelled pixels, so that the loss of a split does not depend on its batches either.
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=labelled, sync_dist=True)
        if stage == "test":
            self.probabilities.update(logits, mask)
            self.small_objects.update(prediction, mask)
            self.scenes.add(_names(batch), **_counts(prediction, mask, len(self.classes), self.ignore_index))
        return prediction

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return class maps ``(B, H, W)`` uint8."""
        logits: Tensor = self(batch)
        return logits.argmax(1).to(torch.uint8)

    # The end of a split -------------------------------------------------------------------------------------

    def summarise(self, stage: Stage) -> Found:
        """Return the scores of the whole split; those of a test also look at probabilities and small objects."""
        counted = self._counted(stage)
        found = counted.report(self.classes)
        counted.reset()
        scores, rows = {name: found[name] for name in MEANS}, found["classes"]
        if stage == "val":
            return Found(scores, tuple(rows), {"pixels": found["pixels"], "confusion": found["confusion"]})
        probable, small = self.probabilities.report(), self.small_objects.report()
        self.probabilities.reset()
        self.small_objects.reset()
        for k, row in enumerate(rows):
            row["soft_iou"] = probable["soft_iou"][k]
            row |= {"small_object_recall": small["recall"][k], "small_objects": small["objects"][k]}
        present = [value for value in probable["soft_iou"] if value is not None]
        scores |= {
            "soft_iou": fmean(present) if present else None,
            "ece": probable["ece"],
            "small_object_recall": small["total_recall"],
        }
        details = {
            "pixels": found["pixels"], "confusion": found["confusion"], "small_objects": small["total_objects"],
        }  # fmt: skip
        return Found(scores, tuple(rows), details, self.scenes.gather())

    def logged(self, found: Found) -> Mapping[str, float | None]:
        """Return the means, and the IoU of every class."""
        return {**found.scores, **{f"iou/{row['name']}": row["iou"] for row in found.classes}}

    def logged_names(self) -> list[str]:
        """Return the means, the IoU of every class, and the loss."""
        return [*MEANS, *(f"iou/{name}" for name in self.classes), metric.LOSS.name]

    # Pictures -----------------------------------------------------------------------------------------------

    def draw_panel(self, samples: list[Mapping[str, Any]], predictions: list[Tensor], path: Path) -> Path:
        """Draw image, truth, prediction and difference of every sample."""
        from hqzoo.tasks.panels import draw_panel  # matplotlib takes half a second

        return draw_panel(
            torch.stack([sample[next(iter(self.sensors or ()))] for sample in samples]),
            torch.stack([sample["mask"] for sample in samples]),
            torch.stack(predictions),
            self.classes,
            self.palette,
            path,
            scale=255.0 if self.sensor is not None and self.sensor.scale == 255 else None,
            ignore_index=self.ignore_index,
        )

    def prediction_writer(self, folder: Path) -> pl.Callback:
        """Return the callback that stitches class maps into index PNGs."""
        from hqzoo.callbacks.prediction_writer import PredictionWriter

        return PredictionWriter(str(folder))


def _names(batch: Batch) -> list[str]:
    """Return the scene of every window; data sets of whole images may call it ``name``."""
    number = len(batch["mask"])
    return list(map(str, batch.get("scene") or batch.get("name") or [""] * number))


def _counts(prediction: Tensor, truth: Tensor, classes: int, ignore_index: int) -> dict[str, Tensor]:
    """Return hits, false alarms and misses per window and class, ``(B, K)`` int64 each."""
    size, valid = len(truth), truth != ignore_index
    window = torch.arange(size, device=truth.device)[:, None, None] * classes**2
    pairs = (window + truth * classes + prediction).where(valid, size * classes**2)
    counts = torch.bincount(pairs.flatten(), minlength=size * classes**2 + 1)[:-1].view(size, classes, classes)
    hits = counts.diagonal(dim1=1, dim2=2)
    return {"tp": hits, "fp": counts.sum(1) - hits, "fn": counts.sum(2) - hits}
