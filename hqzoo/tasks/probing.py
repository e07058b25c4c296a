"""What probes have in common: features of a frozen encoder, and heads of which validation images choose one."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from hqzoo._lightning import pl
from hqzoo.data.base import DataModule, Split
from hqzoo.data.contents import FileDigests
from hqzoo.errors import ConfigError, DataError
from hqzoo.models.headed import HeadedEncoder
from hqzoo.tasks.base import Batch, Found, Stage, Task
from hqzoo.tasks.features import Features, extract_features, features_key, stored_features
from hqzoo.tasks.optim import OptimizerSettings, ScheduleSettings, build_optimizer, build_schedule

__all__ = ["RATES", "Probing", "Tried"]

Tried = Sequence[tuple[float, nn.Module]]
"""Values of a grid, each with the head that was fitted with it."""

RATES = [digit * 10.0**power for power in (-4, -3, -2, -1) for digit in (1, 3, 5, 8)]
WARM_UP, LAST_RATE = 0.1, 1e-5
DIGESTS = "digests.json"  # of the data's files, beside the features


class Probing(Task):
    """Before the loop of another task: extracts features of training and validation images once, and fits its head.

    Features are those of images as they are, without augmentation. All that is chosen is chosen on validation images;
    only ``test`` looks at test images. What Lightning calls an epoch does nothing here: ``max_epochs: 1`` and
    ``limit_train_batches: 1`` belong to it.

    Classes derive from this one and then from the task whose loss and scores are meant.

    Args:
        architecture: A model with ``encoder`` and ``head``.
        architecture_args: Its arguments; the encoder is frozen.
        grid: What is tried.
        epochs: Epochs of AdamW: warm-up in a tenth of the steps, then cosine, as Galileo's protocol has it.
        batch: Images in one of its steps.
        weight_decay: Its weight decay; none on circuits.
        feature_cache: Folder where features are kept, named by weights, images and normalisation; None: nowhere.
        seed: Seed of the order of images; None: torch's own, which ``seed_everything`` sets.
        **common: As of the other task.

    Raises:
        ConfigError: If an argument makes no sense, or the encoder would be trained.
    """

    model: HeadedEncoder
    truth: ClassVar[Literal["label", "mask"]]
    fine_tuning: ClassVar[str]

    def __init__(
        self,
        architecture: str,
        architecture_args: dict[str, Any] | None = None,
        grid: list[float] | None = None,
        epochs: int = 50,
        batch: int = 256,
        weight_decay: float = 0.01,
        feature_cache: str | None = None,
        seed: int | None = None,
        **common: Any,  # noqa: ANN401 - the other task checks them
    ) -> None:
        if grid is not None and (not grid or min(grid) <= 0):
            raise ConfigError(f"grid={grid} holds one or more positive numbers.")
        if epochs < 1 or batch < 1:
            raise ConfigError(f"epochs={epochs} and batch={batch} are at least 1.")
        self.grid = list(grid or self.usual_grid())
        self.epochs, self.batch, self.weight_decay, self.probe_seed = epochs, batch, weight_decay, seed
        self.feature_cache = feature_cache
        self.tried: list[dict[str, float]] = []
        self._known: dict[str, dict[str, Tensor]] = {}
        self._looked_up: dict[str, Tensor] = {}
        super().__init__(architecture, architecture_args, **common)
        self.remember(
            grid=grid, epochs=epochs, batch=batch, weight_decay=weight_decay, feature_cache=feature_cache, seed=seed
        )
        self.automatic_optimization = False

    # What a probe adds --------------------------------------------------------------------------------------

    @abstractmethod
    def usual_grid(self) -> Sequence[float]:
        """Return what is tried if the user does not say."""

    @abstractmethod
    def solver_name(self) -> str:
        """Return how heads are fitted."""

    @abstractmethod
    def check_head(self) -> None:
        """Refuse a model or a head that this probe cannot fit."""

    @abstractmethod
    def encode(self, images: Any) -> Tensor:  # noqa: ANN401 - as the model's input
        """Return features ``(B, D, ...)`` of normalised images."""

    @abstractmethod
    def of_features(self, features: Tensor, images: Batch) -> Tensor:
        """Return the model's logits, given features of a batch of images."""

    @abstractmethod
    def head_loss(self, head: nn.Module, features: Tensor, truth: Tensor) -> Tensor:
        """Return what the training of a head minimises, a scalar."""

    @abstractmethod
    def score(self, head: nn.Module, features: Features) -> float:
        """Return the score that choices are made by."""

    def heads(self, train: Features) -> Tried:
        """Return a fitted head for every value of the grid: by AdamW, learning rates."""
        return [(rate, self.trained_head(train, rate)) for rate in self.grid]

    def begin(self, head: nn.Module, features: Tensor) -> None:
        """Set what a head knows of the training features before it is trained by AdamW."""

    # Fitting ------------------------------------------------------------------------------------------------

    def build_parts(self) -> None:
        """Check that the encoder is frozen, and that head and probe go together.

        Raises:
            ConfigError: If they do not, or the encoder would be trained.
        """
        super().build_parts()
        if not isinstance(self.model, HeadedEncoder):
            raise ConfigError(f"A probe needs a model with encoder and head; '{self.architecture}' is none.")
        if any(parameter.requires_grad for parameter in self.model.encoder.parameters()):
            raise ConfigError(
                "A probe leaves the encoder as it is, but this one is trained: leave out encoder_args.frozen, or "
                f"fine-tune with {self.fine_tuning}."
            )
        self.check_head()

    def on_fit_start(self) -> None:
        """Extract features, try the grid, keep what is best on validation images."""
        super().on_fit_start()
        if not self._data().records("val"):
            raise DataError(
                "A probe chooses on validation images, but there are none. Set data.init_args.inner_val, such as 0.2."
            )
        train, val = self._features("train"), self._features("val")
        self._known["val"] = val.by_name()
        heads = self.heads(train)
        self.tried = [{"value": value, "score": self.score(head, val)} for value, head in heads]
        best = max(range(len(heads)), key=lambda place: self.tried[place]["score"])  # the first of equals
        self.model.head = heads[best][1]
        chosen = self.tried[best]
        pl.utilities.rank_zero_info(
            f"Chosen on validation images: {chosen['value']:g} of {len(heads)} tried, score {chosen['score']:.4f}"
        )
        self._tell_edges()

    def _tell_edges(self) -> None:
        """Warn where the best value is the last one that was tried on its side, so that a better one may lie beyond."""
        tried = sorted(self.tried, key=lambda each: each["value"])
        highest = max(each["score"] for each in tried)
        best = [each for each in tried if each["score"] == highest]
        for edge, word in ((tried[0], "smallest"), (tried[-1], "largest")):
            if len(tried) > 2 and best == [edge]:
                warnings.warn(
                    f"{edge['value']:g} is the {word} value of the grid, and the best on validation images: a better "
                    "one may lie beyond. Give a wider grid.",
                    stacklevel=2,
                )

    def on_fit_end(self) -> None:
        """Forget the features: the next images of these names may be others."""
        super().on_fit_end()
        self._known.clear()

    def trained_head(self, features: Features, rate: float) -> nn.Module:
        """Return the head after training at a learning rate; all start from the same weights, in the same order."""
        vectors, truth = features.tensors(torch.device("cpu"))
        head = copy.deepcopy(self.model.head).train()
        self.begin(head, vectors)
        optimizer = build_optimizer(head, OptimizerSettings(lr=rate, weight_decay=self.weight_decay))
        steps = self.epochs * -(-len(vectors) // self.batch)
        schedule = build_schedule(optimizer, ScheduleSettings("cosine", WARM_UP, min_lr=min(LAST_RATE, rate)), steps)
        seed = torch.initial_seed() if self.probe_seed is None else self.probe_seed
        generator = torch.Generator().manual_seed(seed)
        for _ in range(self.epochs):
            order = torch.randperm(len(vectors), generator=generator)
            for first in range(0, len(order), self.batch):
                some = order[first : first + self.batch]
                optimizer.zero_grad()
                loss = self.head_loss(head, vectors[some].to(self.device), truth[some].to(self.device))
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        return head.eval()

    # Features -----------------------------------------------------------------------------------------------

    def _data(self) -> DataModule[Any]:
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, DataModule):
            raise ConfigError("A probe extracts features from a data module of hqzoo; give the trainer one.")
        return data

    def _features(self, split: Split) -> Features:
        data = self._data()
        folder = None if self.feature_cache is None else Path(self.feature_cache).expanduser()
        known = {
            name: each.to_dict() for values in (self.sensors, self.statistics) for name, each in (values or {}).items()
        }
        self.model.encoder.eval()
        digests = FileDigests(None if folder is None else folder / DIGESTS)
        computed_in = self.trainer.precision, self.device.type
        with self.trainer.precision_plugin.forward_context():  # as the loop has it, which has not begun
            return stored_features(
                folder,
                lambda: features_key(self.model.encoder, data, split, digests, known, self.truth, computed_in),
                lambda: extract_features(
                    lambda batch: self.encode(self.normalise(batch)),
                    data.evaluation_loader(split),
                    self.device,
                    f"features of {split}",
                    self.truth,
                ),
            )

    def on_test_start(self) -> None:
        """Take features of test images from the cache, if there is one."""
        super().on_test_start()
        if self.feature_cache is not None:
            self._known["test"] = self._features("test").by_name()

    def on_test_end(self) -> None:
        """Forget the features."""
        super().on_test_end()
        self._known.clear()

    def evaluate(self, batch: Batch, stage: Stage) -> Any:  # noqa: ANN401 - as the other task
        """Count a batch as the other task does, from known features where they are known."""
        self._looked_up = self._known.get(stage, {}) if "overlap" not in batch else {}  # other windows
        try:
            return super().evaluate(batch, stage)  # type: ignore[safe-super]
        finally:
            self._looked_up = {}

    def forward(self, images: Any) -> Any:  # noqa: ANN401 - as the base
        """Return logits; in evaluation of images whose features are known, from those."""
        names = images["name"] if self._looked_up else ()
        if names and all(name in self._looked_up for name in names):
            return self.of_features(torch.stack([self._looked_up[name] for name in names]).to(self.device), images)
        return super().forward(images)

    # Lightning ----------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> None:
        """Return nothing: the head is fitted before the loop."""

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:  # type: ignore[override]
        """Do nothing."""

    def summarise(self, stage: Stage) -> Found:
        """Return the scores, with what was tried."""
        found = super().summarise(stage)  # type: ignore[safe-super]
        return replace(found, details={**found.details, "probe": self.description_of_probe()})

    def description_of_probe(self) -> dict[str, Any]:
        """Return solver, what was tried on validation images, and what was chosen."""
        chosen = max(self.tried, key=lambda each: each["score"])["value"] if self.tried else None
        return {"solver": self.solver_name(), "chosen": chosen, "tried": self.tried}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was tried."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["probe"] = self.tried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember what was tried."""
        super().on_load_checkpoint(checkpoint)
        self.tried = list(checkpoint.get("probe", []))
