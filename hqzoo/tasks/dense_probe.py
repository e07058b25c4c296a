"""Probes of segmentation: what the maps of a frozen encoder tell of every pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError, DataError
from hqzoo.models.dense_classifier import DenseClassifier
from hqzoo.tasks.base import Batch
from hqzoo.tasks.features import Features
from hqzoo.tasks.losses import LossSettings
from hqzoo.tasks.metrics import SegmentationMetrics
from hqzoo.tasks.probing import RATES, Probing
from hqzoo.tasks.segmentation import SegmentationTask

__all__ = ["DenseProbeTask"]

CROSS_ENTROPY = LossSettings("ce")


class DenseProbeTask(Probing, SegmentationTask):
    """Extracts the maps of all training and validation images once, and trains a head on them at several rates.

    Of the learning rates the one is kept whose head has the highest mIoU on validation images; only ``test`` looks at
    test images. Maps are those of images as they are, without augmentation. What Lightning calls an epoch does nothing
    here: ``max_epochs: 1`` and ``limit_train_batches: 1`` belong to it.

    The maps of a split are in memory: images x D x h x w x 4 bytes, and a byte for every pixel of their masks.

    Args:
        architecture: A model with ``encoder`` and ``head``, as
            :func:`hqzoo.models.dense_classifier.dense_classifier` builds it.
        architecture_args: Its arguments; the encoder is frozen.
        loss: What is minimised. CHOICE cross-entropy, as Galileo's protocol has it.
        batch: Images in a step. CHOICE 32.
        **common: As of :class:`hqzoo.tasks.probing.Probing` (``grid``, ``epochs``, ``weight_decay``,
            ``feature_cache``, ``seed``) and :class:`hqzoo.tasks.SegmentationTask`.

    Raises:
        ConfigError: If an argument makes no sense, or the model is of another kind.
    """

    model: DenseClassifier
    truth = "mask"
    fine_tuning: ClassVar[str] = "SegmentationTask"

    def __init__(
        self,
        architecture: str = "dense_classifier",
        architecture_args: dict[str, Any] | None = None,
        loss: LossSettings = CROSS_ENTROPY,
        batch: int = 32,
        **common: Any,  # noqa: ANN401 - the base classes check them
    ) -> None:
        super().__init__(architecture, architecture_args, batch=batch, loss=loss, **common)

    def usual_grid(self) -> Sequence[float]:
        """Return 1, 3, 5, 8 times 1e-4 to 1e-1."""
        return RATES

    def solver_name(self) -> str:
        """Return how heads are fitted."""
        return "adamw"

    def check_head(self) -> None:
        """Refuse other models, and one logit for two classes.

        Raises:
            ConfigError: If it is one.
        """
        if not isinstance(self.model, DenseClassifier):
            raise ConfigError(
                f"A probe of segmentation needs dense_classifier, an encoder's maps with a head; got "
                f"'{self.architecture}'."
            )
        if self.head != "softmax":
            raise ConfigError(f"A probe has a logit for each class: head='{self.head}' is for SegmentationTask.")

    def encode(self, images: Any) -> Tensor:  # noqa: ANN401 - as the model's input
        """Return maps ``(B, D, h, w)``."""
        return self.model.maps(images)

    def of_features(self, features: Tensor, images: Batch) -> Tensor:
        """Return logits ``(B, K, H, W)`` of maps ``(B, D, h, w)``."""
        height, width = images["mask"].shape[-2:]
        return self.model.of_maps(self.model.head, features, (height, width))

    def head_loss(self, head: nn.Module, features: Tensor, truth: Tensor) -> Tensor:
        """Return the loss of maps ``(B, D, h, w)`` and masks ``(B, H, W)``."""
        return self._loss(self._logits(head, features, truth), truth.long())

    @torch.no_grad()
    def score(self, head: nn.Module, features: Features) -> float:
        """Return the mIoU that choices are made by.

        Raises:
            DataError: If no pixel has a label.
        """
        counted = SegmentationMetrics(len(self.classes), self.ignore_index, boundary_width=1).to(self.device)
        vectors, truth = features.tensors(torch.device("cpu"))
        for first in range(0, len(vectors), self.batch):
            some = slice(first, first + self.batch)
            maps, mask = vectors[some].to(self.device), truth[some].to(self.device)
            counted.update(self._logits(head.eval(), maps, mask).argmax(1), mask.long())
        miou = float(counted.compute()["miou"])
        if math.isnan(miou):
            raise DataError("A probe chooses on validation images, but none of their pixels has a label.")
        return miou

    def _logits(self, head: nn.Module, maps: Tensor, truth: Tensor) -> Tensor:
        height, width = truth.shape[-2:]
        return self.model.of_maps(head, maps, (height, width))
