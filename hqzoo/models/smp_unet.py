"""A U-Net from segmentation-models-pytorch: an outside anchor that we did not write."""

from __future__ import annotations

from torch import Tensor

from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model

__all__ = ["SmpUNet", "smp_unet"]


class SmpUNet(Model):
    """``segmentation_models_pytorch.Unet`` with hqzoo's interface."""

    def __init__(self, in_channels: int, num_classes: int, encoder: str) -> None:
        super().__init__()
        import segmentation_models_pytorch as smp  # half a second that other models need not wait for

        self.net = smp.Unet(encoder, encoder_weights=None, in_channels=in_channels, classes=num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` of any size to logits ``(B, K, H, W)``."""
        out: Tensor = self.net(image)
        return out


@register_model(
    parameters=14_328_789,
    summary="U-Net of segmentation-models-pytorch, from scratch",
    paper="Ronneberger et al. 2015; He et al. 2016",
)
def smp_unet(in_channels: int = 3, num_classes: int = 5, encoder: str = "resnet18") -> SmpUNet:
    """Build the anchor.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder in segmentation-models-pytorch; random weights.
    """
    return SmpUNet(in_channels, num_classes, encoder)
