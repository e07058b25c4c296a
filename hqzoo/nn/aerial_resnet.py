"""A ResNet-18 that keeps an image's full resolution: the encoder of the aerial weights in the package geoembed."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AerialResNet18"]


class AerialResNet18(nn.Module):
    """The four stages of a ResNet-18 behind one 3x3 convolution of stride 1, without pooling, as for small images.

    It answers what segmentation-models-pytorch asks an encoder, like its VGGs, whose first map has the size of the
    image. Weights start at random.

    Args:
        depth: How often a map is halved: 3.
        output_stride: Ignored: never more than 8.

    Attributes:
        out_channels: Channels of the maps.
        output_stride: Pixels of the image per pixel of the last map.
    """

    out_channels = (64, 128, 256, 512)
    output_stride = 8

    def __init__(self, depth: int = 3, output_stride: int = 8) -> None:
        super().__init__()
        import timm  # half a second that other models need not wait for

        self.set_in_channels(3)
        net = timm.create_model("resnet18", num_classes=0)
        self.bn1, self.layer1, self.layer2, self.layer3, self.layer4 = (
            getattr(net, name) for name in ("bn1", "layer1", "layer2", "layer3", "layer4")
        )

    def set_in_channels(self, in_channels: int, pretrained: bool = False) -> None:
        """Make a new first convolution, for this number of bands."""
        self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map ``(B, C, H, W)`` to maps of 64, 128, 256 and 512 channels at strides 1, 2, 4 and 8."""
        maps = [self.layer1(F.relu(self.bn1(self.conv1(image))))]
        for layer in (self.layer2, self.layer3, self.layer4):
            maps.append(layer(maps[-1]))
        return maps
