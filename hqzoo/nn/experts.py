"""HQF-Net's quantum bottleneck (arXiv 2604.06715): several circuits on one encoded grid, mixed by a router."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.expert_watch import ExpertWatch
from hqzoo.quantum import Circuit, QuantumLayer

__all__ = ["QMoE", "Router", "UniformRouter"]

ROUTERS = ("adaptive", "uniform", "permuted")
MAP = 4  # sides of the map that the linear layer behind the mixture makes


class Router(nn.Module):
    r"""Shares of the experts from the mean of every channel: :math:`\mathrm{softmax}(W_2\,\mathrm{ReLU}(W_1 x)/\tau)`.

    Args:
        channels: Channels of the map.
        experts: Number of experts.
        temperature: τ. CHOICE 1.
        hidden: Hidden units. CHOICE 64.
        permuted: Whether each image gets the shares of the one before it in the batch, and the first those of the last:
            a control that has the router's shares, but not those of this image. A batch of one image has no other.

    Raises:
        ConfigError: If the temperature is not positive.
    """

    def __init__(
        self, channels: int, experts: int, temperature: float = 1.0, hidden: int = 64, permuted: bool = False
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(f"temperature={temperature} of the router must be positive.")
        self.temperature, self.permuted = temperature, permuted
        self.inner = nn.Linear(channels, hidden)
        self.outer = nn.Linear(hidden, experts)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to shares ``(B, experts)``, float32, that add up to 1."""
        logits: Tensor = self.outer(torch.relu(self.inner(features.mean((2, 3)))))
        shares: Tensor = (logits.float() / self.temperature).softmax(-1)
        return shares.roll(1, 0) if self.permuted else shares


class UniformRouter(nn.Module):
    """The same share for each expert, whatever the image, and no parameters."""

    def __init__(self, experts: int) -> None:
        super().__init__()
        self.experts = experts

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to shares ``(B, experts)``, float32."""
        return features.new_full((features.shape[0], self.experts), 1 / self.experts, dtype=torch.float32)


class QMoE(nn.Module):
    r"""Pool to the qubit grid, encode, run all experts, mix, and back: :math:`z = f + \gamma\,\mathrm{out}`.

    Before the circuits it is HQ-UNet's bottleneck: 1x1 convolution to three angles per qubit, tanh. Behind the mixture
    a linear layer makes a 4x4 map, which is enlarged bilinearly and goes through a 1x1 convolution. All experts run for
    every image, so that the router learns from each. No source mentions a loss that balances the experts, and there is
    none here. All of it is a CHOICE.

    Args:
        channels: Channels of the map.
        circuits: Circuit of each expert by name; all of as many data and outputs.
        grid: Rows and columns of qubits.
        router: ``adaptive``; ``uniform``; ``permuted``, see :class:`Router`. One expert needs none.
        temperature: See :class:`Router`.
        gamma: Weight of the mixture at first, in each channel. CHOICE 0.1.
        engine: Engine of the circuits.
        layer: What makes a layer of a circuit; :class:`hqzoo.nn.Slot` leaves its place free for controls.

    Raises:
        ConfigError: If there is no expert, or an option is unknown.
    """

    def __init__(
        self,
        channels: int,
        circuits: Mapping[str, Circuit],
        grid: tuple[int, int] = (4, 4),
        router: Literal["adaptive", "uniform", "permuted"] = "adaptive",
        temperature: float = 1.0,
        gamma: float = 0.1,
        engine: str = "auto",
        layer: Callable[..., nn.Module] = QuantumLayer,
    ) -> None:
        super().__init__()
        if not circuits:
            raise ConfigError("experts=(): a mixture needs at least one expert; qmoe=False leaves it out.")
        if router not in ROUTERS:
            raise ConfigError(f"router='{router}' is not one of {', '.join(ROUTERS)}.")
        first, number = next(iter(circuits.values())), len(circuits)
        self.grid = grid
        self.pre = nn.Conv2d(channels, first.n_data // (grid[0] * grid[1]), 1)
        self.names = tuple(circuits)
        for name, circuit in circuits.items():
            self.add_module(f"{name}_expert", layer(circuit, engine))  # "global" alone is no name in Python
        self.router = (
            UniformRouter(number)
            if number == 1 or router == "uniform"
            else Router(channels, number, temperature, permuted=router == "permuted")
        )
        self.post = nn.Linear(first.n_observables, channels * MAP**2)
        self.out = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), gamma))

    @property
    def experts(self) -> dict[str, nn.Module]:
        """The experts by name."""
        return {name: self.get_submodule(f"{name}_expert") for name in self.names}

    def watch(self) -> ExpertWatch:
        """Start to look on at the experts' shares and outputs."""
        return ExpertWatch(self.experts, self.router, self.post.in_features, self.post.weight.device)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        B, _, height, width = features.shape
        angles = torch.tanh(self.pre(F.adaptive_avg_pool2d(features, self.grid))).flatten(1)
        values = torch.stack([expert(angles).float() for expert in self.experts.values()], 1)
        mixed = (self.router(features)[:, :, None] * values).sum(1)
        small = self.post(mixed.to(features.dtype)).view(B, -1, MAP, MAP)
        large = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
        out: Tensor = features + self.gamma * self.out(large)
        return out
