"""An encoder with a head: what models that label whole images and models that label every pixel have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError
from hqzoo.models.encoder import Encoder
from hqzoo.models.protocol import Model
from hqzoo.models.registry import check_arguments, create_model
from hqzoo.nn.heads import CircuitHead

__all__ = ["HeadedEncoder", "encoder_of"]


class HeadedEncoder(Model):
    """An encoder, frozen or trained on, and what stands on it.

    Args:
        encoder: From images to vectors, or to maps of them.
        head: From these to logits.
    """

    size_multiple = (1, 1)

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def quantum_parts(self) -> dict[str, nn.Module]:
        """Return the circuit of a hybrid head, or what stands in its place."""
        return {
            ".".join(filter(None, ("head", name, "core"))): part.core
            for name, part in self.head.named_modules()
            if isinstance(part, CircuitHead)
        }

    def starting_weights(self) -> dict[str, dict[str, str]]:
        """Return where an encoder that is trained on got its weights."""
        return self.encoder.starting_weights()


def encoder_of(inputs: Inputs, encoder: str, arguments: Mapping[str, Any] | None) -> Encoder:
    """Build an encoder by its name.

    Args:
        inputs: Sensors and statistics.
        encoder: A model of kind ``features``.
        arguments: Its arguments.

    Raises:
        ConfigError: If the name or an argument is unknown, or it is no encoder.
    """
    given = dict(arguments or {})
    check_arguments(encoder, given, ("features", "own"))
    built = create_model(encoder, inputs=inputs, **given)
    if not isinstance(built, Encoder):
        raise ConfigError(f"encoder='{encoder}' is no hqzoo.models.Encoder: it is a {type(built).__name__}.")
    return built
