"""Losses of semantic segmentation: cross-entropy, soft Dice, both, and focal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.data.labels import IGNORE_INDEX
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.nn import sum_over_processes

__all__ = ["LossSettings", "SegmentationLoss"]

LOSSES = ("ce", "dice", "ce_dice", "focal", "focal_dice")


@dataclass(frozen=True)
class LossSettings:
    """What is minimised.

    Attributes:
        name: ``"ce"`` (cross-entropy), ``"dice"`` (soft Dice), ``"ce_dice"`` (their sum), ``"focal"``, or
            ``"focal_dice"``. CHOICE: the HQ-UNet paper names no loss; small classes make the sum the safer
            default.
        dice_weight: Factor of the Dice term in the two sums; the other term has factor 1. CHOICE.
        gamma: Focusing exponent of the focal loss; 0 makes it cross-entropy. CHOICE: 2, as Lin et al.
            recommend.
        class_weights: One positive factor per class, for all but the Dice term; ``None``: all 1.
        ignore_index: Mask value that marks unlabelled pixels; they enter neither the loss nor the metrics.
    """

    name: str = "ce_dice"
    dice_weight: float = 1.0
    gamma: float = 2.0
    class_weights: list[float] | None = None
    ignore_index: int = IGNORE_INDEX


class SegmentationLoss(nn.Module):
    r"""Loss of logits against class indices over labelled pixels; a batch without any gives exactly 0.

    * Cross-entropy: :math:`\sum_i w_{y_i} (-\log p_i) / \sum_i w_{y_i}`, with :math:`p_i` the probability of
      the true class.
    * Focal (Lin et al. 2017): the same with :math:`-(1 - p_i)^\gamma \log p_i`.
    * Soft Dice (Milletari et al. 2016, without squares): :math:`1 - (2 \sum_i p_{ic} y_{ic} + 1) / (\sum_i
      p_{ic} + \sum_i y_{ic} + 1)`, sums over all pixels of the batch, averaged over the classes that have a
      labelled pixel in the batch (CHOICE: a class that a batch does not show gives no signal rather than a
      noisy one).

    On several processes the sums run over the batches of all of them, so that loss and gradients are those of the
    whole batch, however unlabelled pixels are spread. Each process must call it equally often.

    Args:
        settings: Which loss, and its numbers.
        num_classes: Number of classes K.

    Raises:
        ConfigError: If the name is unknown, or the class weights do not fit.
    """

    weight: Tensor | None

    def __init__(self, settings: LossSettings, num_classes: int) -> None:
        super().__init__()
        if settings.name not in LOSSES:
            raise ConfigError(unknown_name("loss", settings.name, LOSSES))
        if settings.gamma < 0 or settings.dice_weight < 0:
            raise ConfigError(
                f"The loss settings gamma ({settings.gamma}) and dice_weight ({settings.dice_weight}) must "
                "not be negative."
            )
        self.settings = settings
        self.num_classes = num_classes
        weight = _class_weights(settings.class_weights, num_classes)
        self.register_buffer("weight", weight, persistent=False)  # a hyper-parameter, no part of the weights

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the loss, a float32 scalar (float64 for logits of that precision).

        Args:
            logits: Unnormalised scores ``(B, K, H, W)`` of any float dtype.
            mask: Class indices or ``ignore_index``, ``(B, H, W)`` int64.
        """
        # bf16 logarithms would cost two of three digits
        log_p = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
        valid = mask != self.settings.ignore_index
        name = self.settings.name
        if name == "dice":
            return self._dice(log_p, mask, valid)
        pixelwise = (
            self._focal(log_p, mask, valid) if name.startswith("focal") else self._cross_entropy(log_p, mask, valid)
        )
        if name.endswith("_dice"):
            return pixelwise + self.settings.dice_weight * self._dice(log_p, mask, valid)
        return pixelwise

    def _cross_entropy(self, log_p: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
        total = F.nll_loss(log_p, mask, self.weight, ignore_index=self.settings.ignore_index, reduction="sum")
        return self._mean(total, mask, valid)

    def _focal(self, log_p: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
        log_true = log_p.gather(1, mask.where(valid, 0).unsqueeze(1)).squeeze(1)
        focus = (1 - log_true.exp()).clamp(min=1e-6) ** self.settings.gamma  # 0^gamma has no gradient below gamma = 1
        weight = valid.float() if self.weight is None else self.weight[mask.where(valid, 0)] * valid
        return self._mean(-(weight * focus * log_true).sum(), mask, valid)

    def _mean(self, total: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
        """Divide by the weight of all labelled pixels together; 0 without any (so is the numerator then)."""
        weight = valid.sum() if self.weight is None else (self.weight[mask.where(valid, 0)] * valid).sum()
        total, weight = sum_over_processes(torch.stack([total, weight.to(total.dtype)]))
        mean: Tensor = total / weight.where(weight > 0, 1.0)
        return mean

    def _dice(self, log_p: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
        classes = torch.arange(self.num_classes, device=mask.device).view(1, -1, 1, 1)
        truth = (mask.unsqueeze(1) == classes).to(log_p.dtype)  # all zero where ignored
        p = log_p.exp() * valid.unsqueeze(1)
        over = (0, 2, 3)
        sums = torch.stack([(p * truth).sum(over), p.sum(over), truth.sum(over)])
        overlap, size, truth_size = sum_over_processes(sums)
        dice = (2 * overlap + 1) / (size + truth_size + 1)
        present = truth_size > 0
        mean: Tensor = ((1 - dice) * present).sum() / present.sum().clamp(min=1)
        return mean


def _class_weights(weights: list[float] | None, num_classes: int) -> Tensor | None:
    if weights is None:
        return None
    if len(weights) != num_classes:
        raise ConfigError(
            f"class_weights has {len(weights)} numbers, but there are {num_classes} classes: give one per class."
        )
    if not all(0 < weight < float("inf") for weight in weights):
        raise ConfigError(f"class_weights must be positive finite numbers, got {weights}.")
    return torch.tensor(weights, dtype=torch.float32)
