"""Blocks of tokens: attention or Mamba, then an MLP, each with a residual connection."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.mamba import MambaMixer

__all__ = ["Attention", "CrossAttention", "TokenBlock", "TokenMlp", "sine_cosine_positions", "start_small"]

MIXERS = {"A": "attention", "M": "Mamba"}


class CrossAttention(nn.Module):
    """Multi-head attention of queries to a context.

    Args:
        width: Channels D, a multiple of the heads.
        heads: Heads.

    Raises:
        ConfigError: If the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(f"{heads} heads do not divide a width of {width}.")
        self.heads = heads
        self.queries, self.pairs, self.leave = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """Return ``(B, Q, D)`` of queries ``(B, Q, D)`` and a context ``(B, L, D)``."""
        asked = self.queries(queries).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        keys, values = self.pairs(context).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(asked, keys, values)
        out: Tensor = self.leave(found.transpose(1, 2).flatten(2))
        return out


class Attention(CrossAttention):
    """Multi-head attention of tokens to each other."""

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        """Mix tokens ``(B, L, D)``."""
        return super().forward(tokens, tokens)


class TokenMlp(nn.Sequential):
    """Two linear layers with a GELU between, on every token."""

    def __init__(self, width: int, ratio: float = 4.0) -> None:
        super().__init__(nn.Linear(width, int(width * ratio)), nn.GELU(), nn.Linear(int(width * ratio), width))


class TokenBlock(nn.Module):
    """``x + mixer(norm(x))``, then ``x + mlp(norm(x))``.

    Args:
        width: Channels D of a token.
        heads: Heads of the attention.
        mixer: ``"A"``: attention, ``"M"``: Mamba.
        ratio: Hidden width of the MLP over D.

    Raises:
        ConfigError: If there is no such mixer, or it does not take the width.
    """

    def __init__(self, width: int, heads: int, mixer: str = "A", ratio: float = 4.0) -> None:
        super().__init__()
        if mixer not in MIXERS:
            raise ConfigError(f"A block's mixer is one of {MIXERS}, got '{mixer}'.")
        self.before_mixer, self.before_mlp = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.mixer = Attention(width, heads) if mixer == "A" else MambaMixer(width)
        self.mlp = TokenMlp(width, ratio)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens ``(B, L, D)`` to tokens."""
        tokens = tokens + self.mixer(self.before_mixer(tokens))
        out: Tensor = tokens + self.mlp(self.before_mlp(tokens))
        return out


def sine_cosine_positions(rows: int, columns: int, width: int, over: tuple[int, int] | None = None) -> Tensor:
    """Return fixed positions ``(rows * columns, width)`` in raster order: half for the row, half for the column.

    The frequencies are those of Vaswani et al. (2017), sines before cosines.

    Args:
        rows: Rows of the grid.
        columns: Its columns.
        width: Channels.
        over: Rows and columns of the grid whose positions these lie between: the same area in cells of another size,
            as an encoder that was trained on that grid sees it. None: the grid itself.

    Raises:
        ConfigError: If four does not divide the width.
    """
    if width % 4:
        raise ConfigError(f"Positions need a width that 4 divides, got {width}.")
    frequencies = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    axes = []
    for count, known in zip((rows, columns), over or (rows, columns), strict=True):
        centres = (torch.arange(count, dtype=torch.float64) + 0.5) * (known / count) - 0.5
        angles = centres[:, None] * frequencies
        axes.append(torch.cat([angles.sin(), angles.cos()], 1))
    row = axes[0][:, None].expand(rows, columns, -1)
    column = axes[1][None].expand(rows, columns, -1)
    return torch.cat([row, column], -1).flatten(0, 1).float()


@torch.no_grad()
def start_small(blocks: nn.ModuleList) -> None:
    """Draw linear layers from a normal distribution of deviation 0.02, and let later blocks add less (I-JEPA's start).

    The layers that write into the residual stream are divided by the root of twice their block's number.
    """
    for number, block in enumerate(blocks, start=1):
        for name, module in block.named_modules():
            if isinstance(module, nn.Linear) and not name.endswith("mixer.step"):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for last in (block.mixer.leave, block.mlp[-1]):  # type: ignore[union-attr, index]
            last.weight.div_((2 * number) ** 0.5)  # type: ignore[union-attr, operator]
