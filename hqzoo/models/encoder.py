"""What encoders have in common: a vector for each image, and where there is one, a map of such vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.models.protocol import Model

__all__ = ["Encoder", "ScaledEncoder"]


class Encoder(Model):
    """A network whose output is a vector per image; see :func:`hqzoo.models.classifier.classifier` for its use.

    Attributes:
        width: Channels D of the vector.
        map_width: Channels of a map; None: as many.
        size_multiple: Height and width of images whose map is to cover them, and nothing else, are multiples of these.
    """

    width: int
    map_width: int | None = None
    size_multiple = (1, 1)

    @abstractmethod
    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return vectors ``(B, D)``.

        Args:
            images: Normalised images ``(B, C, H, W)``, or a dictionary of them by name where there are several sensors.
        """

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return a map of vectors ``(B, map_width, h, w)``, of patches or of the last layer.

        Raises:
            ConfigError: If the encoder has none.
        """
        raise ConfigError(f"{type(self).__name__} gives a vector for each image, and no map.")


class ScaledEncoder(Encoder):
    """A network that was trained on images in a scaling, and mostly of a size, of its own.

    Args:
        net: From such images to vectors ``(B, D)``.
        rescale: From the data's normalisation to its own.
        size: Side that images are resized to; None: they stay as they are.
        width: Channels D.
        started: Where its weights come from, where they are trained on.
    """

    def __init__(
        self, net: nn.Module, rescale: nn.Module, size: int | None, width: int, started: dict[str, dict[str, str]]
    ) -> None:
        super().__init__()
        self.net, self.rescale, self.size, self.width, self.started = net, rescale, size, width, started

    def starting_weights(self) -> dict[str, dict[str, str]]:
        """Return where the weights come from, unless they are frozen or random."""
        return self.started

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the network's pooled features ``(B, D)``."""
        out: Tensor = self.net(self.prepared(images)).float()
        return out

    def prepared(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return images of one sensor as the network takes them."""
        image: Tensor = self.rescale(images if isinstance(images, Tensor) else next(iter(images.values())))
        if self.size is None or image.shape[-2:] == (self.size, self.size):
            return image
        return F.interpolate(image, (self.size, self.size), mode="bilinear", antialias=True)
