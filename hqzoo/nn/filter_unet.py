"""A plain U-Net given by a list of filters, as Qu-Net builds on (arXiv 2501.13165; layers as in the authors' code)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FilterDecoder", "FilterEncoder", "convolution", "keras_defaults"]


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """Return a 3x3 convolution with bias, and ReLU; no normalisation."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]


def keras_defaults(module: nn.Module) -> None:
    """Give convolutions the weights that Keras draws where none are asked for, as in the authors' code.

    Glorot-uniform weights and zero biases. PyTorch's own draw has a third of the variance and random biases: behind ten
    convolutions without normalisation nearly half of the channels are then dead from the start, against a few in 100.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class FilterEncoder(nn.Module):
    """Two convolutions, then max-pooling, for each number of filters.

    Args:
        in_channels: Bands of the image.
        filters: Channels of each level, finest first.
    """

    def __init__(self, in_channels: int, filters: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(*convolution(inputs, outputs), *convolution(outputs, outputs))
            for inputs, outputs in zip([in_channels, *filters], filters, strict=False)
        )

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the skips ``(B, filters[l], H / 2^l, W / 2^l)``, finest first, and the deepest skip, pooled."""
        skips, out = [], image
        for block in self.blocks:
            skips.append(block(out))
            out = F.max_pool2d(skips[-1], 2)
        return skips, out


class FilterDecoder(nn.Module):
    """Transposed convolution without activation, concatenation [up, skip], two convolutions, level by level.

    The transposed convolution is 3x3 with stride 2. It pads such that sizes double exactly; Keras puts the odd pixel on
    the other side, with as many parameters.

    Args:
        inputs: Channels of the deepest map.
        filters: Channels of each level, finest first.
        skips: Channels of each skip, finest first.
    """

    def __init__(self, inputs: int, filters: Sequence[int], skips: Sequence[int]) -> None:
        super().__init__()
        outputs = list(reversed(filters))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
            for before, after in zip([inputs, *outputs], outputs, strict=False)
        )
        self.conv = nn.ModuleList(
            nn.Sequential(*convolution(channels + skip, channels), *convolution(channels, channels))
            for channels, skip in zip(outputs, reversed(skips), strict=True)
        )

    def forward(self, deepest: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return ``(B, filters[0], H, W)`` from the deepest map and the skips, finest first."""
        out = deepest
        for up, conv, skip in zip(self.up, self.conv, reversed(skips), strict=True):
            out = conv(torch.cat([up(out), skip], dim=1))
        return out
