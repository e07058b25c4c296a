"""Normalisation as a part of the model, so that a checkpoint carries its own statistics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError

__all__ = ["Normalizer", "Rescale"]


class Normalizer(nn.Module):
    """``(image - mean) / std`` per band.

    Args:
        mean: Mean of each band, in the sensor's unit.
        std: Standard deviation of each band, positive, in the sensor's unit.

    Raises:
        ConfigError: If the two differ in length or a standard deviation is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise ConfigError(
                "Normalisation needs one mean and one positive standard deviation per band; "
                f"got {tuple(mean)} and {tuple(std)}."
            )
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """Return the normalised image; both are ``(B, C, H, W)``."""
        return (image - self.mean[:, None, None]) / self.std[:, None, None]


class Rescale(nn.Module):
    r"""From normalised images to the bands and the scaling that a pretrained backbone was trained on.

    One affine map per band: :math:`x = (z \sigma + \mu - o) / s` is the value as a share of full scale, where
    :math:`\mu, \sigma` normalised it, :math:`s` is full scale and :math:`o` the offset of its storage; the backbone
    sees :math:`(x - m) / d` with its own mean and deviation.

    Args:
        bands: Names of the bands of the image, in order.
        mean: What normalised them: means, in the sensor's unit.
        std: Standard deviations, likewise.
        wanted: Names of the bands that the backbone takes, in its order.
        wanted_mean: Its means, as shares of full scale.
        wanted_std: Its deviations, likewise.
        scale: Full scale of the sensor, in its unit.
        offset: Offset of the sensor, in its unit.

    Raises:
        ConfigError: If a wanted band is not there, or numbers do not agree.
    """

    factor: Tensor
    shift: Tensor
    index: Tensor

    def __init__(
        self,
        bands: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        wanted: Sequence[str],
        wanted_mean: Sequence[float],
        wanted_std: Sequence[float],
        scale: float,
        offset: float = 0.0,
    ) -> None:
        super().__init__()
        missing = [band for band in wanted if band not in bands]
        if missing:
            raise ConfigError(
                f"The backbone needs the bands {', '.join(wanted)}; the images have {', '.join(bands)}. Name the bands "
                "of the data as the backbone does, or choose a backbone for these bands."
            )
        if not len(wanted) == len(wanted_mean) == len(wanted_std) or not all(value > 0 for value in wanted_std):
            raise ConfigError(
                f"The backbone needs one mean and one positive deviation for each of {len(wanted)} bands; got "
                f"{tuple(wanted_mean)} and {tuple(wanted_std)}."
            )
        place = [list(bands).index(band) for band in wanted]
        pick = torch.tensor(place)
        mu, sigma = (torch.tensor(list(values), dtype=torch.float64)[pick] for values in (mean, std))
        m, d = (torch.tensor(list(values), dtype=torch.float64) for values in (wanted_mean, wanted_std))
        self.register_buffer("factor", (sigma / (scale * d)).float())
        self.register_buffer("shift", (((mu - offset) / scale - m) / d).float())
        self.register_buffer("index", pick)

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised ``(B, C, H, W)`` to ``(B, len(wanted), H, W)``."""
        return image[:, self.index] * self.factor[:, None, None] + self.shift[:, None, None]
