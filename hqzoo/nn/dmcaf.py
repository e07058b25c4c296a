"""DMCAF, the deformable multi-scale cross-attention fusion of HQF-Net (arXiv 2604.06715).

The paper's full text was not available: what is known is that features of a U-Net's encoder are aligned with the maps
of a frozen backbone by deformable multi-scale cross-attention. All inner workings are CHOICES, built of published
deformable attention and of the convolutional feed-forward part of DINOv3's adapter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.deformable import DeformableAttention, pixel_centres
from hqzoo.nn.maps import ChannelNorm, Project, resized

__all__ = ["DMCAF", "DMCAFusion", "sine_positions"]


def sine_positions(height: int, width: int, dim: int, device: torch.device) -> Tensor:
    """Return sines and cosines of where pixels are, ``(H W, dim)``: half of the channels for y, half for x.

    Wavelengths grow from one side of the map to 10,000 (Vaswani et al. 2017; Carion et al. 2020).
    """
    frequencies = 10000 ** -(torch.arange(dim // 4, device=device, dtype=torch.float32) / (dim // 4))
    centres = 2 * math.pi * pixel_centres(height, width, device)
    angles = (centres.flip(-1)[:, :, None] * frequencies).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], -1)


class ConvFeedForward(nn.Module):
    """Two 1x1 convolutions with a depthwise 3x3 convolution and GELU between them."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = max(1, int(ratio * channels))
        self.inner = nn.Conv2d(channels, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.outer = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape."""
        out: Tensor = self.outer(F.gelu(self.depthwise(self.inner(features))))
        return out


class DMCAF(nn.Module):
    r"""Features of one level of a U-Net look into the maps of a backbone: :math:`h = e + \gamma W_o\,\mathrm{MSDA}(q)`.

    Queries are the layer-normalised projection of the features, with sine positions and an embedding of the level;
    ``h + ConvFFN(LN(h))`` follows.

    Args:
        channels: Channels C of the features.
        dim: Channels of queries and maps; a multiple of 4 and of the heads.
        heads: See :class:`~hqzoo.nn.DeformableAttention`, like the next two.
        levels: Maps.
        points: Places in each map.
        gamma: Weight of what was found, at first, in each channel. CHOICE 0.1.
        ratio: Hidden channels of the feed-forward part over C. CHOICE 0.25, as in DINOv3's adapter.
    """

    def __init__(
        self,
        channels: int,
        dim: int = 256,
        heads: int = 8,
        levels: int = 4,
        points: int = 4,
        gamma: float = 0.1,
        ratio: float = 0.25,
    ) -> None:
        super().__init__()
        if dim % 4:
            raise ConfigError(f"fusion_dim={dim}: sine positions need a multiple of 4.")
        self.query = nn.Sequential(nn.Linear(channels, dim), nn.LayerNorm(dim))
        self.level = nn.Parameter(0.02 * torch.randn(dim))
        self.attention = DeformableAttention(dim, heads, levels, points)
        self.out = nn.Linear(dim, channels)
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), gamma))
        self.norm = ChannelNorm(channels)
        self.feed_forward = ConvFeedForward(channels, ratio)

    def forward(self, features: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return ``(B, C, H, W)`` from features of that shape and maps ``(B, dim, H_l, W_l)``."""
        height, width = features.shape[-2:]
        query = self.query(features.flatten(2).mT)
        positions = sine_positions(height, width, query.shape[-1], query.device)
        queries = query + (positions + self.level).to(query.dtype)
        found = self.out(self.attention(queries, pixel_centres(height, width, query.device), maps))
        h = features + self.gamma * found.mT.unflatten(2, (height, width))
        out: Tensor = h + self.feed_forward(self.norm(h))
        return out


class DMCAFusion(nn.Module):
    """:class:`DMCAF` at every level of a U-Net, over one pyramid of the backbone's projected maps.

    Args:
        channels: Channels of the U-Net's levels that are fused.
        maps: Channels of the backbone's maps.
        strides: Strides of the image that the maps are brought to.
        dim: Channels of the pyramid. CHOICE 256.
        heads: CHOICE 8.
        points: CHOICE 4.
        gamma: See :class:`DMCAF`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        maps: Sequence[int],
        strides: Sequence[int],
        dim: int = 256,
        heads: int = 8,
        points: int = 4,
        gamma: float = 0.1,
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.project = nn.ModuleList(Project(each, dim) for each in maps)
        self.blocks = nn.ModuleList(DMCAF(each, dim, heads, len(maps), points, gamma) for each in channels)

    def forward(self, features: Sequence[Tensor], maps: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Return fused features.

        Args:
            features: ``(B, channels[l], H_l, W_l)``.
            maps: ``(B, maps[i], ...)`` of the backbone.
            size: Height and width of the image.
        """
        pyramid = [
            resized(project(each), -(-size[0] // stride), -(-size[1] // stride))
            for project, each, stride in zip(self.project, maps, self.strides, strict=True)
        ]
        return [block(each, pyramid) for block, each in zip(self.blocks, features, strict=True)]
