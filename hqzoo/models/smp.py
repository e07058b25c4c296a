"""Architectures of segmentation-models-pytorch: anchors that we did not write."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError, did_you_mean
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import Rescale
from hqzoo.nn.aerial_resnet import AerialResNet18
from hqzoo.nn.packaged_weights import PACKAGES, find_packaged
from hqzoo.nn.starting_weights import KnownBandsFirst, load_start

__all__ = ["SmpModel", "deeplabv3plus", "fpn", "segformer", "smp_unet", "unetplusplus"]

RGB = ("red", "green", "blue")
AERIAL = "aerial_resnet18"  # hqzoo's own among the encoders
# It halves three times; the other decoders of segmentation-models-pytorch need maps of an eighth and less.
AERIAL_OPTIONS: dict[str, Any] = {"encoder_depth": 3, "decoder_channels": (256, 128, 64)}
AERIAL_DECODERS = ("Unet", "UnetPlusPlus")
WEIGHTS = tuple(PACKAGES)
NOT_AERIAL = tuple(name for name, known in PACKAGES.items() if known.model != AERIAL)


class SmpModel(Model):
    """A model of segmentation-models-pytorch with hqzoo's interface, from scratch or from an encoder's weights.

    Pretrained weights get the bands red, green and blue by name, in the scaling that they were trained on; the kernels
    of further bands start at zero. Whoever loads a checkpoint of such a model needs the weights as well.

    Args:
        architecture: Its class there.
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: Name of an encoder there, ``tu-NAME`` of timm, or ``"aerial_resnet18"``
            (:class:`hqzoo.nn.aerial_resnet.AerialResNet18`), which U-Net and U-Net++ take.
        encoder_weights: None: from scratch; the name of an installed package of weights
            (:data:`hqzoo.nn.packaged_weights.PACKAGES`); or the path of a file from one. ``geoembed`` has no licence
            file: for experiments only.
        inputs: Sensor and statistics of the images; only pretrained weights need them.

    Raises:
        ConfigError: If there is no such encoder, the weights are not to be had or are others' or another encoder's, or
            the images lack a band that they need.
    """

    def __init__(
        self,
        architecture: str,
        in_channels: int,
        num_classes: int,
        encoder: str,
        encoder_weights: str | None = None,
        inputs: Inputs | None = None,
    ) -> None:
        super().__init__()
        import segmentation_models_pytorch as smp  # half a second that other models need not wait for

        known_encoders = smp.encoders.encoders
        known_encoders[AERIAL] = {"encoder": AerialResNet18, "params": {}, "pretrained_settings": {}}
        if encoder not in known_encoders and not encoder.startswith("tu-"):
            raise ConfigError(
                f"segmentation-models-pytorch has no encoder '{encoder}'.{did_you_mean(encoder, known_encoders)} Those "
                "of timm are tu-NAME."
            )
        if encoder == AERIAL and architecture not in AERIAL_DECODERS:
            raise ConfigError(
                f"The decoder of {architecture} needs smaller maps than those of {AERIAL}, whose last has stride 8. "
                "Take it with smp_unet or unetplusplus."
            )
        options = AERIAL_OPTIONS if encoder == AERIAL else {}
        arguments = {"encoder_name": encoder, "encoder_weights": None, "in_channels": in_channels, **options}
        self.net = getattr(smp, architecture)(**arguments, classes=num_classes)
        self.pools_globally = architecture == "DeepLabV3Plus"
        if encoder == AERIAL:
            self.size_multiple = (self.net.encoder.output_stride,) * 2
        self.bands: nn.Module = nn.Identity()
        self._start: dict[str, dict[str, str]] = {}
        if encoder_weights is not None:
            self._load(encoder, encoder_weights, inputs)

    def _load(self, encoder: str, source: str, inputs: Inputs | None) -> None:
        known, path = find_packaged(source)
        wanted = known.model if known.model == AERIAL else f"tu-{known.model}"
        if encoder != wanted:
            raise ConfigError(
                f"encoder_weights='{source}' are those of the encoder {wanted}, not of {encoder}: say encoder={wanted}."
            )
        if inputs is None:
            raise ConfigError(
                "Pretrained weights need to know bands and statistics of the images: create_model(..., inputs=...)."
            )
        sensor, (statistics,) = inputs.single, inputs.statistics.values()
        mean, std = [known.mean] * len(RGB), [known.std] * len(RGB)
        rescale = Rescale(
            sensor.bands, statistics.mean, statistics.std, RGB, mean, std, sensor.scale, sensor.offset
        )  # fmt: skip
        self.bands = KnownBandsFirst(rescale, len(sensor))
        load_start(self.net.encoder if encoder == AERIAL else self.net.encoder.model, known, path)
        self._start = {
            "net.encoder": {
                "source": f"{known.package} {known.version}", "sha256": known.sha256, "licence": known.licence,
            }
        }  # fmt: skip

    def starting_weights(self) -> dict[str, dict[str, str]]:
        """Return where the encoder's weights came from, their digest, and what their package says of a licence."""
        return self._start

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, C, H, W)``, sides multiples of ``size_multiple``, to logits ``(B, K, H, W)``.

        Raises:
            ConfigError: If the sides are others, or DeepLabV3+ is trained on a single image.
        """
        self.check_size(image)
        if self.pools_globally and self.training and len(image) == 1:
            raise ConfigError(
                "DeepLabV3+ normalises one number per channel of each image, and cannot be trained on a single one: "
                "use a batch_size of at least 2."
            )
        out: Tensor = self.net(self.bands(image))
        return out


@register_model(
    tags=WEIGHTS,
    parameters=14_328_789,
    summary="U-Net of segmentation-models-pytorch, from scratch",
    paper="Ronneberger et al. 2015; He et al. 2016",
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def smp_unet(
    in_channels: int = 3,
    num_classes: int = 5,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    inputs: Inputs | None = None,
) -> SmpModel:
    """Build a U-Net with an encoder of choice. CHOICE ResNet-18.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: See :class:`SmpModel`.
        encoder_weights: See :class:`SmpModel`. CHOICE None: from scratch, as all rows that it is compared with.
        inputs: Sensor and statistics of the images; only pretrained weights need them.
    """
    return SmpModel("Unet", in_channels, num_classes, encoder, encoder_weights, inputs)


@register_model(
    tags=WEIGHTS,
    parameters=26_079_189,
    summary="U-Net++ of segmentation-models-pytorch, from scratch",
    paper="Zhou et al. 2018; arXiv 2604.27206, table I",
    published={"LandCover.ai": "mIoU .6553, OA 70.89 %, by HQ-UNet's paper"},
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def unetplusplus(
    in_channels: int = 3,
    num_classes: int = 5,
    encoder: str = "resnet34",
    encoder_weights: str | None = None,
    inputs: Inputs | None = None,
) -> SmpModel:
    """Build U-Net++; HQ-UNet's paper does not say with which encoder: CHOICE ResNet-34, without deep supervision.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: See :class:`SmpModel`.
        encoder_weights: See :class:`SmpModel`. CHOICE None: from scratch, as all rows that it is compared with.
        inputs: Sensor and statistics of the images; only pretrained weights need them.
    """
    return SmpModel("UnetPlusPlus", in_channels, num_classes, encoder, encoder_weights, inputs)


@register_model(
    tags=NOT_AERIAL,
    parameters=22_438_485,
    summary="DeepLabV3+ of segmentation-models-pytorch, from scratch",
    paper="Chen et al. 2018",
    limits={
        "any_size": "five poolings need sides that 32 divides",
        "single_image": "batch normalisation behind global pooling needs two images to train on",
    },
)
def deeplabv3plus(
    in_channels: int = 3,
    num_classes: int = 5,
    encoder: str = "resnet34",
    encoder_weights: str | None = None,
    inputs: Inputs | None = None,
) -> SmpModel:
    """Build DeepLabV3+. CHOICE of the encoder as in :func:`unetplusplus`.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: See :class:`SmpModel`.
        encoder_weights: See :class:`SmpModel`. CHOICE None: from scratch, as all rows that it is compared with.
        inputs: Sensor and statistics of the images; only pretrained weights need them.
    """
    return SmpModel("DeepLabV3Plus", in_channels, num_classes, encoder, encoder_weights, inputs)


@register_model(
    tags=NOT_AERIAL,
    parameters=3_715_429,
    summary="SegFormer's decoder on a mix transformer, from scratch",
    paper="Xie et al. 2021",
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def segformer(
    in_channels: int = 3,
    num_classes: int = 5,
    encoder: str = "mit_b0",
    encoder_weights: str | None = None,
    inputs: Inputs | None = None,
) -> SmpModel:
    """Build SegFormer. CHOICE of the encoder: the smallest of its paper, MiT-B0.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: See :class:`SmpModel`.
        encoder_weights: See :class:`SmpModel`. CHOICE None: from scratch, as all rows that it is compared with.
        inputs: Sensor and statistics of the images; only pretrained weights need them.
    """
    return SmpModel("Segformer", in_channels, num_classes, encoder, encoder_weights, inputs)


@register_model(
    tags=NOT_AERIAL,
    parameters=23_155_909,
    summary="feature pyramid network of segmentation-models-pytorch, from scratch",
    paper="Lin et al. 2017",
    limits={"any_size": "five poolings need sides that 32 divides"},
)
def fpn(
    in_channels: int = 3,
    num_classes: int = 5,
    encoder: str = "resnet34",
    encoder_weights: str | None = None,
    inputs: Inputs | None = None,
) -> SmpModel:
    """Build a feature pyramid network. CHOICE of the encoder as in :func:`unetplusplus`.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes.
        encoder: See :class:`SmpModel`.
        encoder_weights: See :class:`SmpModel`. CHOICE None: from scratch, as all rows that it is compared with.
        inputs: Sensor and statistics of the images; only pretrained weights need them.
    """
    return SmpModel("FPN", in_channels, num_classes, encoder, encoder_weights, inputs)
