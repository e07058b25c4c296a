"""Any encoder that gives maps with a head for every pixel: probes of segmentation, and fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError
from hqzoo.models.encoder import Encoder
from hqzoo.models.headed import HeadedEncoder, encoder_of
from hqzoo.models.registry import register_model
from hqzoo.nn import Control, fill
from hqzoo.nn.dense_heads import ConvHead, DenseHead, DenseHybridHead, TokenHead
from hqzoo.quantum import circuits

__all__ = ["DenseClassifier", "dense_classifier"]


class DenseClassifier(HeadedEncoder):
    """See :func:`dense_classifier`."""

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the encoder's maps ``(B, D, h, w)``, of images whose last rows and columns are repeated to a multiple
        that it takes.
        """  # noqa: D205 - one sentence that needs two lines
        if isinstance(images, Tensor):
            return self.encoder.maps(self._padded(images))
        return self.encoder.maps({name: self._padded(image) for name, image in images.items()})

    def of_maps(self, head: nn.Module, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Return logits ``(B, K, H, W)`` of maps of images of a size.

        Args:
            head: The model's head, or one like it.
            maps: What :meth:`maps` returned.
            size: Height H and width W of the images.
        """
        height, width = size
        rows, columns = self.encoder.size_multiple
        out: Tensor = head(maps, (height + -height % rows, width + -width % columns))
        return out[..., :height, :width]

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return logits ``(B, K, H, W)``."""
        first = images if isinstance(images, Tensor) else next(iter(images.values()))
        return self.of_maps(self.head, self.maps(images), (first.shape[-2], first.shape[-1]))

    def _padded(self, image: Tensor) -> Tensor:
        (rows, columns), (height, width) = self.encoder.size_multiple, image.shape[-2:]
        down, right = -height % rows, -width % columns
        return F.pad(image, (0, right, 0, down), mode="replicate") if down or right else image


@register_model(
    summary="an encoder's maps with a hybrid head, one per token or a 1x1 convolution, for probes and fine-tuning",
    kind="segmentation",
    parameters=17_733,  # a hybrid head on 256 random filters of 3 bands, which are 12,544 of them
    quantum_parameters=16,
    qubits=8,
    controls=("quantum", "zero", "constant", "linear", "mlp", "mlp_time", "frozen", "separable", "identity"),
)
def dense_classifier(
    inputs: Inputs,
    num_classes: int = 5,
    encoder: str = "random_convolutions",
    encoder_args: Mapping[str, Any] | None = None,
    head: Literal["hybrid", "token", "conv"] = "hybrid",
    patch: int = 8,
    layers: int = 2,
    scale: float = 1.0,
    control: Control = "quantum",
    control_hidden: int | None = None,
    engine: str = "auto",
) -> DenseClassifier:
    """Build an encoder with a head that gives logits per pixel.

    A frozen encoder and ``DenseProbeTask`` are a probe whose learning rate is chosen on validation images; with
    ``SegmentationTask`` it is one at a rate, and with augmentation; ``encoder_args={"frozen": False}`` and
    ``SegmentationTask`` are fine-tuning. ``encoder="random_convolutions"`` is the floor that an encoder has to pass.

    Args:
        inputs: Sensors and statistics.
        num_classes: Classes K.
        encoder: A model of kind ``features`` that gives maps, see ``hqzoo.list_models("features")``.
        encoder_args: Its arguments, such as ``{"name": "resnet50", "weights": "random"}``.
        head: ``hybrid``, see :class:`hqzoo.nn.dense_heads.DenseHybridHead`; ``token``: a linear layer from each token
            to ``patch`` x ``patch`` pixels; ``conv``: a 1x1 convolution and bilinear interpolation.
        patch: Side of the pixels that the layer of ``token`` gives, that of the encoder's patches where images are not
            resized; other sizes are interpolated. CHOICE 8.
        layers: Layers of the hybrid head's circuit, that of HQF-Net's skips on 8 qubits. CHOICE 2.
        scale: Its largest angle, in radians.
        control: What stands in the circuit's place.
        control_hidden: Hidden width of ``mlp_time``.
        engine: Engine of the circuit.

    Raises:
        ConfigError: If an encoder, an argument or a head is unknown, or the encoder gives no maps.
    """
    built = encoder_of(inputs, encoder, encoder_args)
    if type(built).maps is Encoder.maps:
        raise ConfigError(
            f"encoder='{encoder}' gives a vector for each image and no map, so that nothing is known of single pixels. "
            "Choose another one, such as random_convolutions or timm_encoder, or label whole images with classifier."
        )
    width = built.map_width or built.width
    top: DenseHead
    if head == "hybrid":
        top = DenseHybridHead(width, num_classes, circuits.qskip(layers), scale, engine)
    elif head == "token":
        top = TokenHead(width, num_classes, patch)
    elif head == "conv":
        top = ConvHead(width, num_classes)
    else:
        raise ConfigError(f"head='{head}' is none of hybrid, token, conv.")
    model = DenseClassifier(built, top)
    if head == "hybrid":
        fill(model, control, control_hidden)
    return model
