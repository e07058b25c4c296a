"""HQF-Net's quantum skip connection (arXiv 2604.06715): a coarse correction of a skip, of 8 qubits for every cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.quantum import Circuit, QuantumLayer

__all__ = ["QSkip"]


class QSkip(nn.Module):
    r"""Pool to a grid of cells, a circuit on every cell, and back: :math:`s = f + \gamma\delta`. All of it is a CHOICE.

    A 1x1 convolution and :math:`\pi\tanh` give the angles of a cell, another one makes channels of the expectation
    values, and bilinear interpolation brings :math:`\delta` to the skip's size.

    Args:
        channels: Channels of the skip.
        circuit: The circuit; one for all cells.
        cells: Rows and columns of the grid; smaller skips have a cell for every pixel. CHOICE 8.
        mode: ``add``: the sum above; ``gate``: :math:`f (1 + \tanh\delta)`. CHOICE ``add``.
        gamma: Weight of the correction at first, in each channel. CHOICE 0.1.
        engine: Engine of the circuit.
        layer: What makes a layer of the circuit; :class:`hqzoo.nn.Slot` leaves its place free for controls.

    Raises:
        ConfigError: If an option is unknown.
    """

    def __init__(
        self,
        channels: int,
        circuit: Circuit,
        cells: int = 8,
        mode: Literal["add", "gate"] = "add",
        gamma: float = 0.1,
        engine: str = "auto",
        layer: Callable[..., nn.Module] = QuantumLayer,
    ) -> None:
        super().__init__()
        if mode not in ("add", "gate"):
            raise ConfigError(f"qskip_mode='{mode}' is not one of add, gate.")
        if cells < 1:
            raise ConfigError(f"qskip_cells={cells}: a skip has at least one cell.")
        self.cells = cells
        self.pre = nn.Conv2d(channels, circuit.n_data, 1)
        self.core = layer(circuit, engine)
        self.post = nn.Conv2d(circuit.n_observables, channels, 1)
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), gamma)) if mode == "add" else None

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the grid on a skip of this size."""
        return min(self.cells, height), min(self.cells, width)

    def forward(self, skip: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        size = skip.shape[-2:]
        pooled = F.adaptive_avg_pool2d(skip, self.grid(*size))
        angles = math.pi * torch.tanh(self.pre(pooled))
        values = self.core(angles.movedim(1, -1)).movedim(-1, 1)
        delta = F.interpolate(self.post(values.to(skip.dtype)), size=size, mode="bilinear", align_corners=False)
        return skip * (1 + torch.tanh(delta)) if self.gamma is None else skip + self.gamma * delta
