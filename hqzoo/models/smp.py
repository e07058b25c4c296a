"""Architectures of segmentation-models-pytorch: anchors that we did not write."""

from __future__ import annotations

from torch import Tensor

from hqzoo.errors import ConfigError, did_you_mean
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model

__all__ = ["SmpModel", "deeplabv3plus", "fpn", "segformer", "smp_unet", "unetplusplus"]


class SmpModel(Model):
    """A model of segmentation-models-pytorch with hqzoo's interface, from scratch.

    Args:
        architecture: Its class there.
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder there.

    Raises:
        ConfigError: If there is no such encoder.
    """

    def __init__(self, architecture: str, in_channels: int, num_classes: int, encoder: str) -> None:
        super().__init__()
        import segmentation_models_pytorch as smp  # half a second that other models need not wait for

        names = smp.encoders.get_encoder_names()
        if encoder not in names and not encoder.startswith("tu-"):
            raise ConfigError(
                f"segmentation-models-pytorch has no encoder '{encoder}'.{did_you_mean(encoder, names)} Those of timm "
                "are tu-NAME."
            )
        self.pools_globally = architecture == "DeepLabV3Plus"
        arguments = {"encoder_name": encoder, "encoder_weights": None, "in_channels": in_channels}
        self.net = getattr(smp, architecture)(**arguments, classes=num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides multiples of 32, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others, or DeepLabV3+ is trained on a single image.
        """
        self.check_size(image)
        if self.pools_globally and self.training and len(image) == 1:
            raise ConfigError(
                "DeepLabV3+ normalises one number per channel of each image, and cannot be trained on a single one: "
                "use a batch_size of at least 2."
            )
        out: Tensor = self.net(image)
        return out


@register_model(
    parameters=14_328_789,
    summary="U-Net of segmentation-models-pytorch, from scratch",
    paper="Ronneberger et al. 2015; He et al. 2016",
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def smp_unet(in_channels: int = 3, num_classes: int = 5, encoder: str = "resnet18") -> SmpModel:
    """Build a U-Net with an encoder of choice, at random weights.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder in segmentation-models-pytorch; random weights.
    """
    return SmpModel("Unet", in_channels, num_classes, encoder)


@register_model(
    parameters=26_079_189,
    summary="U-Net++ of segmentation-models-pytorch, from scratch",
    paper="Zhou et al. 2018; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .6553, OA 70.89 %, by HQ-UNet's paper"},
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def unetplusplus(in_channels: int = 3, num_classes: int = 5, encoder: str = "resnet34") -> SmpModel:
    """Build U-Net++; HQ-UNet's paper does not say with which encoder: CHOICE ResNet-34, without deep supervision.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder in segmentation-models-pytorch; random weights.
    """
    return SmpModel("UnetPlusPlus", in_channels, num_classes, encoder)


@register_model(
    parameters=22_438_485,
    summary="DeepLabV3+ of segmentation-models-pytorch, from scratch",
    paper="Chen et al. 2018",
    limits={
        "any_size": "five poolings need sides that 32 divides",
        "single_image": "batch normalisation behind global pooling needs two images to train on",
    },
)
def deeplabv3plus(in_channels: int = 3, num_classes: int = 5, encoder: str = "resnet34") -> SmpModel:
    """Build DeepLabV3+. CHOICE of the encoder as in :func:`unetplusplus`.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder in segmentation-models-pytorch; random weights.
    """
    return SmpModel("DeepLabV3Plus", in_channels, num_classes, encoder)


@register_model(
    parameters=3_715_429,
    summary="SegFormer's decoder on a mix transformer, from scratch",
    paper="Xie et al. 2021",
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def segformer(in_channels: int = 3, num_classes: int = 5, encoder: str = "mit_b0") -> SmpModel:
    """Build SegFormer. CHOICE of the encoder: the smallest of its paper, MiT-B0.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder in segmentation-models-pytorch; random weights.
    """
    return SmpModel("Segformer", in_channels, num_classes, encoder)


@register_model(
    parameters=23_155_909,
    summary="feature pyramid network of segmentation-models-pytorch, from scratch",
    paper="Lin et al. 2017",
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def fpn(in_channels: int = 3, num_classes: int = 5, encoder: str = "resnet34") -> SmpModel:
    """Build a feature pyramid network. CHOICE of the encoder as in :func:`unetplusplus`.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder in segmentation-models-pytorch; random weights.
    """
    return SmpModel("FPN", in_channels, num_classes, encoder)
