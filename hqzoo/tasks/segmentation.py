"""Semantic segmentation: one label per pixel."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hqzoo import __version__
from hqzoo._lightning import pl
from hqzoo.data.sensor import Sensor, Statistics
from hqzoo.errors import CheckpointError, ConfigError
from hqzoo.models import check_arguments, count_parameters, create_model
from hqzoo.nn import Normalizer
from hqzoo.tasks.calibration import ProbabilityMetrics
from hqzoo.tasks.checks import check_classes, check_image, check_mask, check_numbers, check_sensor
from hqzoo.tasks.costs import model_costs
from hqzoo.tasks.losses import LossSettings, SegmentationLoss
from hqzoo.tasks.metrics import SegmentationMetrics, to_numbers
from hqzoo.tasks.optim import OptimizerSettings, ScheduleSettings, build_optimizer, build_schedule
from hqzoo.tasks.settings import as_settings, to_plain
from hqzoo.tasks.small_objects import SmallObjectRecall

__all__ = ["SegmentationTask"]

LOSS = LossSettings()
OPTIMIZER = OptimizerSettings()
SCHEDULE = ScheduleSettings()

CHECK_EVERY = 50  # training batches between two looks at every pixel where a look stalls the accelerator


class SegmentationTask(pl.LightningModule):
    """Train, check and use any registered segmentation model.

    Sensor, statistics and classes make a checkpoint complete: whoever holds it can rebuild model and task and
    knows which images it takes. They may be given here; otherwise the data module of the first ``fit``,
    ``validate``, ``test`` or ``predict`` declares them, and the model is built then. A task that has them
    refuses data of another sensor or with other classes.

    Args:
        architecture: Name of a registered model, see ``hqzoo.models.list_models``.
        architecture_args: Its arguments, such as ``{"width": 16, "control": "mlp"}``; ``None``: its defaults.
        loss: What is minimised.
        optimizer: How weights follow gradients.
        schedule: How the learning rate goes through training.
        sensor: Bands, unit and scale of the images (or the plain dictionary of a ``Sensor``, as checkpoints
            hold it).
        statistics: Mean and standard deviation per band that normalise images, in the sensor's unit
            (likewise).
        classes: Names of the K classes.
        palette: One RGB colour (0 to 255) per class for maps and figures.
        channels_last: Keep images and weights in channels-last order, the faster one for convolutions on most
            hardware.
        boundary_width: Width in pixels of the band that boundary IoU looks at; ``None``: 2 % of the window's
            diagonal.
        head: ``"softmax"``: one logit per class. ``"sigmoid"``, for two classes: the model has one logit z, that of
            the second class. It is widened to the logits (0, z), of which the cross-entropy is the binary one.

    Raises:
        ConfigError: If a name, an argument or a setting does not make sense.

    Attributes:
        model: The model, from normalised images ``(B, C, H, W)`` to logits ``(B, K, H, W)``; there once
            sensor, statistics and classes are known.
    """

    model: nn.Module
    sensor: Sensor | None
    statistics: Statistics | None
    classes: tuple[str, ...] | None
    palette: tuple[tuple[int, ...], ...] | None

    def __init__(
        self,
        architecture: str,
        architecture_args: dict[str, Any] | None = None,
        loss: LossSettings = LOSS,
        optimizer: OptimizerSettings = OPTIMIZER,
        schedule: ScheduleSettings = SCHEDULE,
        sensor: Sensor | dict[str, Any] | None = None,
        statistics: Statistics | dict[str, Any] | None = None,
        classes: Sequence[str] | None = None,
        palette: Sequence[Sequence[int]] | None = None,
        channels_last: bool = True,
        boundary_width: int | None = None,
        head: Literal["softmax", "sigmoid"] = "softmax",
    ) -> None:
        super().__init__()
        if head not in ("softmax", "sigmoid"):
            raise ConfigError(f"head='{head}' is not one of softmax, sigmoid.")
        self.head = head
        self.architecture = architecture
        self.architecture_args = dict(architecture_args or {})
        check_arguments(architecture, self.architecture_args)
        self.loss_settings = as_settings(LossSettings, loss, "loss")
        self.optimizer_settings = as_settings(OptimizerSettings, optimizer, "optimizer")
        self.schedule_settings = as_settings(ScheduleSettings, schedule, "schedule")
        self.sensor = Sensor.from_dict(sensor) if isinstance(sensor, Mapping) else sensor
        self.statistics = Statistics.from_dict(statistics) if isinstance(statistics, Mapping) else statistics
        self.classes = None if classes is None else tuple(classes)
        self.palette = None if palette is None else tuple(tuple(colour) for colour in palette)
        self.channels_last = channels_last
        self.boundary_width = boundary_width
        self._report: dict[str, Any] | None = None
        self._costs: dict[str, Any] = {}
        # Given as one plain dictionary: neither our dataclasses nor what a command line parsed may enter a
        # checkpoint.
        self.save_hyperparameters(self._plain_arguments())
        if self._is_complete():
            self.configure_model()

    def _plain_arguments(self) -> dict[str, Any]:
        arguments = {
            "architecture": self.architecture,
            "architecture_args": self.architecture_args,
            "loss": self.loss_settings,
            "optimizer": self.optimizer_settings,
            "schedule": self.schedule_settings,
            "sensor": self.sensor,
            "statistics": self.statistics,
            "classes": self.classes,
            "palette": self.palette,
            "channels_last": self.channels_last,
            "boundary_width": self.boundary_width,
            "head": self.head,
        }
        return {name: to_plain(value) for name, value in arguments.items()}

    def _is_complete(self) -> bool:
        return not (self.sensor is None or self.statistics is None or self.classes is None)

    # Building -----------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Take over what the data module declares, or compare it with what the task was trained on.

        Raises:
            ConfigError: If neither the task nor a data module says what the images are, or classes differ.
            SensorError: If the data comes from another sensor.
        """
        data = getattr(self.trainer, "datamodule", None)
        if data is not None and hasattr(data, "sensor"):
            self._adopt(data)
        if not self._is_complete():
            raise ConfigError(
                "The task does not know its images: give it sensor=, statistics= and classes=, or train it "
                "with a data module that declares them (hqzoo.data.SegmentationDataModule)."
            )

    def _adopt(self, data: Any) -> None:  # noqa: ANN401 - any data module with the four attributes
        if self.sensor is not None:
            check_sensor(self.sensor, data.sensor)
        declared = getattr(data, "classes", None)  # images to predict may come without any
        if self.classes is not None and declared is not None:
            check_classes(self.classes, tuple(declared))
        for name in ("sensor", "statistics", "classes", "palette"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(data, name, None))
        self.hparams.update(self._plain_arguments())

    def configure_model(self) -> None:
        """Build normaliser, model, loss and metrics, once; Lightning calls it after ``setup``.

        Raises:
            ConfigError: If bands, statistics, classes and palette do not agree in number, or a sigmoid head is asked
                to tell apart more or fewer than two classes.
        """
        if hasattr(self, "model") or self.sensor is None or self.statistics is None or self.classes is None:
            return
        bands, num_classes = len(self.sensor.bands), len(self.classes)
        check_numbers(bands, self.statistics, num_classes, self.palette)
        self.normalizer = Normalizer(self.statistics.mean, self.statistics.std)
        model = self.build_model(bands, self.classes)
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model = model
        self.loss = SegmentationLoss(self.loss_settings, num_classes)
        ignore = self.loss_settings.ignore_index
        self.val_metrics = SegmentationMetrics(num_classes, ignore, self.boundary_width)
        self.test_metrics = SegmentationMetrics(num_classes, ignore, self.boundary_width)
        self.test_probabilities = ProbabilityMetrics(num_classes, ignore)
        self.test_small_objects = SmallObjectRecall(num_classes, ignore)

    def build_model(self, bands: int, classes: Sequence[str]) -> nn.Module:
        """Return a fresh model for images of so many bands, with one logit per class, or one with a sigmoid head.

        Raises:
            ConfigError: If an argument of the architecture makes no sense, or a sigmoid head is asked to tell apart
                more or fewer than two classes.
        """
        if self.head == "sigmoid" and len(classes) != 2:
            raise ConfigError(
                f"head='sigmoid' tells two classes apart; there are {len(classes)}: {', '.join(classes)}. "
                "Use head='softmax'."
            )
        logits = 1 if self.head == "sigmoid" else len(classes)
        return create_model(self.architecture, in_channels=bands, num_classes=logits, **self.architecture_args)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own type is a union of six
        """Return optimizer and per-step schedule."""
        optimizer = build_optimizer(self.model, self.optimizer_settings)
        schedule = build_schedule(optimizer, self.schedule_settings, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # Checkpoints --------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint say what rebuilds it: the class, all arguments, the version that wrote it."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = {**self.hparams, "_class_path": path}
        checkpoint["hqzoo_version"] = __version__

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights of another sensor, other classes or another architecture before they are loaded.

        Raises:
            SensorError: If the checkpoint was trained on another sensor.
            ConfigError: If it was trained on other classes.
            CheckpointError: If its weights do not fit this model.
        """
        trained = checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {})
        if self.sensor is not None and trained.get("sensor"):
            check_sensor(Sensor.from_dict(trained["sensor"]), self.sensor)
        if self.classes is not None and trained.get("classes"):
            check_classes(tuple(trained["classes"]), self.classes)
        if self.strict_loading:
            self._check_weights(checkpoint["state_dict"], trained)
        if trained.get("statistics"):  # they come with the weights, in the normaliser
            self.statistics = Statistics.from_dict(trained["statistics"])
            self.hparams.update(self._plain_arguments())

    def _check_weights(self, given: Mapping[str, Tensor], trained: Mapping[str, Any]) -> None:
        own = self.state_dict()
        wrong = sorted(set(own) ^ set(given)) or [k for k, v in own.items() if v.shape != given[k].shape]
        if wrong:
            raise CheckpointError(
                f"The checkpoint's weights do not fit: {len(wrong)} differ, first '{wrong[0]}'. It holds "
                f"'{trained.get('architecture')}' with {trained.get('architecture_args')}, this task builds "
                f"'{self.architecture}' with {self.architecture_args}. Use the same arguments, or rebuild "
                "the task from the checkpoint alone with hqzoo.load."
            )

    # One batch ----------------------------------------------------------------------------------------------

    def forward(self, image: Tensor) -> Tensor:
        """Return logits ``(B, K, H, W)`` of raw images.

        Args:
            image: ``(B, C, H, W)`` in the sensor's unit, unscaled; bands in the sensor's order.

        Raises:
            SensorError: If the number of bands is wrong, or a pixel is NaN or infinite.
        """
        if self.sensor is None or not hasattr(self, "model"):
            raise ConfigError(
                "The task has no model yet: give it sensor=, statistics= and classes=, or let a Trainer set "
                "it up with a data module."
            )
        check_image(image, self.sensor, values=self._may_look())
        image = self.normalizer(image)
        if self.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.model(image)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.head == "sigmoid" else logits

    def _may_look(self) -> bool:
        """Return whether to look at every pixel: waiting for the answer stalls an accelerator."""
        if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
            return False
        return not self.training or self.device.type == "cpu" or self.global_step % CHECK_EVERY == 0

    def _loss_and_logits(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        logits = self(batch["image"])
        mask = batch["mask"]
        check_mask(mask, logits, self.loss_settings.ignore_index, values=self._may_look())
        return self.loss(logits, mask), logits

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of one batch; logs ``train/loss``."""
        loss, _ = self._loss_and_logits(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["mask"]))
        return loss

    def _evaluate(self, batch: dict[str, Any], stage: str, metrics: SegmentationMetrics) -> tuple[Tensor, Tensor]:
        loss, logits = self._loss_and_logits(batch)
        prediction = logits.argmax(1)
        metrics.update(prediction, batch["mask"])
        labelled = int((batch["mask"] != self.loss_settings.ignore_index).sum())
        # Weighted by labelled pixels, so that the loss of a split does not depend on its batches either.
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=labelled, sync_dist=True)
        return prediction, logits

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Count one batch and return its class maps ``(B, H, W)``; logs ``val/loss``."""
        return self._evaluate(batch, "val", self.val_metrics)[0]

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Count one batch and return its class maps ``(B, H, W)``; logs ``test/loss``."""
        prediction, logits = self._evaluate(batch, "test", self.test_metrics)
        self.test_probabilities.update(logits, batch["mask"])
        self.test_small_objects.update(prediction, batch["mask"])
        if batch_idx == 0 and self.trainer.is_global_zero:
            self._costs = model_costs(self.model, self.normalizer(batch["image"]))
        return prediction

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return class maps ``(B, H, W)`` uint8."""
        logits: Tensor = self(batch["image"])
        return logits.argmax(1).to(torch.uint8)

    # The end of a split -------------------------------------------------------------------------------------

    def on_validation_epoch_end(self) -> None:
        """Log ``val/miou``, ``val/oa``, ``val/boundary_iou`` and ``val/iou/<class>`` of the whole split."""
        self._log_scores("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the scores of the whole split under ``test/``, and keep them for :meth:`test_report`."""
        self._report = self._log_scores("test", self.test_metrics)
        self._add_probabilities(self._report, self.test_probabilities.report())
        self._add_small_objects(self._report, self.test_small_objects.report())
        self.test_probabilities.reset()
        self.test_small_objects.reset()

    def _log_scores(self, stage: str, metrics: SegmentationMetrics) -> dict[str, Any]:
        report = metrics.report(self.classes or ())
        metrics.reset()
        scores = {name: report[name] for name in ("miou", "oa", "boundary_iou")}
        scores |= {f"iou/{row['name']}": row["iou"] for row in report["classes"]}
        missing = float("nan")  # keeps the columns of a table of epochs the same
        self.log_dict(
            {f"{stage}/{name}": missing if value is None else value for name, value in scores.items()},
            sync_dist=True,
        )
        return report

    def _add_probabilities(self, report: dict[str, Any], found: dict[str, Any]) -> None:
        present = [value for value in found["soft_iou"] if value is not None]
        report |= {"soft_iou": fmean(present) if present else None, "ece": found["ece"]}
        for row, value in zip(report["classes"], found["soft_iou"], strict=True):
            row["soft_iou"] = value

    def _add_small_objects(self, report: dict[str, Any], found: dict[str, Any]) -> None:
        report |= {"small_object_recall": found["total_recall"], "small_objects": found["total_objects"]}
        for row, recall, number in zip(report["classes"], found["recall"], found["objects"], strict=True):
            row |= {"small_object_recall": recall, "small_objects": number}

    def on_test_end(self) -> None:
        """Complete the report with what is known only after the last batch."""
        if self._report is not None:
            self._report |= {
                "loss": to_numbers(self.trainer.callback_metrics["test/loss"]),
                "costs": self._costs,
                **self.description(),
            }

    def description(self) -> dict[str, Any]:
        """Return what the model is, and its numbers of weights, as plain types."""
        return {
            "architecture": self.architecture,
            "architecture_args": to_plain(self.architecture_args),
            **count_parameters(self.model),
        }

    def test_report(self) -> dict[str, Any]:
        """Return everything that tables need from the last test, as plain types; ``None`` is absent.

        Returns:
            What :meth:`SegmentationMetrics.report` returns; ``soft_iou`` (also per class), ``ece``,
            ``small_object_recall`` and ``small_objects`` (also per class); ``loss``, ``costs`` (see
            :func:`hqzoo.tasks.costs.model_costs`), ``architecture``, ``architecture_args`` and what
            :func:`hqzoo.models.count_parameters` returns.

        Raises:
            ConfigError: If no test has been run yet.
        """
        if self._report is None:
            raise ConfigError("There is no test report yet: run trainer.test(task, ...) first.")
        return copy.deepcopy(self._report)
