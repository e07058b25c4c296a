"""What all tasks have in common: from a recipe's words to a model that knows its images, and to a report."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hqzoo import __version__
from hqzoo._lightning import pl
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.data.targets import Targets
from hqzoo.errors import CheckpointError, ConfigError
from hqzoo.models import check_arguments, count_parameters, create_model
from hqzoo.models.registry import Kind
from hqzoo.nn import Normalizer, frozen_parts, several_processes, sum_over_processes
from hqzoo.tasks.checks import check_image, check_sensors, check_targets
from hqzoo.tasks.costs import model_costs
from hqzoo.tasks.metric import Metric
from hqzoo.tasks.optim import OptimizerSettings, ScheduleSettings, build_optimizer, build_schedule
from hqzoo.tasks.report import Report
from hqzoo.tasks.settings import as_settings, to_plain

__all__ = ["Found", "Stage", "Task", "class_path"]

Batch = Mapping[str, Any]
Stage = Literal["val", "test"]

OPTIMIZER = OptimizerSettings()
SCHEDULE = ScheduleSettings()

CHECK_EVERY = 50  # training batches between two looks at every pixel where a look stalls the accelerator


@dataclass(frozen=True)
class Found:
    """What a task found on a whole split.

    Args:
        scores: Score by metric name; None where it does not exist.
        classes: A row per class with ``name``, scores by metric name, and counts; empty where there are no classes.
        details: Further plain values for the report.
        samples: Columns of arrays by sample (see :class:`hqzoo.tasks.samples.Samples`), for paired tests.
    """

    scores: Mapping[str, float | None]
    classes: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


class Task(pl.LightningModule):
    """Base of all tasks. A task adds its model, its loss and its metrics; see the abstract methods.

    Sensors, statistics and targets make a checkpoint complete: whoever holds it can rebuild model and task and knows
    which images it takes. They may be given; otherwise the data module of the first ``fit``, ``validate``, ``test`` or
    ``predict`` declares them, and the model is built then. A task that has them refuses other data.

    Subclasses call :meth:`remember` with their own arguments, and :meth:`configure_model` at the end of their
    constructor.

    Args:
        architecture: Name of a registered model, see ``hqzoo.models.list_models``.
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
    target_kinds: ClassVar[tuple[str, ...]] = ()

    model: nn.Module
    sensors: dict[str, Sensor] | None
    statistics: dict[str, Statistics] | None
    targets: Targets | None

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
        super().__init__()
        self.architecture = architecture
        self.architecture_args = dict(architecture_args or {})
        check_arguments(architecture, self.architecture_args, self.model_kinds)
        self.optimizer_settings = as_settings(OptimizerSettings, optimizer, "optimizer")
        self.schedule_settings = as_settings(ScheduleSettings, schedule, "schedule")
        self.sensors = None if sensors is None else {name: _value(Sensor, each) for name, each in sensors.items()}
        self.statistics = (
            None if statistics is None else {name: _value(Statistics, each) for name, each in statistics.items()}
        )
        self.targets = None if targets is None else _value(Targets, targets)
        self.channels_last = channels_last
        self._found: Found | None = None
        self._losses: dict[str, float | None] = {}
        self._costs: dict[str, Any] = {}
        self.remember(
            architecture=architecture,
            architecture_args=self.architecture_args,
            optimizer=self.optimizer_settings,
            schedule=self.schedule_settings,
            channels_last=channels_last,
        )
        self._remember_data()

    def remember(self, **arguments: Any) -> None:  # noqa: ANN401 - whatever a constructor takes
        """Keep arguments of the constructor for checkpoints, as plain types."""
        # Given as one plain dictionary: neither our dataclasses nor what a command line parsed may enter a checkpoint.
        self.save_hyperparameters({name: to_plain(value) for name, value in arguments.items()})

    def _remember_data(self) -> None:
        self.remember(sensors=self.sensors, statistics=self.statistics, targets=self.targets)

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

    def prediction_writer(self, folder: Path) -> pl.Callback:
        """Return the callback that writes predictions into a folder.

        Raises:
            ConfigError: If this task predicts nothing that could be written.
        """
        raise ConfigError(f"{type(self).__name__} predicts nothing that could be written to files.")

    # What data it knows -------------------------------------------------------------------------------------

    @property
    def sensor(self) -> Sensor | None:
        """The only sensor, if it is known.

        Raises:
            SensorError: If there are several.
        """
        return None if self.sensors is None or self.statistics is None else self._inputs().single

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty where there are none, or they are not known."""
        return () if self.targets is None else self.targets.classes

    @property
    def palette(self) -> tuple[tuple[int, ...], ...] | None:
        """One RGB colour per class, if they are known."""
        return (self.targets.palette or None) if self.targets else None

    def _inputs(self) -> Inputs:
        return Inputs(self.sensors or {}, self.statistics or {})

    def _is_complete(self) -> bool:
        needs_targets = bool(self.target_kinds)
        return not (self.sensors is None or self.statistics is None or (needs_targets and self.targets is None))

    def setup(self, stage: str) -> None:
        """Take over what the data module declares, or compare it with what the task was trained on.

        Raises:
            ConfigError: If neither the task nor a data module says what the images are, or classes differ.
            SensorError: If the data comes from another sensor.
        """
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(getattr(data, "sensors", None), Mapping):
            self.adopt(data)
        if not self._is_complete():
            raise ConfigError(
                "The task does not know its images: give it sensors=, statistics= and targets=, or train it with a "
                "data module that declares them (hqzoo.data)."
            )

    def adopt(self, data: Any) -> None:  # noqa: ANN401 - any data module that declares the three
        """Take over what a data module declares, or compare it with what is known.

        Raises:
            ConfigError: If classes differ, or are of another kind than the task's.
            SensorError: If sensors differ.
        """
        if self.sensors is None:
            self.sensors = dict(data.sensors)
        check_sensors(self.sensors, data.sensors)
        if data.targets is not None:  # images to predict may come without any
            check_targets(self.targets, data.targets, self.target_kinds, type(self).__name__)
            self.targets = self.targets or data.targets
        if self.statistics is None:
            self.statistics = dict(data.statistics)
        self._remember_data()

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

    # Checkpoints --------------------------------------------------------------------------------------------

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # noqa: ANN401
        """Return all weights but those of frozen parts, which a checkpoint refers to."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        prefix = kwargs.get("prefix", "")
        for place in frozen_parts(self):
            for name in [each for each in state if each.startswith(f"{prefix}{place}.")]:
                del state[name]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: ANN401
        """Load weights; frozen parts keep theirs."""
        own = {f"{place}.{name}": value for place, part in frozen_parts(self).items()
               for name, value in part.state_dict().items()}  # fmt: skip
        return super().load_state_dict({**own, **state_dict}, strict, assign)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint say what rebuilds it: class, arguments, frozen parts, the version that wrote it."""
        # How Lightning's own command line and load_from_checkpoint find the class; hqzoo.load reads the first of them.
        own = {"_class_path": class_path(type(self)), "_instantiator": f"{pl.__name__}.cli.instantiate_module"}
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = {**self.hparams, **own}
        checkpoint["frozen"] = self._frozen_references()
        checkpoint["hqzoo_version"] = __version__

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights of other sensors, other classes or another architecture before they are loaded.

        Raises:
            SensorError: If the checkpoint was trained on other sensors.
            ConfigError: If it was trained on other classes.
            CheckpointError: If its weights do not fit this model.
        """
        trained = checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {})
        if self.sensors is not None and trained.get("sensors"):
            check_sensors({name: Sensor.from_dict(each) for name, each in trained["sensors"].items()}, self.sensors)
        if self.targets is not None and trained.get("targets"):
            check_targets(Targets.from_dict(trained["targets"]), self.targets, self.target_kinds, type(self).__name__)
        if self.strict_loading:
            self._check_weights(checkpoint, trained)
        if trained.get("statistics"):  # they come with the weights, in the normalisers
            self.statistics = {name: Statistics.from_dict(each) for name, each in trained["statistics"].items()}
            self._remember_data()

    def _check_weights(self, checkpoint: Mapping[str, Any], trained: Mapping[str, Any]) -> None:
        own, given = self.state_dict(), checkpoint["state_dict"]
        wrong = sorted(set(own) ^ set(given)) or [k for k, v in own.items() if v.shape != given[k].shape]
        if wrong:
            raise CheckpointError(
                f"The checkpoint's weights do not fit: {len(wrong)} differ, first '{wrong[0]}'. It holds "
                f"'{trained.get('architecture')}' with {trained.get('architecture_args')}, this task builds "
                f"'{self.architecture}' with {self.architecture_args}. Use the same arguments, or rebuild "
                "the task from the checkpoint alone with hqzoo.load."
            )
        then, now = checkpoint.get("frozen", {}), self._frozen_references()
        for name in sorted(set(then) | set(now)):
            if then.get(name, {}).get("sha256") != now.get(name, {}).get("sha256"):
                raise CheckpointError(
                    f"The checkpoint was trained on the frozen part '{name}' = {then.get(name)}, but here it is "
                    f"{now.get(name)}. Its weights are not in the checkpoint: get the ones that it was trained on."
                )

    def _frozen_references(self) -> dict[str, dict[str, Any]]:
        return {name: part.reference for name, part in frozen_parts(self).items()}

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

    def normalise(self, images: Tensor | Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - Tensor, or a dictionary of them
        """Return normalised images, as the model takes them: a tensor, or a dictionary where there are several sensors.

        Args:
            images: Raw images, or a batch that holds them.

        Raises:
            ConfigError: If the task has no model yet.
            SensorError: If the number of bands is wrong, or a pixel is NaN or infinite.
        """
        if self.sensors is None or not hasattr(self, "model"):
            raise ConfigError(
                "The task has no model yet: give it sensors=, statistics= and targets=, or let a Trainer set it up "
                "with a data module."
            )
        found = {}
        for name, sensor in self.sensors.items():
            image = images if isinstance(images, Tensor) else images[name]
            check_image(image, sensor, values=self._may_look())
            image = self.normalizers[name](image)
            found[name] = image.contiguous(memory_format=torch.channels_last) if self.channels_last else image
        return found if len(found) > 1 else next(iter(found.values()))

    def _may_look(self) -> bool:
        """Return whether to look at every pixel: waiting for the answer stalls an accelerator."""
        if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
            return False
        return not self.training or self.device.type == "cpu" or self.global_step % CHECK_EVERY == 0

    def size_of(self, batch: Batch) -> int:
        """Return the number of samples in a batch."""
        return len(batch[next(iter(self.sensors or ()))])

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of one batch; logs ``train/loss``, in steps that loggers get the mean over all processes."""
        loss = self.compute_loss(batch)
        self.log("train/loss", self._mean_where_logged(loss.detach()), prog_bar=True, batch_size=self.size_of(batch))
        return loss

    def _mean_where_logged(self, loss: Tensor) -> Tensor:
        # Lightning's own `sync_dist` would make accelerators wait for each other in every step.
        every = self.trainer.log_every_n_steps if several_processes() else 0  # type: ignore[attr-defined]
        if not every or (self.global_step + 1) % every:
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

    def on_test_epoch_end(self) -> None:
        """Log the scores of the whole split under ``test/``, and keep them for :meth:`report`."""
        self._end("test")

    def _end(self, stage: Stage) -> None:
        self._found = self.summarise(stage)
        missing = math.nan  # keeps the columns of a table of epochs the same
        scores = {f"{stage}/{k}": missing if v is None else float(v) for k, v in self.logged(self._found).items()}
        self.log_dict(scores, sync_dist=True)  # equal on all processes, which gathered them

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
        )

    def samples(self) -> dict[str, npt.NDArray[Any]]:
        """Return what the last test or validation found of every sample, as columns; empty where none was kept."""
        return {name: np.asarray(values) for name, values in (self._found.samples if self._found else {}).items()}


def class_path(cls: type) -> str:
    """Return where a class is found, ``package.module.Class``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _value(cls: Any, given: Any) -> Any:  # noqa: ANN401 - one of three classes of plain values
    return cls.from_dict(given) if isinstance(given, Mapping) else given
