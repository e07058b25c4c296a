"""Galileo's encoder (Tseng et al. 2025, arXiv 2502.09356) of one date of Sentinel-1 and Sentinel-2."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GROUPS", "GalileoEncoder"]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "S1": ("VV", "VH"),
    "S2_RGB": ("B02", "B03", "B04"),
    "S2_Red_Edge": ("B05", "B06", "B07"),
    "S2_NIR_10m": ("B08",),
    "S2_NIR_20m": ("B8A",),
    "S2_SWIR": ("B11", "B12"),
    "NDVI": ("NDVI",),
}
"""Group to its bands: a token is one patch of one group. The order is that of the channel embeddings."""

REFERENCE_GSD = 10.0  # metres; positions count in pixels of this size


class _Attention(nn.Module):
    """Attention of all tokens to all."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            each(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.q, self.k, self.v)
        )
        out: Tensor = self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        return out


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return out


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), _Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width), _Mlp(width, ratio * width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


class _Patches(nn.Module):
    """A projection of patches whose kernels are resized to the patch in use."""

    def __init__(self, bands: int, width: int, largest: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, width, largest, largest)


class GalileoEncoder(nn.Module):
    """Tokens of the groups of bands that are there; names of its weights are the published file's.

    Tokens of other groups, and of weather, elevation, land cover and place, which Galileo was trained with too, are
    masked in the sense of the paper: no token is made of them, and none attends to them.

    Args:
        groups: Those of :data:`GROUPS` that images have, in the order of their channels.
        patch: Side of a patch in pixels, 1 to 8.
        month: Month of the images, 1 to 12.
        gsd: Size of a pixel, in metres.
        width: Channels D of a token.
        depth: Blocks.
        heads: Heads of attention.
        ratio: Hidden channels of a block's MLP, in units of ``width``.
        dates: Dates that positions in time are known for; images have the first.
        largest: Patch that kernels are stored for.
    """

    resize: Tensor

    def __init__(
        self, groups: tuple[str, ...], patch: int, month: int, gsd: float, width: int = 128, depth: int = 4,
        heads: int = 8, ratio: int = 4, dates: int = 24, largest: int = 8,
    ) -> None:  # fmt: skip
        super().__init__()
        self.groups, self.patch, self.month = groups, patch, month
        self.step = gsd * patch / REFERENCE_GSD  # from a patch to the next, in pixels of the reference
        quarter = width // 4
        self.pos_embed = nn.Parameter(_waves(torch.arange(dates), quarter), requires_grad=False)
        self.month_embed = nn.Embedding(12, quarter, _weight=_months(quarter), _freeze=True)
        self.s_t_channel_embed = nn.Parameter(torch.zeros(len(GROUPS), quarter))
        self.space_time_embed = nn.ModuleDict({name: _Patches(len(GROUPS[name]), width, largest) for name in groups})
        self.blocks = nn.ModuleList(_Block(width, heads, ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("resize", _kernel_resize(largest, patch), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Return tokens of an image.

        Args:
            image: ``(B, C, H, W)``, the bands of the groups, normalised as Galileo's; sides are multiples of the patch.

        Returns:
            ``(B, G, h, w, D)``, patches of each group.
        """
        parts = torch.split(image, [len(GROUPS[name]) for name in self.groups], 1)
        tokens = torch.stack([self._embed(name, part) for name, part in zip(self.groups, parts, strict=True)], 1)
        tokens = tokens + self._places(*tokens.shape[2:4])
        shape, tokens = tokens.shape, tokens.flatten(1, 3)
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.norm(tokens).reshape(shape)
        return out

    def _embed(self, group: str, bands: Tensor) -> Tensor:
        proj = self.space_time_embed[group].proj
        kernels = (proj.weight.flatten(2) @ self.resize.T).unflatten(-1, (self.patch, self.patch))  # type: ignore[operator,union-attr]
        return F.conv2d(bands, kernels, proj.bias, self.patch).movedim(1, -1)  # type: ignore[arg-type,union-attr]

    def _places(self, rows: int, columns: int) -> Tensor:
        """Return what tells tokens apart, ``(G, h, w, D)``: group, date, month and place, a quarter of D each."""
        device, quarter = self.pos_embed.device, self.pos_embed.shape[1]
        across, down = (
            _waves(self.step * torch.arange(number, device=device), quarter // 2) for number in (columns, rows)
        )
        size = (len(self.groups), rows, columns, -1)
        chosen = [list(GROUPS).index(name) for name in self.groups]
        parts = [
            self.s_t_channel_embed[chosen][:, None, None],
            self.pos_embed[0],
            self.month_embed.weight[self.month - 1],
            torch.cat([across.expand(rows, -1, -1), down[:, None].expand(-1, columns, -1)], -1),
        ]
        return torch.cat([part.expand(size) for part in parts], -1)


def _waves(places: Tensor, width: int) -> Tensor:
    """Return sines, then cosines, ``(N, width)`` of places ``(N,)``.

    Exponents are those that the weights were trained with, a quarter of the usual ones.
    """
    half = width // 2
    rates = 10000 ** -(torch.arange(half, device=places.device) / (2 * width))
    angles = places[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def _months(width: int) -> Tensor:
    """Return the place of each month in the year's round, ``(12, width)``: the same sine and cosine repeated."""
    angles = (2 * math.pi / 12) * torch.arange(12.0)
    return torch.cat([angles.sin()[:, None].expand(-1, width // 2), angles.cos()[:, None].expand(-1, width // 2)], 1)


def _kernel_resize(stored: int, wanted: int) -> Tensor:
    """Return the matrix ``(wanted ** 2, stored ** 2)`` that resizes kernels as FlexiViT does (arXiv 2212.08013, eq. 5).

    A resized kernel gives on a resized patch what the stored one gives on the patch: the pseudo-inverse of resizing.
    """
    if stored == wanted:
        return torch.eye(stored * stored)
    each = torch.eye(stored * stored).reshape(-1, 1, stored, stored)
    resized = F.interpolate(each, (wanted, wanted), mode="bicubic", antialias=True)
    out: Tensor = torch.linalg.pinv(resized.flatten(1))
    return out
