"""Probes: what a frozen encoder's features tell, by a head that is chosen on validation images alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.models.classifier import Classifier
from hqzoo.nn.heads import LinearHead, NeighbourHead
from hqzoo.tasks.base import Batch
from hqzoo.tasks.classification import ClassificationTask
from hqzoo.tasks.features import Features
from hqzoo.tasks.label_scores import label_scores
from hqzoo.tasks.logistic import logistic_path
from hqzoo.tasks.probing import RATES, Probing, Tried

__all__ = ["ProbeTask"]

Solver = Literal["lbfgs", "adamw", "neighbours"]

GRIDS: dict[str, list[float]] = {
    "lbfgs": [10.0**power for power in range(-6, 5)],
    "adamw": RATES,
    "neighbours": [1, 5, 10, 20, 50, 100],
}
SCORED_AT_ONCE = 1024  # images: neighbours are looked for among all training images


class ProbeTask(Probing, ClassificationTask):
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
        **common: As of :class:`hqzoo.tasks.probing.Probing` (``epochs``, ``batch``, ``weight_decay``,
            ``feature_cache``, ``seed``) and :class:`hqzoo.tasks.ClassificationTask`.

    Raises:
        ConfigError: If an argument makes no sense, or solver and head do not go together.
    """

    model: Classifier
    truth = "label"
    fine_tuning: ClassVar[str] = "ClassificationTask"

    def __init__(
        self,
        architecture: str = "classifier",
        architecture_args: dict[str, Any] | None = None,
        solver: Solver = "lbfgs",
        grid: list[float] | None = None,
        **common: Any,  # noqa: ANN401 - the base classes check them
    ) -> None:
        if solver not in GRIDS:
            raise ConfigError(f"solver='{solver}' is none of {', '.join(GRIDS)}.")
        self.solver = solver
        super().__init__(architecture, architecture_args, grid=grid, **common)
        self.remember(solver=solver)

    def usual_grid(self) -> Sequence[float]:
        """Return what the solver tries if the user does not say."""
        return GRIDS[self.solver]

    def solver_name(self) -> str:
        """Return how heads are fitted."""
        return self.solver

    def check_head(self) -> None:
        """Check that head and solver go together.

        Raises:
            ConfigError: If they do not.
        """
        if not isinstance(self.model, Classifier):
            raise ConfigError(f"A probe needs a model with encoder and head; '{self.architecture}' is none.")
        wanted = {"lbfgs": LinearHead, "neighbours": NeighbourHead}.get(self.solver)
        head = type(self.model.head)
        if (wanted is not None and head is not wanted) or (wanted is None and head is NeighbourHead):
            fitting = {LinearHead: "lbfgs or adamw", NeighbourHead: "neighbours"}.get(head, "adamw")
            raise ConfigError(f"solver='{self.solver}' does not fit a {head.__name__}; choose {fitting}.")
        if self.solver != "adamw" and (self.class_weights is not None or self.label_smoothing):
            raise ConfigError(f"solver='{self.solver}' knows neither class_weights nor label_smoothing; adamw does.")
        if self.solver == "neighbours" and any(value != int(value) for value in self.grid):
            raise ConfigError(f"grid={self.grid} holds numbers of neighbours: whole ones from 1 on.")

    # Fitting ------------------------------------------------------------------------------------------------

    def heads(self, train: Features) -> Tried:
        """Return a fitted head for every value of the grid."""
        if self.solver == "adamw":
            return super().heads(train)
        fit: Callable[[Tensor, Tensor], Tried] = self._by_lbfgs if self.solver == "lbfgs" else self._by_neighbours
        return fit(*train.tensors(self.device))

    def _by_lbfgs(self, vectors: Tensor, labels: Tensor) -> Tried:
        head = copy.deepcopy(self.model.head)
        head.standardise.fit(vectors)  # type: ignore[operator, union-attr]
        path = logistic_path(head.standardise(vectors), labels, len(self.classes), self.grid)  # type: ignore[operator]
        heads = []
        for value, (weights, bias) in zip(self.grid, path, strict=True):
            one = copy.deepcopy(head)
            one.linear.load_state_dict({"weight": weights, "bias": bias})  # type: ignore[union-attr, operator]
            heads.append((value, one))
        return heads

    def _by_neighbours(self, vectors: Tensor, labels: Tensor) -> Tried:
        targets = labels.float() if labels.ndim == 2 else F.one_hot(labels, len(self.classes)).float()
        heads = []
        for value in self.grid:
            head = copy.deepcopy(self.model.head)
            head.fit(vectors, targets)  # type: ignore[operator]
            head.chosen.fill_(int(value))  # type: ignore[operator]
            heads.append((value, head))
        return heads

    def begin(self, head: nn.Module, features: Tensor) -> None:
        """Set mean and deviation of the training images' vectors."""
        head.standardise.fit(features)  # type: ignore[operator, union-attr]

    def head_loss(self, head: nn.Module, features: Tensor, truth: Tensor) -> Tensor:
        """Return the mean loss of vectors ``(B, D)`` and their labels."""
        return self.losses(head(features), truth).mean()

    @torch.no_grad()
    def score(self, head: nn.Module, features: Features) -> float:
        """Return the score that choices are made by: accuracy, or micro F1 of several labels."""
        vectors, _ = features.tensors(torch.device("cpu"))
        head.eval()
        logits = torch.cat([head(some.to(self.device)).float() for some in torch.split(vectors, SCORED_AT_ONCE)])
        probability = (logits.sigmoid() if self._several else logits.softmax(1)).cpu().numpy()
        scores, _ = label_scores(features.truth, probability, self.classes, self.threshold)
        return float(scores["micro_f1" if self._several else "accuracy"] or 0.0)

    # Features -----------------------------------------------------------------------------------------------

    def encode(self, images: Any) -> Tensor:  # noqa: ANN401 - as the model's input
        """Return vectors ``(B, D)``."""
        return self.model.encoder(images)  # type: ignore[no-any-return]

    def of_features(self, features: Tensor, images: Batch) -> Tensor:
        """Return logits ``(B, K)`` of vectors ``(B, D)``."""
        return self.model.head(features)  # type: ignore[no-any-return]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for a head's neighbours."""
        if isinstance(self.model.head, NeighbourHead):
            self.model.head.make_room(len(checkpoint["state_dict"].get("model.head.vectors", ())))
        super().on_load_checkpoint(checkpoint)
