"""Semantic segmentation: one label per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hqzoo._lightning import pl
from hqzoo.data.base import DataModule
from hqzoo.data.tiling import OVERLAP
from hqzoo.errors import ConfigError
from hqzoo.models import as_model
from hqzoo.models.registry import Kind
from hqzoo.scenes.inference import to_probabilities
from hqzoo.tasks import metric
from hqzoo.tasks.base import Batch, Found, Stage, Task
from hqzoo.tasks.blended import BlendedWindows
from hqzoo.tasks.calibration import probability_counts
from hqzoo.tasks.checks import check_mask
from hqzoo.tasks.count_scores import calibration_error, soft_iou
from hqzoo.tasks.losses import LossSettings, SegmentationLoss
from hqzoo.tasks.metric import Metric
from hqzoo.tasks.metrics import SegmentationMetrics, to_numbers
from hqzoo.tasks.overlays import Overlay, Overlays, as_codes, class_codes
from hqzoo.tasks.reliability import Reliability, reliability_bins
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
        metric.MIOU, metric.JACCARD, metric.OA, metric.BINARY_ACCURACY, metric.BOUNDARY_IOU, metric.SOFT_IOU,
        metric.ECE, metric.SMALL_OBJECT_RECALL, metric.LOSS, metric.IOU, metric.F1, metric.PRECISION, metric.RECALL,
    )  # fmt: skip
    model_kinds: ClassVar[tuple[Kind, ...]] = ("segmentation",)
    target_kinds: ClassVar[tuple[str, ...]] = ("mask",)

    loss: SegmentationLoss
    scenes: Samples
    blended: BlendedWindows
    scored: Literal["windows", "blended"] = "windows"

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
        self.reliability = Reliability(ignore)
        self.small_objects = SmallObjectRecall(number, ignore)
        self.scenes = Samples(windows=True)
        self.blended = BlendedWindows(number, ignore)

    def _counted(self, stage: Stage) -> SegmentationMetrics:
        return self.scores[stage]  # type: ignore[return-value]

    # One batch ----------------------------------------------------------------------------------------------

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return logits ``(B, K, H, W)`` of raw images ``(B, C, H, W)``; see :meth:`hqzoo.tasks.base.Task.forward`."""
        logits: Tensor = super().forward(images)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.head == "sigmoid" else logits

    def compute_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a training batch."""
        return self._loss(self(batch), batch["mask"])

    def evaluate(self, batch: Batch, stage: Stage) -> Tensor | None:
        """Count one batch; logs ``<stage>/loss``.

        Returns:
            Its class maps ``(B, H, W)``; None where windows overlap, which are counted when they are blended.
        """
        logits = self(batch)
        if "overlap" not in batch:
            return self._count(logits, batch["mask"], _names(batch), stage)
        self.scored = "blended"
        if whole := self.blended.add(batch, to_probabilities(logits), self.trainer.world_size):
            self._count(whole.logits, whole.mask, whole.names, stage)
        return None

    def _loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        check_mask(mask, logits, self.ignore_index, values=self._may_look())
        loss: Tensor = self.loss(logits, mask)
        return loss

    def _count(self, logits: Tensor, mask: Tensor, names: list[str], stage: Stage) -> Tensor:
        loss, prediction = self._loss(logits, mask), logits.argmax(1)
        self._counted(stage).update(prediction, mask)
        labelled = int((mask != self.ignore_index).sum())
        # Weighted by labelled pixels, so that the loss of a split does not depend on its batches either.
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=labelled, sync_dist=True)
        if stage == "val":
            self.reliability.update(logits, mask)
        else:
            self.small_objects.update(prediction, mask)
            counts = _counts(prediction, mask, len(self.classes), self.ignore_index)
            self.scenes.add(names, None, **counts, **probability_counts(logits, mask, self.ignore_index))
        return prediction

    # Whole images -------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Also tell the data which windows this model's maps are made of."""
        super().setup(stage)
        self.scored = "windows"
        if hasattr(self, "blended"):
            self.blended.reset()
        data = getattr(self.trainer, "datamodule", None)
        if stage in ("test", "predict") and isinstance(data, DataModule):
            self.configure_model()
            needed = as_model(self.model).input_size
            data.tile_size = (needed, needed) if needed else self.trained.window if self.trained else None

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return class probabilities ``(B, K, H, W)`` float32, which writers blend into maps."""
        return to_probabilities(self(batch))

    def predict(
        self,
        image: npt.NDArray[Any] | Tensor,
        valid: npt.NDArray[np.bool_] | None = None,
        *,
        window: int | tuple[int, int] | None = None,
        overlap: float = OVERLAP,
        batch_size: int = 16,
        precision: str | None = None,
    ) -> npt.NDArray[np.float32]:
        """Predict an image of any size as ``hqzoo map`` does, on the task's device.

        Args:
            image: ``(C, H, W)`` in the sensor's unit, unscaled, of any real type; bands in the sensor's order.
            valid: Pixels that are measured ``(H, W)``; None: all.
            window: See :func:`hqzoo.scenes.map_scene`, also for the following.
            overlap: See there.
            batch_size: See there.
            precision: See there.

        Returns:
            Class probabilities ``(K, H, W)``, NaN where not valid; ``.argmax(0)`` of it is the class map.

        Raises:
            SensorError: If bands, type or values do not fit the sensor.
            ConfigError: If an argument does not make sense.
        """
        from hqzoo.scenes.arrays import predict_array  # it reads and writes nothing, but what it shares does

        image = image.detach().cpu().numpy() if isinstance(image, Tensor) else image
        return predict_array(
            self, image, valid, window=window, overlap=overlap, batch_size=batch_size, precision=precision
        )

    # The end of a split -------------------------------------------------------------------------------------

    def summarise(self, stage: Stage) -> Found:
        """Return the scores of the whole split; those of a test also look at probabilities and small objects."""
        counted = self._counted(stage)
        found = counted.report(self.classes)
        counted.reset()
        scores, rows = {name: found[name] for name in MEANS}, found["classes"]
        run = {"prediction": self.scored}
        details = {"pixels": found["pixels"], "confusion": found["confusion"]}
        if stage == "val":
            details["reliability"] = reliability_bins(self.reliability.compute().cpu().numpy())
            self.reliability.reset()
            return Found(scores, tuple(rows), details, run=run)
        samples, small = self.scenes.gather(), self.small_objects.report()
        self.small_objects.reset()
        soft = to_numbers(torch.from_numpy(soft_iou(samples["soft"].sum(0))))
        for k, row in enumerate(rows):
            row["soft_iou"] = soft[k]
            row |= {"small_object_recall": small["recall"][k], "small_objects": small["objects"][k]}
        present = [value for value in soft if value is not None]
        scores |= {
            "jaccard": found["jaccard"],
            "binary_accuracy": found["binary_accuracy"],
            "soft_iou": fmean(present) if present else None,
            "ece": to_numbers(torch.from_numpy(calibration_error(samples["calibration"].sum(0)))),
            "small_object_recall": small["total_recall"],
        }
        details["small_objects"] = small["total_objects"]
        details["reliability"] = reliability_bins(samples["calibration"].sum(0))
        return Found(scores, tuple(rows), details, samples, run)

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
            **self._look(),
            ignore_index=self.ignore_index,
        )

    def overlays(self, samples: list[Mapping[str, Any]], predictions: list[Tensor]) -> Overlays | None:
        """Return images with truth and prediction; None if there are more classes than codes."""
        from hqzoo.tasks.panels import as_picture

        codes = class_codes(self.classes, self.palette)
        if codes is None:
            return None
        image, number, ignore = next(iter(self.sensors or ())), len(self.classes), self.ignore_index
        images = tuple(
            Overlay(
                str(sample.get("name", k)),
                as_picture(sample[image].float().cpu().numpy(), **self._look()),
                {"truth": as_codes(sample["mask"], number, ignore), "prediction": as_codes(prediction, number, ignore)},
            )
            for k, (sample, prediction) in enumerate(zip(samples, predictions, strict=True))
        )
        return Overlays(*codes, images)

    def _look(self) -> dict[str, Any]:
        """Return what is white in a picture, and which bands are red, green and blue."""
        from hqzoo.tasks.panels import red_green_blue

        return {
            "scale": 255.0 if self.sensor is not None and self.sensor.scale == 255 else None,
            "bands": red_green_blue(self.sensor.bands if self.sensor else ()),
        }

    def prediction_writer(self, folder: Path) -> pl.Callback:
        """Return the callback that blends class maps: GeoTIFFs of georeferenced images, index PNGs of others."""
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
