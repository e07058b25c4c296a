"""What a task knows of its data, where it has that from, and how checkpoints keep and compare it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hqzoo import __version__
from hqzoo._lightning import pl
from hqzoo.data.sensor import Inputs, Sensor, Statistics
from hqzoo.data.targets import Targets
from hqzoo.errors import CheckpointError, ConfigError
from hqzoo.nn import frozen_parts
from hqzoo.tasks.checks import check_image, check_sensors, check_targets
from hqzoo.tasks.settings import to_plain
from hqzoo.tasks.trained import Trained

__all__ = ["Batch", "KnowsData", "class_path"]

Batch = Mapping[str, Any]

CHECK_EVERY = 50  # training batches between two looks at every pixel where a look stalls the accelerator


class KnowsData(pl.LightningModule):
    """A module that knows its sensors, statistics and targets, and normalises images by them.

    They make a checkpoint complete: whoever holds it can rebuild model and task and knows which images it takes. They
    may be given; otherwise the data module of the first ``fit``, ``validate``, ``test`` or ``predict`` declares them.
    Data that differ from what is known are refused.

    Args:
        sensors: Name in the batch to sensor (or to the plain dictionary of one, as checkpoints hold it).
        statistics: Name in the batch to mean and standard deviation per band that normalise images, in the sensor's
            unit (likewise).
        targets: Kind and names of the classes (likewise).

    Attributes:
        trained: How the weights were trained; None before, and where a checkpoint does not say.
    """

    target_kinds: ClassVar[tuple[str, ...]] = ()

    model: nn.Module
    normalizers: nn.ModuleDict
    sensors: dict[str, Sensor] | None
    statistics: dict[str, Statistics] | None
    targets: Targets | None
    trained: Trained | None

    def __init__(
        self,
        sensors: dict[str, Any] | None,
        statistics: dict[str, Any] | None,
        targets: Targets | dict[str, Any] | None,
    ) -> None:
        super().__init__()
        self.sensors = None if sensors is None else {name: _value(Sensor, each) for name, each in sensors.items()}
        self.statistics = (
            None if statistics is None else {name: _value(Statistics, each) for name, each in statistics.items()}
        )
        self.targets = None if targets is None else _value(Targets, targets)
        self.trained = None
        self._remember_data()

    def remember(self, **arguments: Any) -> None:  # noqa: ANN401 - whatever a constructor takes
        """Keep arguments of the constructor for checkpoints, as plain types."""
        # Given as one plain dictionary: neither our dataclasses nor what a command line parsed may enter a checkpoint.
        self.save_hyperparameters({name: to_plain(value) for name, value in arguments.items()})

    def _remember_data(self) -> None:
        self.remember(sensors=self.sensors, statistics=self.statistics, targets=self.targets)

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

    def on_fit_start(self) -> None:
        """Keep how this training goes, for those who predict with its weights."""
        data = getattr(self.trainer, "datamodule", None)
        shapes: Mapping[str, tuple[int, ...]] = getattr(data, "sample_shapes", dict)()
        shape = next(iter(shapes.values()), None)
        self.trained = Trained(str(self.trainer.precision), None if shape is None else (shape[-2], shape[-1]))

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
        if self.trained is not None:
            checkpoint["trained"] = self.trained.to_dict()

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
        if checkpoint.get("trained"):
            self.trained = Trained.from_dict(checkpoint["trained"])
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


def class_path(cls: type) -> str:
    """Return where a class is found, ``package.module.Class``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _value(cls: Any, given: Any) -> Any:  # noqa: ANN401 - one of three classes of plain values
    return cls.from_dict(given) if isinstance(given, Mapping) else given
