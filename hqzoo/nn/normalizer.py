"""Normalisation as a part of the model, so that a checkpoint carries its own statistics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError

__all__ = ["Normalizer"]


class Normalizer(nn.Module):
    """``(image - mean) / std`` per band.

    Args:
        mean: Mean of each band, in the sensor's unit.
        std: Standard deviation of each band, positive, in the sensor's unit.

    Raises:
        ConfigError: If the two differ in length or a standard deviation is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise ConfigError(
                "Normalisation needs one mean and one positive standard deviation per band; "
                f"got {tuple(mean)} and {tuple(std)}."
            )
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """Return the normalised image; both are ``(B, C, H, W)``."""
        return (image - self.mean[:, None, None]) / self.std[:, None, None]
