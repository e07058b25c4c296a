"""Spatial pyramid pooling of a map: what is largest nearby, in windows of several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["PyramidPooling"]


class PyramidPooling(nn.Module):
    """Max-pooling of stride 1 with several windows beside one another, joined by a 1x1 convolution.

    Args:
        channels: Channels C that go in and come out.
        windows: Sides of the windows, odd; 1 is the map itself.
    """

    def __init__(self, channels: int, windows: Sequence[int] = (1, 5, 9, 13)) -> None:
        super().__init__()
        self.pools = nn.ModuleList(nn.MaxPool2d(side, stride=1, padding=side // 2) for side in windows)
        self.join = nn.Conv2d(len(windows) * channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C, H, W)``."""
        out: Tensor = self.join(torch.cat([pool(features) for pool in self.pools], 1))
        return out
