"""Any encoder with a head: linear, nearest neighbours, or hybrid, with a circuit between two linear layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError
from hqzoo.models.headed import HeadedEncoder, encoder_of
from hqzoo.models.registry import register_model
from hqzoo.nn import Control, fill
from hqzoo.nn.heads import HybridHead, LinearHead, NeighbourHead
from hqzoo.quantum import circuits

__all__ = ["Classifier", "classifier"]


class Classifier(HeadedEncoder):
    """See :func:`classifier`."""

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return logits ``(B, K)``."""
        out: Tensor = self.head(self.encoder(images))
        return out


@register_model(
    summary="an encoder with a hybrid, linear or nearest-neighbour head, for probes and fine-tuning",
    kind="classification",
    parameters=16_709,  # a hybrid head on 256 random filters of 3 bands, which are 12,544 of them
    quantum_parameters=16,
    qubits=8,
    controls=("quantum", "zero", "constant", "linear", "mlp", "mlp_time", "frozen", "separable", "identity"),
)
def classifier(
    inputs: Inputs,
    num_classes: int = 5,
    encoder: str = "random_convolutions",
    encoder_args: Mapping[str, Any] | None = None,
    head: Literal["hybrid", "linear", "neighbours"] = "hybrid",
    layers: int = 2,
    scale: float = 1.0,
    neighbours: int = 20,
    temperature: float = 0.07,
    control: Control = "quantum",
    control_hidden: int | None = None,
    engine: str = "auto",
) -> Classifier:
    """Build an encoder with a head.

    A frozen encoder and ``ProbeTask`` are a probe; ``encoder_args={"frozen": False}`` and ``ClassificationTask`` are
    fine-tuning; ``encoder="image_statistics"`` and ``"random_convolutions"`` are floors that an encoder has to pass.

    Args:
        inputs: Sensors and statistics.
        num_classes: Classes K.
        encoder: A model of kind ``features``, see ``hqzoo.list_models("features")``.
        encoder_args: Its arguments, such as ``{"name": "resnet50", "weights": "random"}``.
        head: ``hybrid``, see :class:`hqzoo.nn.heads.HybridHead`; ``linear``; ``neighbours``, which is fitted, not
            trained.
        layers: Layers of the hybrid head's circuit, that of HQF-Net's skips on 8 qubits. CHOICE 2.
        scale: Its largest angle, in radians.
        neighbours: Neighbours that vote.
        temperature: How much nearer ones count.
        control: What stands in the circuit's place.
        control_hidden: Hidden width of ``mlp_time``.
        engine: Engine of the circuit.

    Raises:
        ConfigError: If an encoder, an argument or a head is unknown.
    """
    built = encoder_of(inputs, encoder, encoder_args)
    if head == "hybrid":
        top: nn.Module = HybridHead(built.width, num_classes, circuits.qskip(layers), scale, engine)
    elif head == "linear":
        top = LinearHead(built.width, num_classes)
    elif head == "neighbours":
        top = NeighbourHead(built.width, num_classes, neighbours, temperature)
    else:
        raise ConfigError(f"head='{head}' is none of hybrid, linear, neighbours.")
    model = Classifier(built, top)
    if head == "hybrid":
        fill(model, control, control_hidden)
    return model
