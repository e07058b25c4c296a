"""CNN: the classical twin of the quantum convolutions of HQ-UNet's table I."""

from __future__ import annotations

from torch import Tensor, nn

from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn.quantum_windows import WindowDecoder

__all__ = ["CNN", "cnn"]


class CNN(Model):
    """A convolution of 2x2 windows, then a decoder; see :func:`cnn`."""

    size_multiple = (2, 2)

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.filter = nn.Sequential(nn.Conv2d(in_channels, in_channels, 2, 2), nn.ReLU())
        self.decoder = WindowDecoder(in_channels, 64, num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides even, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others.
        """
        self.check_size(image)
        out: Tensor = self.decoder(self.filter(image))
        return out


@register_model(
    summary="convolution of 2x2 windows and a small decoder: the classical twin of FQCNN",
    parameters=3_116,
    paper="github.com/hrithikkmr527/Quantum_ML; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .4587, by HQ-UNet's paper"},
    limits={"any_size": "windows of 2x2 pixels need even sides"},
)
def cnn(in_channels: int = 3, num_classes: int = 5) -> CNN:
    """Build the CNN row; its layers are not published. CHOICE: FQCNN with a 2x2 convolution and ReLU as its filter.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
    """
    return CNN(in_channels, num_classes)
