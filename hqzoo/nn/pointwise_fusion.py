"""What HQF-Net's ablation compares DMCAF with: adding or multiplying a backbone's maps (arXiv 2604.06715)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from hqzoo.nn.maps import Project, resized

__all__ = ["PointwiseFusion"]


class PointwiseFusion(nn.Module):
    """One map of the backbone for each level, projected, resized, then added or multiplied.

    The projection ends in layer normalisation (CHOICE), so that what is multiplied with has unit scale.

    Args:
        channels: Channels of the U-Net's levels that are fused.
        maps: Channels of the backbone's maps, as many.
        kind: ``"add"`` or ``"multiply"``.
    """

    def __init__(self, channels: Sequence[int], maps: Sequence[int], kind: Literal["add", "multiply"]) -> None:
        super().__init__()
        self.multiply = kind == "multiply"
        self.project = nn.ModuleList(Project(*pair) for pair in zip(maps, channels, strict=True))

    def forward(self, features: Sequence[Tensor], maps: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Return fused features, see :meth:`hqzoo.nn.dmcaf.DMCAFusion.forward`."""
        fused = []
        for project, each, found in zip(self.project, features, maps, strict=True):
            guide = resized(project(found), *each.shape[-2:])
            fused.append(each * guide if self.multiply else each + guide)
        return fused
