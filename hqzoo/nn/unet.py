"""U-Net blocks of depthwise-separable or plain convolutions (HQ-UNet, arXiv 2604.27206, section III-B-1)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError

__all__ = ["DoubleConv", "UNetDecoder", "UNetEncoder"]

ConvKind = Literal["separable", "standard"]


def _convolution(inputs: int, outputs: int, kind: ConvKind, bn_between: bool) -> list[nn.Module]:
    if kind == "standard":
        layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)]
    elif kind == "separable":
        layers = [nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)]
        if bn_between:
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
        layers.append(nn.Conv2d(inputs, outputs, 1, bias=False))
    else:
        raise ConfigError(f"conv='{kind}' is not one of separable, standard.")
    return [*layers, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each followed by batch normalisation and ReLU.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        conv: ``separable``: depthwise 3x3 then pointwise 1x1, as HQ-UNet states; ``standard``: plain 3x3.
        bn_between: Batch normalisation and ReLU also between depthwise and pointwise. Not stated: CHOICE False.
    """

    def __init__(self, inputs: int, outputs: int, conv: ConvKind = "separable", bn_between: bool = False) -> None:
        first = _convolution(inputs, outputs, conv, bn_between)
        super().__init__(*first, *_convolution(outputs, outputs, conv, bn_between))


class UNetEncoder(nn.Module):
    """A full-resolution stem and ``depth`` steps of max-pooling and :class:`DoubleConv`.

    Args:
        in_channels: Bands of the image.
        width: Channels ``b`` at full resolution; level ``l`` has ``2^l b``.
        depth: Number of poolings.
        conv: Kind of convolution.
        bn_between: See :class:`DoubleConv`.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        depth: int = 4,
        conv: ConvKind = "separable",
        bn_between: bool = False,
    ) -> None:
        super().__init__()
        self.channels = [width * 2**level for level in range(depth + 1)]
        self.stem = DoubleConv(in_channels, width, conv, bn_between)
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), DoubleConv(inputs, outputs, conv, bn_between))
            for inputs, outputs in zip(self.channels, self.channels[1:], strict=False)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of every level, ``(B, 2^l b, H / 2^l, W / 2^l)``, finest first."""
        features = [self.stem(image)]
        for block in self.down:
            features.append(block(features[-1]))
        return features


class UNetDecoder(nn.Module):
    """Transposed convolution, concatenation with the skip, :class:`DoubleConv`, level by level.

    Args:
        width: Channels at full resolution.
        depth: Number of up-samplings.
        conv: Kind of convolution.
        bn_between: See :class:`DoubleConv`.
    """

    def __init__(self, width: int, depth: int = 4, conv: ConvKind = "separable", bn_between: bool = False) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(depth + 1)]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(channels[level + 1], channels[level], 2, stride=2) for level in reversed(range(depth))
        )
        self.conv = nn.ModuleList(
            DoubleConv(channels[level + 1], channels[level], conv, bn_between) for level in reversed(range(depth))
        )

    def forward(self, deepest: Tensor, skips: list[Tensor]) -> Tensor:
        """Return ``(B, b, H, W)`` from the deepest map and the skips, finest first."""
        out = deepest
        for up, conv, skip in zip(self.up, self.conv, reversed(skips), strict=True):
            out = conv(torch.cat([skip, up(out)], dim=1))
        return out
