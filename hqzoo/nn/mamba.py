"""A Mamba mixer that looks both ways: for tokens of an image, whose order means nothing."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.selective_scan import selective_scan

__all__ = ["MambaMixer"]


class MambaMixer(nn.Module):
    """MambaVision's mixer (Hatamizadeh and Kautz 2024): a scanned half and a convolved half, side by side.

    HQ-JEPA says "hybrid Mamba-ViT" and no more. CHOICE: this mixer, because its convolution is centred and not causal;
    scanned forward and backward with the same weights, the two averaged.

    Args:
        width: Channels D of a token, even.
        states: States S per channel. CHOICE 16, Mamba's.
        kernel: Width of the convolution along the sequence, odd. CHOICE 3.
        chunk: See :func:`hqzoo.nn.selective_scan.selective_scan`; changes the time, not the result.

    Raises:
        ConfigError: If the width or the kernel does not fit.
    """

    def __init__(self, width: int, states: int = 16, kernel: int = 3, chunk: int = 8) -> None:
        super().__init__()
        if width % 2 or kernel % 2 == 0:
            raise ConfigError(f"A Mamba mixer needs an even width and an odd kernel, got {width} and {kernel}.")
        inner, self.rank, self.states, self.chunk = width // 2, math.ceil(width / 16), states, chunk
        self.enter = nn.Linear(width, width)
        self.convolve = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.select = nn.Linear(inner, self.rank + 2 * states, bias=False)
        self.step = nn.Linear(self.rank, inner)
        self.log_rates = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(inner, 1))  # S4D-real
        self.skip = nn.Parameter(torch.ones(inner))
        self.leave = nn.Linear(width, width)
        self._start_steps()

    @torch.no_grad()
    def _start_steps(self, low: float = 1e-3, high: float = 0.1) -> None:
        """Let steps start between ``low`` and ``high``, evenly in their logarithm, as Mamba does."""
        nn.init.uniform_(self.step.weight, -(self.rank**-0.5), self.rank**-0.5)
        steps = torch.exp(torch.rand(len(self.step.bias)) * math.log(high / low) + math.log(low))
        self.step.bias.copy_(steps + torch.log(-torch.expm1(-steps)))  # whose softplus they are

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix tokens ``(B, L, D)``."""
        mixed = F.silu(self.convolve(self.enter(tokens).mT)).mT
        scanned, gate = mixed.chunk(2, -1)
        both = 0.5 * (self._scan(scanned) + self._scan(scanned.flip(1)).flip(1))
        out: Tensor = self.leave(torch.cat([both.to(gate.dtype), gate], -1))
        return out

    def _scan(self, values: Tensor) -> Tensor:
        rank, write, read = self.select(values).split([self.rank, self.states, self.states], -1)
        steps = F.softplus(self.step(rank).float() if values.dtype != torch.float64 else self.step(rank))
        return selective_scan(values, steps, -self.log_rates.exp(), write, read, self.chunk) + self.skip * values
