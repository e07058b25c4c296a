"""From an image to tokens: patches, positions, and blocks of Mamba and attention."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.transformer import TokenBlock, sine_cosine_positions, start_small

__all__ = ["TokenEncoder", "chosen_tokens", "hybrid_pattern"]


class TokenEncoder(nn.Module):
    """A hybrid Mamba-ViT encoder (HQ-JEPA, section 3.1) that may see a part of the patches alone.

    Args:
        bands: Bands of the image.
        grid: Rows and columns of patches.
        patch: Side of a patch, in pixels.
        width: Channels D of a token.
        heads: Heads of attention blocks.
        pattern: A letter per block, ``M`` Mamba or ``A`` attention, see :func:`hybrid_pattern`.
        trained: Rows and columns that its weights were trained on, where the grid is another one of the same area:
            positions then lie between those. None: the grid.

    Raises:
        ConfigError: If the pattern or a number does not fit.

    Attributes:
        positions: ``(P, D)``, added to the patches.
    """

    positions: Tensor

    def __init__(
        self,
        bands: int,
        grid: tuple[int, int],
        patch: int,
        width: int = 512,
        heads: int = 8,
        pattern: str = "MMMMAAAA",
        trained: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if not re.fullmatch("[MA]+", pattern):
            raise ConfigError(f"pattern='{pattern}': one letter per block, M for Mamba, A for attention.")
        self.grid, self.patch, self.width = grid, patch, width
        self.embed = nn.Conv2d(bands, width, patch, patch)
        self.register_buffer("positions", sine_cosine_positions(*grid, width, trained), persistent=False)
        self.blocks = nn.ModuleList(TokenBlock(width, heads, letter) for letter in pattern)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        start_small(self.blocks)

    def forward(self, image: Tensor, patches: Tensor | None = None) -> Tensor:
        """Return tokens of an image.

        Args:
            image: ``(B, C, H, W)`` of the grid's size.
            patches: The patches that are seen, indices ``(B, K)``; None: all, in raster order.

        Returns:
            ``(B, K, D)``.
        """
        tokens = self.embed(image).flatten(2).mT + self.positions
        if patches is not None:
            tokens = chosen_tokens(tokens, patches)
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.norm(tokens)
        return out


def chosen_tokens(tokens: Tensor, patches: Tensor) -> Tensor:
    """Return the tokens ``(B, ..., D)`` of patches ``(B, ...)`` out of all tokens ``(B, P, D)``."""
    flat = patches.flatten(1)[..., None].expand(-1, -1, tokens.shape[-1])
    return torch.unflatten(tokens.gather(1, flat), 1, tuple(patches.shape[1:]))


def hybrid_pattern(depth: int) -> str:
    """Return the pattern of a hybrid encoder: Mamba first, attention in the later half.

    The paper ablates depths of 4, 6, 8 and 10 and does not say where attention stands. CHOICE: the later half, as in a
    stage of MambaVision; of an odd depth the larger part.

    Raises:
        ConfigError: If there is no block.
    """
    if depth < 1:
        raise ConfigError(f"depth={depth}: an encoder has at least one block.")
    return "M" * (depth // 2) + "A" * (depth - depth // 2)
