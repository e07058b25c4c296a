"""HQ-UNet's bottleneck: a feature map through a grid of qubits and back (arXiv 2604.27206, section III-B-2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.quantum import Circuit, QuantumLayer

__all__ = ["QuantumBottleneck"]


class QuantumBottleneck(nn.Module):
    """Pool to the qubit grid, 1x1 convolution, tanh, circuit, linear layer back to the map.

    Args:
        channels: Channels of the incoming map.
        channels_out: Channels of the outgoing map.
        size: Height and width of the map.
        grid: Rows and columns of qubits.
        circuit: The circuit; its data are ``k`` features per qubit, feature by feature.
        post: ``linear``: the linear layer yields the full map (literal reading, CHOICE); ``linear_4x4_upsample``: a
            4x4 map, enlarged bilinearly, with four times fewer weights on an 8x8 map.
        residual: Whether the input is added to the output. The paper says *replaced*: CHOICE False.
        engine: Engine of circuits.
        layer: What makes a layer of the circuit; :class:`hqzoo.nn.Slot` leaves its place free for controls.

    Raises:
        ConfigError: If an option is unknown.
    """

    def __init__(
        self,
        channels: int,
        channels_out: int,
        size: int,
        grid: tuple[int, int],
        circuit: Circuit,
        post: Literal["linear", "linear_4x4_upsample"] = "linear",
        residual: bool = False,
        engine: str = "auto",
        layer: Callable[..., nn.Module] = QuantumLayer,
    ) -> None:
        super().__init__()
        if post not in ("linear", "linear_4x4_upsample"):
            raise ConfigError(f"post='{post}' is not one of linear, linear_4x4_upsample.")
        if residual and channels != channels_out:
            raise ConfigError(f"residual=True cannot add {channels} incoming to {channels_out} outgoing channels.")
        self.grid, self.residual, self.size = grid, residual, size
        self.map_size = size if post == "linear" else 4
        features = circuit.n_data // (grid[0] * grid[1])
        self.pre = nn.Conv2d(channels, features, 1)
        self.post = nn.Linear(circuit.n_observables, channels_out * self.map_size**2)
        self.core = layer(circuit, engine)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, channels, size, size)`` to ``(B, channels_out, size, size)``."""
        pooled = F.adaptive_avg_pool2d(features, self.grid)
        angles = torch.tanh(self.pre(pooled)).flatten(1)  # feature by feature, qubits in raster order
        values = self.core(angles)
        out: Tensor = self.post(values.to(features.dtype)).view(features.shape[0], -1, self.map_size, self.map_size)
        if self.map_size != self.size:
            out = F.interpolate(out, size=(self.size, self.size), mode="bilinear", align_corners=False)
        return features + out if self.residual else out
