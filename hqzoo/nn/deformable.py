"""Multi-scale deformable cross-attention (Zhu et al., Deformable DETR, arXiv 2010.04159, eq. 3), in pure torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.quantum.engines.transforms import full_precision

__all__ = ["DeformableAttention", "pixel_centres", "sample_maps"]


def pixel_centres(height: int, width: int, device: torch.device) -> Tensor:
    """Return the centres of all pixels in raster order, ``(H W, 2)``, x before y, as shares of the map's sides."""
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1).view(-1, 2)


def sample_maps(maps: Sequence[Tensor], places: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Return weighted sums of bilinear samples of one or more maps.

    All is float32 whatever the autocast around: coordinates in half precision miss their pixels. The backward pass of
    ``grid_sample`` on CUDA adds up in an order that changes from run to run: it is not deterministic.

    Args:
        maps: A map ``(B, M, D, H, W)`` for each level: M heads of D channels. Zeros lie outside of it.
        places: ``(B, M, K, N, 2)`` for each level, x before y, in [-1, 1]: -1 is the outer edge of the first pixel, 1
            that of the last.
        weights: ``(B, M, K, N)`` for each level.

    Returns:
        ``(B, M, D, N)``, float32.
    """
    B, M, D = maps[0].shape[:3]
    total = maps[0].new_zeros((B * M, D, 1, places[0].shape[3]), dtype=torch.float32)
    with full_precision(maps[0]):
        for values, grid, share in zip(maps, places, weights, strict=True):
            flat = values.float().flatten(0, 1)
            # One place of every query at a time: the products of all would be as large as the samples once more.
            steps = zip(grid.float().flatten(0, 1).unbind(1), share.float().flatten(0, 1).unbind(1), strict=True)
            for where, factor in steps:
                found = F.grid_sample(flat, where[:, None], align_corners=False)
                total = torch.addcmul(total, found, factor[:, None, None])
    return total.view(B, M, D, -1)


class DeformableAttention(nn.Module):
    r"""Every query looks at a few places of several maps, which it chooses itself.

    .. math:: \sum_m W_m \sum_{l,k} A_{mlk}(q)\, W'_m V_l\bigl(\hat p_q + \Delta p_{mlk}(q) / (W_l, H_l)\bigr)

    A is a softmax over the L K places of a head, and both it and the offsets :math:`\Delta p`, in pixels of map l, are
    linear in the query. At first the offsets of head m point in direction m of a circle, k pixels far along the longer
    axis, and all places weigh the same, as published.

    Args:
        dim: Channels of queries and maps.
        heads: Heads M. CHOICE 8, as published for detection; likewise the next two.
        levels: Maps L.
        points: Places K of a head in each map.

    Raises:
        ConfigError: If the heads do not divide the channels, or a number is not positive.
    """

    def __init__(self, dim: int = 256, heads: int = 8, levels: int = 4, points: int = 4) -> None:
        super().__init__()
        if min(dim, heads, levels, points) < 1 or dim % heads:
            raise ConfigError(
                f"Deformable attention needs positive numbers, and heads that divide the channels; got dim={dim}, "
                f"heads={heads}, levels={levels}, points={points}."
            )
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = nn.Linear(dim, heads * levels * points * 2)
        self.weights = nn.Linear(dim, heads * levels * points)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self._initialise()

    def _initialise(self) -> None:
        angles = torch.arange(self.heads) * (2 * math.pi / self.heads)
        circle = torch.stack([angles.cos(), angles.sin()], -1)
        directions = circle / circle.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, self.points + 1)
        bias = directions[:, None, None] * steps[:, None].expand(self.heads, self.levels, self.points, 1)
        with torch.no_grad():
            self.offsets.bias.copy_(bias.flatten())
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
        for layer in (self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
        for layer in (self.weights, self.value, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, queries: Tensor, centres: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return what the queries found, ``(B, N, dim)``.

        Args:
            queries: ``(B, N, dim)``.
            centres: Where each query stands, ``(N, 2)``, see :func:`pixel_centres`.
            maps: ``(B, dim, H_l, W_l)`` for each level.

        Raises:
            ConfigError: If there are more or fewer maps than levels.
        """
        B, N, dim = queries.shape
        M, L, K = self.heads, self.levels, self.points
        if len(maps) != L:
            raise ConfigError(f"This attention was built for {L} maps, got {len(maps)}.")
        with full_precision(queries):
            offsets = self.offsets(queries.float()).view(B, N, M, L, K, 2).permute(0, 2, 3, 4, 1, 5)
        # Sides are Python numbers, so that nothing waits for the device and graphs do not break.
        places = [_places(centres, own, *each.shape[-2:]) for own, each in zip(offsets.unbind(2), maps, strict=True)]
        shares = self.weights(queries).float().view(B, N, M, L * K).softmax(-1).permute(0, 2, 3, 1)
        values = [self.value(each.flatten(2).mT).mT.reshape(B, M, dim // M, *each.shape[-2:]) for each in maps]
        found = sample_maps(values, places, shares.split(K, 2))
        out: Tensor = self.out(found.reshape(B, dim, N).mT)
        return out


def _places(centres: Tensor, offsets: Tensor, height: int, width: int) -> Tensor:
    """Return in [-1, 1] what is ``offsets`` pixels ``(B, M, K, N, 2)`` of a map away from the centres ``(N, 2)``."""
    right, down = offsets.unbind(-1)
    x = (2 * centres[:, 0] - 1) + right * (2 / width)
    y = (2 * centres[:, 1] - 1) + down * (2 / height)
    return torch.stack([x, y], -1)
