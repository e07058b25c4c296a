"""The floor of any comparison of encoders: what means and deviations of the bands tell, without a network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hqzoo.data.sensor import Inputs
from hqzoo.models.encoder import Encoder
from hqzoo.models.registry import register_model

__all__ = ["ImageStatistics", "image_statistics"]


class ImageStatistics(Encoder):
    """See :func:`image_statistics`.

    Args:
        bands: Bands of all sensors together.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.width = 2 * bands

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return the means of all bands, then their deviations, ``(B, 2 C)``."""
        each = [images] if isinstance(images, Tensor) else list(images.values())
        means, deviations = ([getattr(image.flatten(2), name)(2) for image in each] for name in ("mean", "std"))
        return torch.cat([*means, *deviations], 1)


@register_model(
    summary="floor of comparisons: mean and deviation of each band",
    kind="features",
    parameters=0,
)
def image_statistics(inputs: Inputs, frozen: bool = True) -> ImageStatistics:
    """Return means and deviations of normalised bands as an encoder.

    Args:
        inputs: Sensors and statistics.
        frozen: Not used: there is nothing to train.
    """
    return ImageStatistics(sum(map(len, inputs.sensors.values())))
