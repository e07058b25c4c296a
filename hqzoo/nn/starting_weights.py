"""Pretrained weights that an encoder starts from and that are trained on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.normalizer import Rescale
from hqzoo.nn.packaged_weights import Packaged

__all__ = ["KnownBandsFirst", "load_start"]


class KnownBandsFirst(nn.Module):
    """Bands that pretrained weights know, in their order and scaling, and behind them the others as they are.

    Args:
        rescale: Picks and scales the bands that are known.
        bands: Bands of the image.
    """

    others: Tensor

    def __init__(self, rescale: Rescale, bands: int) -> None:
        super().__init__()
        self.rescale = rescale
        known = set(rescale.index.tolist())
        self.register_buffer("others", torch.tensor([k for k in range(bands) if k not in known], dtype=torch.long))

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised ``(B, C, H, W)`` to ``(B, C, H, W)``, whose first channels are the known bands."""
        known: Tensor = self.rescale(image)
        return torch.cat([known, image[:, self.others]], 1) if len(self.others) else known


def load_start(encoder: nn.Module, known: Packaged, path: Path) -> None:
    """Load pretrained weights into an encoder of any number of bands, of which the known ones come first.

    The kernels of further bands start at zero (CHOICE): at first the encoder is the pretrained one, and gradients
    reach all kernels from the first step on. A classifier's weights are left out.

    Args:
        encoder: The encoder.
        known: What is known of the weights.
        path: The file that holds them.

    Raises:
        ConfigError: If the encoder has weights that the file lacks.
    """
    weights = known.read(path)
    first = weights[known.first]
    kernels = torch.zeros_like(encoder.get_parameter(known.first))
    kernels[:, : first.shape[1]] = first
    missing = encoder.load_state_dict({**weights, known.first: kernels}, strict=False).missing_keys
    if missing:
        raise ConfigError(
            f"The weights of {known.package} lack {len(missing)} of this encoder's, first '{missing[0]}': they are "
            f"those of {known.model}."
        )
