"""Two sensors' views of the same places, joined."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hqzoo.nn.transformer import CrossAttention

__all__ = ["BlockFusion"]


class BlockFusion(nn.Module):
    """Joins the descriptors of target blocks of two sensors, each looking at the other's (HQ-JEPA eqs. 10 to 12).

    Over the M blocks of an image, because attention to a single descriptor would be none. Its output is not normalised:
    SIGReg shapes its scale. Sizes and heads are not stated: CHOICE.

    Args:
        width: Channels D of descriptors.
        out: Channels of the joint vectors. CHOICE 128.
        heads: Heads of the attention.
    """

    def __init__(self, width: int, out: int = 128, heads: int = 8) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.across = nn.ModuleList(CrossAttention(width, heads) for _ in range(2))
        self.join = nn.Linear(2 * width, out)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return ``(B, M, out)`` of the descriptors ``(B, M, D)`` of both sensors."""
        own = [norm(each) for norm, each in zip(self.norms, (first, second), strict=True)]
        a, b = first + self.across[0](own[0], own[1]), second + self.across[1](own[1], own[0])
        out: Tensor = self.join(torch.cat([a, b], -1))
        return out
