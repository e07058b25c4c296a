"""DIResUNet (Priyanka et al., Applied Intelligence 52, 2022): a residual U-Net with an inception bottleneck."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model

__all__ = ["DIResUNet", "diresunet"]

LEVELS = (32, 64, 128)
DEEP = 256  # channels of each branch of the bottleneck
DILATIONS = (7, 14, 21)


class DIResUNet(Model):
    """Three residual levels, dense global pooling on the last skip, inception, and three levels up."""

    size_multiple = (8, 8)

    def __init__(self, in_channels: int, num_classes: int, dense3: bool) -> None:
        super().__init__()
        sizes = (in_channels, *LEVELS)
        self.down = nn.ModuleList(_Residual(a, b, last_norm=False) for a, b in zip(sizes, LEVELS, strict=False))
        self.context = _DenseGlobalPooling(LEVELS[-1], dense3)
        self.inception = _Inception(LEVELS[-1], DEEP)
        ups = (3 * DEEP, *LEVELS[:0:-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 3, 2, padding=1, output_padding=1) for a, b in zip(ups, LEVELS[::-1], strict=True)
        )
        skips = (2 * LEVELS[-1], *LEVELS[-2::-1])
        self.conv = nn.ModuleList(_Residual(a + b, b, last_norm=True) for a, b in zip(skips, LEVELS[::-1], strict=True))
        self.head = nn.Conv2d(LEVELS[0], num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides multiples of 8, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others.
        """
        self.check_size(image)
        out, skips = image, []
        for level in self.down:
            skips.append(level(out))
            out = nn.functional.max_pool2d(skips[-1], 2)
        skips[-1] = self.context(skips[-1])
        out = self.inception(out)
        for up, conv, skip in zip(self.up, self.conv, reversed(skips), strict=True):
            out = conv(torch.cat([up(out), skip], 1))
        logits: Tensor = self.head(out)
        return logits


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a 1x1 one; where their sum is normalised differs on the way down and up."""

    def __init__(self, inputs: int, outputs: int, last_norm: bool) -> None:
        super().__init__()
        first = nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        second = nn.Conv2d(outputs, outputs, 3, padding=1)
        norm = nn.BatchNorm2d(outputs)
        self.main = nn.Sequential(*first, second, norm) if last_norm else nn.Sequential(*first, second)
        self.norm = nn.Identity() if last_norm else norm
        self.short = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.relu(self.norm(self.main(features) + self.short(features)))


class _DenseGlobalPooling(nn.Module):
    """Dilated convolutions that see each other's sums, then what the whole image has, beside the map itself."""

    def __init__(self, channels: int, dense3: bool) -> None:
        super().__init__()
        self.dense3 = dense3
        self.units = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate)
            )
            for rate in DILATIONS
        )
        self.whole = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        first = self.units[0](features)
        second = self.units[1](first + features)
        third = self.units[2](features + first + second if self.dense3 else features)
        total = third + second + first + features
        pooled = self.whole(total.mean((2, 3), keepdim=True)).expand_as(features)
        return torch.cat([features, pooled], 1)


class _Inception(nn.Module):
    """Three views of a map: 3x3, 5x5, and the largest nearby."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([
            nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Conv2d(outputs, outputs, 3, padding=1)),
            nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Conv2d(outputs, outputs, 5, padding=2)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(inputs, outputs, 1)),
        ])  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([nn.functional.relu(branch(features)) for branch in self.branches], 1)


@register_model(
    summary="residual U-Net with an inception bottleneck and dense global pooling, from scratch",
    parameters=4_901_381,
    paper="Priyanka et al., Applied Intelligence 52, 2022; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .7522, OA 87.05 %, by HQ-UNet's paper"},
    limits={"any_size": "three poolings need sides that 8 divides"},
)
def diresunet(in_channels: int = 3, num_classes: int = 5, dense3: bool = False) -> DIResUNet:
    """Build DIResUNet after a public re-implementation, whose number of weights it has.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        dense3: Whether the third dilated unit sees the sum of what came before, as the second does. CHOICE False, as in
            that code; the paper's word "dense" suggests True.
    """
    return DIResUNet(in_channels, num_classes, dense3)
