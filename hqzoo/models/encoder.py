"""What encoders have in common: a vector for each image, and where there is one, a map of such vectors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from hqzoo.errors import ConfigError
from hqzoo.models.protocol import Model

__all__ = ["Encoder"]


class Encoder(Model):
    """A network whose output is a vector per image; see :func:`hqzoo.models.classifier.classifier` for its use.

    Attributes:
        width: Channels D of the vector.
    """

    width: int
    size_multiple = (1, 1)

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return vectors ``(B, D)``.

        Args:
            images: Normalised images ``(B, C, H, W)``, or a dictionary of them by name where there are several sensors.
        """
        raise NotImplementedError

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return a map of vectors ``(B, D, h, w)``, of patches or of the last layer.

        Raises:
            ConfigError: If the encoder has none.
        """
        raise ConfigError(f"{type(self).__name__} gives a vector for each image, and no map.")
