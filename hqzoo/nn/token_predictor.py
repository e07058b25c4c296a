"""From the tokens of a context to those of the blocks that it does not hold (I-JEPA's predictor)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.transformer import CrossAttention, TokenBlock, TokenMlp, sine_cosine_positions, start_small

__all__ = ["TokenPredictor"]


class TokenPredictor(nn.Module):
    """Predicts the tokens of target blocks, each block on its own (HQ-JEPA eq. 5).

    Widths and depth are not stated: CHOICE, I-JEPA's narrow predictor of six attention blocks.

    Args:
        width: Channels D of the tokens.
        grid: Rows and columns of patches.
        inner: Channels inside.
        depth: Blocks.
        heads: Heads of their attention.
        form: ``"mask"`` (the text's): mask tokens at the targets' positions stand among the context's tokens;
            ``"query"`` (CR-JEPA's, same authors): they look at each other and, across, at the context.

    Raises:
        ConfigError: If there is no such form.
    """

    positions: Tensor

    def __init__(
        self,
        width: int,
        grid: tuple[int, int],
        inner: int = 256,
        depth: int = 6,
        heads: int = 8,
        form: Literal["mask", "query"] = "mask",
    ) -> None:
        super().__init__()
        if form not in ("mask", "query"):
            raise ConfigError(f"The predictor's form is 'mask' or 'query', got '{form}'.")
        self.enter, self.leave = nn.Linear(width, inner), nn.Linear(inner, width)
        self.register_buffer("positions", sine_cosine_positions(*grid, inner), persistent=False)
        self.mask_token = nn.Parameter(torch.zeros(inner))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        block = TokenBlock if form == "mask" else _QueryBlock
        self.blocks = nn.ModuleList(block(inner, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(inner, eps=1e-6)
        start_small(self.blocks)

    def forward(self, context: Tensor, patches: Tensor, targets: Tensor) -> Tensor:
        """Return predicted tokens of the target blocks.

        Args:
            context: Tokens of the context, ``(B, K, D)``.
            patches: Their places, ``(B, K)``.
            targets: Places of the blocks' patches, ``(B, M, N)``.

        Returns:
            ``(B, M, N, D)``.
        """
        blocks = targets.shape[1]
        known = self.enter(context) + self.positions[patches]
        asked = self.mask_token + self.positions[targets]
        known = known[:, None].expand(-1, blocks, -1, -1).flatten(0, 1)
        asked = asked.flatten(0, 1).to(known.dtype)
        for block in self.blocks:
            if isinstance(block, _QueryBlock):
                asked = block(asked, known)
            else:
                known, asked = block(torch.cat([known, asked], 1)).split([known.shape[1], asked.shape[1]], 1)
        out: Tensor = self.leave(self.norm(asked))
        return torch.unflatten(out, 0, (-1, blocks))

    def summary(self, targets: Tensor) -> Tensor:
        """Return the mean positional code of each target block, ``(B, M, inner)``."""
        return self.positions[targets].mean(2)


class _QueryBlock(nn.Module):
    """Attention among queries, then to the context, then an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.among = TokenBlock(width, heads)
        self.before_mixer, self.before_mlp = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.mixer, self.mlp = CrossAttention(width, heads), TokenMlp(width)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        queries = self.among(queries)
        queries = queries + self.mixer(self.before_mixer(queries), context)
        out: Tensor = queries + self.mlp(self.before_mlp(queries))
        return out
