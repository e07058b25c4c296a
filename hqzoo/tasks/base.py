"""What all tasks have in common: from a recipe's words to a model that knows its images, and to a report."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hqzoo._lightning import pl
from hqzoo.data.base import DataModule
from hqzoo.data.targets import Targets
from hqzoo.errors import ConfigError
from hqzoo.models import as_model, check_arguments, count_parameters, create_model
from hqzoo.models.protocol import Watch
from hqzoo.models.registry import Kind
from hqzoo.nn import Normalizer, several_processes, sum_over_processes
from hqzoo.tasks.costs import model_costs
from hqzoo.tasks.known_data import Batch, KnowsData, class_path
from hqzoo.tasks.metric import Metric
from hqzoo.tasks.optim import OptimizerSettings, ScheduleSettings, build_optimizer, build_schedule
from hqzoo.tasks.overlays import Overlays
from hqzoo.tasks.report import Report
from hqzoo.tasks.settings import as_settings, to_plain

__all__ = ["Batch", "Found", "Stage", "Task"]

Stage = Literal["val", "test"]

OPTIMIZER = OptimizerSettings()
SCHEDULE = ScheduleSettings()


@dataclass(frozen=True)
class Found:
    """What a task found on a whole split.

    Args:
        scores: Score by metric name; None where it does not exist.
        classes: A row per class with ``name``, scores by metric name, and counts; empty where there are no classes.
        details: Further plain values for the report.
        samples: Columns of arrays by sample (see :class:`hqzoo.tasks.samples.Samples`), for paired tests.
        run: Plain values for the report that say what was scored, such as ``prediction``.
    """

    scores: Mapping[str, float | None]
    classes: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


class Task(KnowsData):
    """Base of all tasks. A task adds its model, its loss and its metrics; see the abstract methods.

    Sensors, statistics and targets make a checkpoint complete: whoever holds it can rebuild model and task and knows
    which images it takes. They may be given; otherwise the data module of the first ``fit``, ``validate``, ``test`` or
    ``predict`` declares them, and the model is built then. A task that has them refuses other data.

    Subclasses call :meth:`remember` with their own arguments, and :meth:`configure_model` at the end of their
    constructor.

    Args:
        architecture: Name of a registered model, see ``hqzoo.models.list_models``; or where Python finds a factory of
            one's own, ``package.module.function``, see :func:`hqzoo.models.own.own_factory`.
        architecture_args: Its arguments, such as ``{"width": 16, "control": "mlp"}``; ``None``: its defaults.
        optimizer: How weights follow gradients.
        schedule: How the learning rate goes through training.
        sensors: Name in the batch to sensor (or to the plain dictionary of one, as checkpoints hold it).
        statistics: Name in the batch to mean and standard deviation per band that normalise images, in the sensor's
            unit (likewise).
        targets: Kind and names of the classes (likewise).
        channels_last: Keep images and weights in channels-last order, the faster one for convolutions on most
            hardware.

    Raises:
        ConfigError: If a name, an argument or a setting does not make sense.

    Attributes:
        model: The model, there once sensors, statistics and targets are known. It gets normalised images
            ``(B, C, H, W)``, or a dictionary of them by name where there are several sensors.
        metrics: What the task reports. The first one decides which checkpoint is best.
    """

    metrics: ClassVar[tuple[Metric, ...]]
    model_kinds: ClassVar[tuple[Kind, ...]] = ()

    def __init__(
        self,
        architecture: str,
        architecture_args: dict[str, Any] | None = None,
        optimizer: OptimizerSettings = OPTIMIZER,
        schedule: ScheduleSettings = SCHEDULE,
        sensors: dict[str, Any] | None = None,
        statistics: dict[str, Any] | None = None,
        targets: Targets | dict[str, Any] | None = None,
        channels_last: bool = True,
    ) -> None:
        super().__init__(sensors, statistics, targets)
        self.architecture = architecture
        self.architecture_args = dict(architecture_args or {})
        check_arguments(architecture, self.architecture_args, self.model_kinds)
        self.optimizer_settings = as_settings(OptimizerSettings, optimizer, "optimizer")
        self.schedule_settings = as_settings(ScheduleSettings, schedule, "schedule")
        self.channels_last = channels_last
        self._found: Found | None = None
        self._losses: dict[str, float | None] = {}
        self._costs: dict[str, Any] = {}
        self._watch: Watch | None = None
        self.remember(
            architecture=architecture,
            architecture_args=self.architecture_args,
            optimizer=self.optimizer_settings,
            schedule=self.schedule_settings,
            channels_last=channels_last,
        )

    # What a task adds ---------------------------------------------------------------------------------------

    def build_parts(self) -> None:
        """Build losses, metrics and whatever else needs the classes; called once, after the model is there."""

    @abstractmethod
    def compute_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a training batch, a scalar."""

    @abstractmethod
    def evaluate(self, batch: Batch, stage: Stage) -> Any:  # noqa: ANN401 - what panels show of it
        """Count one batch of validation or test, and return the predictions ``(B, ...)``, or None."""

    @abstractmethod
    def summarise(self, stage: Stage) -> Found:
        """Return what the whole split came to, and forget it."""

    def logged(self, found: Found) -> Mapping[str, float | None]:
        """Return the scores that loggers get in every epoch, without ``val/`` or ``test/`` in front."""
        return found.scores

    def logged_names(self) -> list[str]:
        """Return the names of what validation logs, without ``val/`` in front; known once the classes are."""
        return [metric.name for metric in self.metrics]

    def num_outputs(self) -> int | None:
        """Return how many outputs the model's head has: one per class, None without classes."""
        return None if self.targets is None else len(self.targets)

    def draw_panel(self, samples: list[Mapping[str, Any]], predictions: list[Tensor], path: Path) -> Path | None:
        """Draw what a few samples are and what became of them, as a PNG file; None where there is nothing to see.

        Args:
            samples: Samples of validation batches, without the batch's dimension.
            predictions: What :meth:`evaluate` returned of each.
            path: The file.
        """
        return None

    def overlays(self, samples: list[Mapping[str, Any]], predictions: list[Tensor]) -> Overlays | None:
        """Return a few samples with their class maps, as viewers draw them over images; None where there are none.

        Args:
            samples: As of :meth:`draw_panel`.
            predictions: Likewise.
        """
        return None

    def prediction_writer(self, folder: Path) -> pl.Callback:
        """Return the callback that writes predictions into a folder.

        Raises:
            ConfigError: If this task predicts nothing that could be written.
        """
        raise ConfigError(f"{type(self).__name__} predicts nothing that could be written to files.")

    # Building -----------------------------------------------------------------------------------------------

    def configure_model(self) -> None:
        """Build normalisers, model, losses and metrics, once; Lightning calls it after ``setup``.

        Raises:
            ConfigError: If the model does not fit the data.
        """
        if hasattr(self, "model") or not self._is_complete():
            return
        statistics = self._inputs().statistics
        self.normalizers = nn.ModuleDict({name: Normalizer(each.mean, each.std) for name, each in statistics.items()})
        model = self.build_model()
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model = model
        self.build_parts()

    def build_model(self) -> nn.Module:
        """Return a fresh model for the sensors and classes that are known.

        Raises:
            ConfigError: If an argument of the architecture makes no sense.
        """
        return create_model(
            self.architecture, inputs=self._inputs(), num_classes=self.num_outputs(), **self.architecture_args
        )

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own type is a union of six
        """Return optimizer and per-step schedule."""
        optimizer = build_optimizer(self, self.optimizer_settings)
        schedule = build_schedule(optimizer, self.schedule_settings, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # One batch ----------------------------------------------------------------------------------------------

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - what the model returns
        """Return what the model makes of raw images.

        Args:
            images: ``(B, C, H, W)`` in the sensor's unit, unscaled; bands in the sensor's order. A dictionary by name
                where there are several sensors.

        Raises:
            SensorError: If the number of bands is wrong, or a pixel is NaN or infinite.
        """
        normalised = self.normalise(images)
        return self.model(normalised)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of one batch; logs ``train/loss``, in steps that loggers get the mean over all processes."""
        loss = self.compute_loss(batch)
        self.log("train/loss", self._mean_where_logged(loss.detach()), prog_bar=True, batch_size=self.size_of(batch))
        return loss

    def _is_logged(self) -> bool:
        """Say whether loggers get the values of this step, which may then be looked at."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return bool(every) and (self.global_step + 1) % every == 0

    def _mean_where_logged(self, loss: Tensor) -> Tensor:
        # Lightning's own `sync_dist` would make accelerators wait for each other in every step.
        if not several_processes() or not self._is_logged():
            return loss
        return sum_over_processes(loss) / self.trainer.world_size

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Any:  # noqa: ANN401 - see evaluate
        """Count one batch and return its predictions."""
        return self.evaluate(batch, "val")

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> Any:  # noqa: ANN401 - see evaluate
        """Count one batch and return its predictions."""
        if batch_idx == 0 and self.trainer.is_global_zero:
            self._costs = self.measure_costs(batch)
        return self.evaluate(batch, "test")

    def measure_costs(self, batch: Batch) -> dict[str, Any]:
        """Return what the model costs on a batch, see :func:`hqzoo.tasks.costs.model_costs`."""
        return model_costs(self.model, self.normalise(batch))

    # The end of a split -------------------------------------------------------------------------------------

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole split under ``val/``."""
        self._end("val")

    def on_test_start(self) -> None:
        """Let the model's watch, if it has one, look on at the whole split."""
        self._watch = as_model(self.model).watch()

    def on_test_epoch_end(self) -> None:
        """Log the scores of the whole split under ``test/``, and keep them for :meth:`report`."""
        self._end("test")
        if self._watch is not None and self._found is not None:
            self._found = replace(self._found, details={**self._found.details, "watched": self._watch.report()})
            self._watch = None

    def _end(self, stage: Stage) -> None:
        found = self.summarise(stage)
        self._found = replace(found, samples=self._grouped(found.samples, stage))
        missing = math.nan  # keeps the columns of a table of epochs the same
        scores = {f"{stage}/{k}": missing if v is None else float(v) for k, v in self.logged(self._found).items()}
        self.log_dict(scores, sync_dist=True)  # equal on all processes, which gathered them

    def _grouped(self, samples: Mapping[str, npt.NDArray[Any]], stage: Stage) -> Mapping[str, npt.NDArray[Any]]:
        """Return columns with groups of images that are no independent draws, scenes or acquisitions, where known."""
        data = getattr(self.trainer, "datamodule", None)
        if self.trainer.state.fn == "fit" or not (isinstance(data, DataModule) and "name" in samples):
            return samples  # nobody compares samples of a validation between epochs, and places are read from files
        groups = data.neighbours(data.records(stage))
        return {**samples, "group": np.array([groups.get(name, name) for name in samples["name"]], dtype=np.str_)}

    def on_validation_end(self) -> None:
        """Keep the loss of the split, which Lightning averages after the last batch."""
        self._keep_loss("val")

    def on_test_end(self) -> None:
        """Keep the loss of the split, which Lightning averages after the last batch."""
        self._keep_loss("test")

    def _keep_loss(self, stage: Stage) -> None:
        loss = self.trainer.callback_metrics.get(f"{stage}/loss")
        value = None if loss is None else float(loss)
        self._losses[stage] = None if value is None or math.isnan(value) else value

    # What tables read ---------------------------------------------------------------------------------------

    @property
    def monitor(self) -> tuple[str, Literal["min", "max"]]:
        """Name in the logs, and direction, of the score that decides which checkpoint is best."""
        return f"val/{self.metrics[0].name}", self.metrics[0].direction

    def description(self) -> dict[str, Any]:
        """Return what the model is, and its numbers of weights, as plain types."""
        return {
            "task": class_path(type(self)),
            "architecture": self.architecture,
            "architecture_args": to_plain(self.architecture_args),
            "frozen": self._frozen_references(),
            "starting_weights": as_model(self.model).starting_weights(),
            **count_parameters(self.model),
        }

    def report(self, stage: Stage = "test") -> Report:
        """Return everything that tables need from the last validation or test.

        Raises:
            ConfigError: If none has been run yet.
        """
        if self._found is None or stage not in self._losses:
            verb = {"val": "validate", "test": "test"}[stage]
            raise ConfigError(f"There is no report yet: run trainer.{verb}(task, ...) first.")
        loss = self._losses[stage]
        scores = {**self._found.scores, **({} if loss is None else {"loss": loss})}
        used = set(scores) | {key for row in self._found.classes for key in row}
        return Report(
            scores=scores,
            metrics=tuple(metric for metric in self.metrics if metric.name in used),
            classes=self._found.classes,
            model=self.description(),
            costs=self._costs if stage == "test" else {},
            details=self._found.details,
            run=self._found.run,
        )

    @property
    def found(self) -> Found | None:
        """What the last validation or test came to, without its loss; None before the first."""
        return self._found

    def samples(self) -> dict[str, npt.NDArray[Any]]:
        """Return what the last test or validation found of every sample, as columns; empty where none was kept."""
        return {name: np.asarray(values) for name, values in (self._found.samples if self._found else {}).items()}
