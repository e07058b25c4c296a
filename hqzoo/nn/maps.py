"""Small layers on maps ``(B, C, H, W)``: normalisation over channels, projection, another size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ChannelNorm", "Project", "resized"]


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every pixel."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise ``(B, C, H, W)``."""
        return super().forward(features.movedim(1, -1)).movedim(-1, 1)


class Project(nn.Sequential):
    """1x1 convolution and layer normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 1), ChannelNorm(outputs))


def resized(features: Tensor, height: int, width: int) -> Tensor:
    """Return maps of this size, bilinear; themselves where they have it."""
    if features.shape[-2:] == (height, width):
        return features
    return F.interpolate(features, size=(height, width), mode="bilinear", align_corners=False)
