"""Probes: what a frozen encoder's features tell, by a head that is chosen on validation images alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.data.base import DataModule, Split
from hqzoo.errors import ConfigError, DataError
from hqzoo.models.classifier import Classifier
from hqzoo.nn.heads import LinearHead, NeighbourHead
from hqzoo.tasks.base import Batch, Found, Stage
from hqzoo.tasks.classification import ClassificationTask
from hqzoo.tasks.features import Features, extract_features, features_key, stored_features
from hqzoo.tasks.label_scores import label_scores
from hqzoo.tasks.logistic import logistic_path
from hqzoo.tasks.optim import OptimizerSettings, ScheduleSettings, build_optimizer, build_schedule

__all__ = ["ProbeTask"]

Solver = Literal["lbfgs", "adamw", "neighbours"]

GRIDS: dict[str, list[float]] = {
    "lbfgs": [10.0**power for power in range(-6, 5)],
    "adamw": [digit * 10.0**power for power in (-4, -3, -2, -1) for digit in (1, 3, 5, 8)],
    "neighbours": [1, 5, 10, 20, 50, 100],
}
WARM_UP, LAST_RATE = 0.1, 1e-5


class ProbeTask(ClassificationTask):
    """Extracts features of all training and validation images once, and fits a head to them.

    Features are those of images as they are, without augmentation. All that is chosen (penalty, learning rate, number
    of neighbours) is chosen by accuracy, or micro F1, on validation images; only ``test`` looks at test images.
    What Lightning calls an epoch does nothing here: ``max_epochs: 1`` and ``limit_train_batches: 1`` belong to it.

    Args:
        architecture: A model with ``encoder`` and ``head``, as :func:`hqzoo.models.classifier.classifier` builds it.
        architecture_args: Its arguments; the encoder is frozen.
        solver: ``lbfgs``: logistic regression (a linear head), penalties C from ``grid``; ``adamw``: any head, learning
            rates from ``grid``, warm-up in a tenth of the steps and cosine, as Galileo's protocol has it;
            ``neighbours``: numbers of neighbours from ``grid``. Which protocol HQ-JEPA used is not stated.
        grid: What is tried; None: 1e-6 to 1e4 by tens; 1, 3, 5, 8 times 1e-4 to 1e-1; 1 to 100.
        epochs: Epochs of ``adamw``.
        batch: Images in one of its steps.
        weight_decay: Its weight decay; none on circuits.
        feature_cache: Folder where features are kept, named by weights, images and normalisation; None: nowhere.
        seed: Seed of the order of images.
        **common: As of :class:`hqzoo.tasks.ClassificationTask`.

    Raises:
        ConfigError: If an argument makes no sense, or solver and head do not go together.
    """

    model: Classifier

    def __init__(
        self,
        architecture: str = "classifier",
        architecture_args: dict[str, Any] | None = None,
        solver: Solver = "lbfgs",
        grid: list[float] | None = None,
        epochs: int = 50,
        batch: int = 256,
        weight_decay: float = 0.01,
        feature_cache: str | None = None,
        seed: int = 0,
        **common: Any,  # noqa: ANN401 - the base class checks them
    ) -> None:
        if solver not in GRIDS:
            raise ConfigError(f"solver='{solver}' is none of {', '.join(GRIDS)}.")
        if grid is not None and (not grid or min(grid) <= 0):
            raise ConfigError(f"grid={grid} holds one or more positive numbers.")
        if epochs < 1 or batch < 1:
            raise ConfigError(f"epochs={epochs} and batch={batch} are at least 1.")
        self.solver, self.grid = solver, list(grid or GRIDS[solver])
        self.epochs, self.batch, self.weight_decay, self.probe_seed = epochs, batch, weight_decay, seed
        self.feature_cache = feature_cache
        self.tried: list[dict[str, float]] = []
        self._known: dict[str, dict[str, Tensor]] = {}
        self._looked_up: dict[str, Tensor] = {}
        super().__init__(architecture, architecture_args, **common)
        self.remember(
            solver=solver, grid=grid, epochs=epochs, batch=batch, weight_decay=weight_decay,
            feature_cache=feature_cache, seed=seed,
        )  # fmt: skip
        self.automatic_optimization = False

    def build_parts(self) -> None:
        """Check that head and solver go together.

        Raises:
            ConfigError: If they do not, or the encoder would be trained.
        """
        super().build_parts()
        if not isinstance(self.model, Classifier):
            raise ConfigError(f"A probe needs a model with encoder and head; '{self.architecture}' is none.")
        if any(parameter.requires_grad for parameter in self.model.encoder.parameters()):
            raise ConfigError(
                "A probe leaves the encoder as it is, but this one is trained: leave out encoder_args.frozen, or "
                "fine-tune with ClassificationTask."
            )
        wanted = {"lbfgs": LinearHead, "neighbours": NeighbourHead}.get(self.solver)
        head = type(self.model.head)
        if (wanted is not None and head is not wanted) or (wanted is None and head is NeighbourHead):
            fitting = {LinearHead: "lbfgs or adamw", NeighbourHead: "neighbours"}.get(head, "adamw")
            raise ConfigError(f"solver='{self.solver}' does not fit a {head.__name__}; choose {fitting}.")

    # Fitting ------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Extract features, try the grid, keep what is best on validation images."""
        super().on_fit_start()
        if not self._data().records("val"):
            raise DataError(
                "A probe chooses on validation images, but there are none. Set data.init_args.inner_val, such as 0.2."
            )
        train, val = self._features("train"), self._features("val")
        vectors, labels = train.tensors(self.device)
        heads = self._heads(vectors, labels)
        self.tried = [{"value": value, "score": self._score(head, val)} for value, head in heads]
        best = max(range(len(heads)), key=lambda place: self.tried[place]["score"])  # the first of equals
        self.model.head = heads[best][1]

    def _heads(self, vectors: Tensor, labels: Tensor) -> Sequence[tuple[float, nn.Module]]:
        """Return a fitted head for every value of the grid."""
        fit: dict[str, Callable[[Tensor, Tensor], Sequence[tuple[float, nn.Module]]]] = {
            "lbfgs": self._by_lbfgs, "adamw": self._by_adamw, "neighbours": self._by_neighbours,
        }  # fmt: skip
        return fit[self.solver](vectors, labels)

    def _by_lbfgs(self, vectors: Tensor, labels: Tensor) -> list[tuple[float, nn.Module]]:
        head = copy.deepcopy(self.model.head)
        head.standardise.fit(vectors)  # type: ignore[operator, union-attr]
        path = logistic_path(head.standardise(vectors), labels, len(self.classes), self.grid)  # type: ignore[operator]
        heads = []
        for value, (weights, bias) in zip(self.grid, path, strict=True):
            one = copy.deepcopy(head)
            one.linear.load_state_dict({"weight": weights, "bias": bias})  # type: ignore[union-attr, operator]
            heads.append((value, one))
        return heads

    def _by_neighbours(self, vectors: Tensor, labels: Tensor) -> list[tuple[float, nn.Module]]:
        targets = labels.float() if labels.ndim == 2 else F.one_hot(labels, len(self.classes)).float()
        heads = []
        for value in self.grid:
            head = copy.deepcopy(self.model.head)
            head.fit(vectors, targets)  # type: ignore[operator]
            head.chosen.fill_(int(value))  # type: ignore[operator]
            heads.append((value, head))
        return heads

    def _by_adamw(self, vectors: Tensor, labels: Tensor) -> list[tuple[float, nn.Module]]:
        return [(value, self._trained(vectors, labels, value)) for value in self.grid]

    def _trained(self, vectors: Tensor, labels: Tensor, rate: float) -> nn.Module:
        """Return the head after training at a learning rate; all start from the same weights, in the same order."""
        head = copy.deepcopy(self.model.head).train()
        head.standardise.fit(vectors)  # type: ignore[operator, union-attr]
        optimizer = build_optimizer(head, OptimizerSettings(lr=rate, weight_decay=self.weight_decay))
        steps = self.epochs * -(-len(vectors) // self.batch)
        schedule = build_schedule(optimizer, ScheduleSettings("cosine", WARM_UP, min_lr=min(LAST_RATE, rate)), steps)
        generator = torch.Generator().manual_seed(self.probe_seed)
        for _ in range(self.epochs):
            order = torch.randperm(len(vectors), generator=generator).to(vectors.device)
            for first in range(0, len(order), self.batch):
                some = order[first : first + self.batch]
                optimizer.zero_grad()
                self.losses(head(vectors[some]), labels[some]).mean().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        return head.eval()

    @torch.no_grad()
    def _score(self, head: nn.Module, features: Features) -> float:
        """Return the score that choices are made by: accuracy, or micro F1 of several labels."""
        vectors, _ = features.tensors(self.device)
        logits = head.eval()(vectors).float()
        probability = (logits.sigmoid() if self._several else logits.softmax(1)).cpu().numpy()
        scores, _ = label_scores(features.labels, probability, self.classes, self.threshold)
        return float(scores["micro_f1" if self._several else "accuracy"] or 0.0)

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
        encoder = self.model.encoder.eval()
        found = stored_features(
            folder,
            lambda: features_key(encoder, data, split, known),
            lambda: extract_features(
                lambda batch: encoder(self.normalise(batch)),
                data.evaluation_loader(split),
                self.device,
                f"features of {split}",
            ),
        )
        self._known[split] = dict(zip(map(str, found.names), torch.from_numpy(found.vectors), strict=True))
        return found

    def on_test_start(self) -> None:
        """Take features of test images from the cache, if there is one."""
        super().on_test_start()
        if self.feature_cache is not None:
            self._features("test")

    def evaluate(self, batch: Batch, stage: Stage) -> Tensor:
        """Note truth and probabilities of a batch, from known features where they are known."""
        self._looked_up = self._known.get(stage, {})
        try:
            return super().evaluate(batch, stage)
        finally:
            self._looked_up = {}

    def forward(self, images: Any) -> Any:  # noqa: ANN401 - as the base
        """Return logits ``(B, K)``; in evaluation of images whose features are known, from those."""
        names = images["name"] if self._looked_up else ()
        if names and all(name in self._looked_up for name in names):
            return self.model.head(torch.stack([self._looked_up[name] for name in names]).to(self.device))
        return super().forward(images)

    # Lightning ----------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> None:  # type: ignore[override]
        """Return nothing: the head is fitted before the loop."""

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:  # type: ignore[override]
        """Do nothing."""

    def summarise(self, stage: Stage) -> Found:
        """Return the scores, with what was tried."""
        found = super().summarise(stage)
        return replace(found, details={**found.details, "probe": self.description_of_probe()})

    def description_of_probe(self) -> dict[str, Any]:
        """Return solver, what was tried on validation images, and what was chosen."""
        chosen = max(self.tried, key=lambda each: each["score"])["value"] if self.tried else None
        return {"solver": self.solver, "chosen": chosen, "tried": self.tried}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was tried."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["probe"] = self.tried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember what was tried; a head of neighbours gets room for those that were kept."""
        if isinstance(self.model.head, NeighbourHead):
            self.model.head.make_room(len(checkpoint["state_dict"].get("model.head.vectors", ())))
        super().on_load_checkpoint(checkpoint)
        self.tried = list(checkpoint.get("probe", []))
