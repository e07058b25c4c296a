"""U-Net (Ronneberger et al. 2015), and the one with spatial pyramid pooling (Abdani and Zulkifley)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import UNetDecoder, UNetEncoder
from hqzoo.nn.pyramid_pooling import PyramidPooling

__all__ = ["UNet", "unet", "unet_spp"]


class UNet(Model):
    """Encoder, whatever stands at its end, decoder and a 1x1 convolution; see :func:`unet`."""

    size_multiple = (16, 16)

    def __init__(self, encoder: UNetEncoder, bottleneck: nn.Module, decoder: UNetDecoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.bottleneck, self.decoder, self.head = encoder, bottleneck, decoder, head

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides multiples of 16, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others.
        """
        self.check_size(image)
        *skips, deepest = self.encoder(image)
        out: Tensor = self.head(self.decoder(self.bottleneck(deepest), skips))
        return out


@register_model(
    summary="U-Net with batch normalisation, from scratch",
    parameters=31_037_893,
    paper="Ronneberger et al. 2015; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .6451, OA 82.43 %, by HQ-UNet's paper"},
    limits={"any_size": "four poolings need sides that 16 divides"},
)
def unet(
    in_channels: int = 3, num_classes: int = 5, width: int = 64, conv: Literal["standard", "separable"] = "standard"
) -> UNet:
    """Build U-Net: five levels of two 3x3 convolutions with batch normalisation, transposed convolutions up.

    HQ-UNet's paper says "U-Net" and no more: all of it is a CHOICE, the usual layout of PyTorch implementations. The
    twin of HQ-UNet itself is ``hq_unet`` with ``control=double_conv``.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        width: Channels at full resolution. CHOICE 64 (31.04 M parameters; 7.76 M at 32, 1.94 M at 16).
        conv: Plain 3x3 convolutions, or HQ-UNet's depthwise-separable ones.
    """
    return _build(in_channels, num_classes, width, conv, nn.Identity())


@register_model(
    summary="U-Net with spatial pyramid pooling in its bottleneck, from scratch",
    parameters=35_233_221,
    paper="Abdani and Zulkifley 2021; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .6920, OA 71.27 %, by HQ-UNet's paper"},
    limits={"any_size": "four poolings need sides that 16 divides"},
)
def unet_spp(in_channels: int = 3, num_classes: int = 5, width: int = 64) -> UNet:
    """Build U-Net with spatial pyramid pooling behind its deepest level.

    The original's text was not available. CHOICE: its four windows, see
    :class:`hqzoo.nn.pyramid_pooling.PyramidPooling`, joined by a 1x1 convolution to as many channels as before.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        width: Channels at full resolution. CHOICE 64.
    """
    return _build(in_channels, num_classes, width, "standard", PyramidPooling(16 * width))


def _build(
    bands: int, num_classes: int, width: int, conv: Literal["standard", "separable"], bottleneck: nn.Module
) -> UNet:
    encoder, decoder = UNetEncoder(bands, width, conv=conv), UNetDecoder(width, conv=conv)
    return UNet(encoder, bottleneck, decoder, nn.Conv2d(width, num_classes, 1))
