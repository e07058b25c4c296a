"""The second floor of comparisons: random convolutions (Rolf et al. 2021, MOSAIKS), which nobody trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError
from hqzoo.models.encoder import Encoder
from hqzoo.models.registry import register_model
from hqzoo.nn.frozen import Frozen

__all__ = ["RandomConvolutions", "random_convolutions"]


class _Filters(nn.Module):
    """What random filters find: mean of the positive part of each response, and of its negative.

    Args:
        bands: Bands C.
        number: Filters.
        kernel: Their side, in pixels.
        bias: Added to every response.
        seed: Seed of the filters.
    """

    def __init__(self, bands: int, number: int, kernel: int, bias: float, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.filters = nn.Parameter(torch.randn(number, bands, kernel, kernel, generator=generator))
        self.bias = nn.Parameter(torch.full((number,), bias))

    def forward(self, image: Tensor, cell: int | None = None) -> Tensor:
        """Return the means of an image ``(B, D)``; with a side of cells, those of each cell ``(B, D, h, w)``."""
        if cell is None:
            found = F.conv2d(image, self.filters, self.bias)
            return torch.cat([found.relu().mean((2, 3)), (-found).relu().mean((2, 3))], 1)
        around = self.filters.shape[-1] - 1  # a response for every pixel, so that cells are whole pixels of the image
        border = (around // 2, around - around // 2) * 2
        found = F.conv2d(F.pad(image, border, mode="replicate"), self.filters, self.bias)
        return torch.cat([F.avg_pool2d(each.relu(), cell, ceil_mode=True) for each in (found, -found)], 1)


class RandomConvolutions(Encoder):
    """See :func:`random_convolutions`.

    Args:
        filters: What is run.
        width: Vectors' length.
        cell: Side of a map's cells, in pixels.
    """

    def __init__(self, filters: nn.Module, width: int, cell: int) -> None:
        super().__init__()
        self.filters, self.width, self.cell = filters, width, cell
        self.size_multiple = (cell, cell)

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return what the filters found, ``(B, D)``; the bands of several sensors are one image."""
        out: Tensor = self.filters(_one(images))
        return out

    def maps(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return what they found in each cell, ``(B, D, h, w)``."""
        out: Tensor = self.filters(_one(images), cell=self.cell)
        return out


def _one(images: Tensor | Mapping[str, Tensor]) -> Tensor:
    return images if isinstance(images, Tensor) else torch.cat(list(images.values()), 1)


@register_model(
    summary="floor of comparisons: random convolution filters, never trained",
    kind="features",
    parameters=12_544,
    limits={"any_size": "images are at least as large as a filter"},
)
def random_convolutions(
    inputs: Inputs,
    width: int = 512,
    kernel: int = 4,
    bias: float = -1.0,
    seed: int = 0,
    frozen: bool = True,
    cell: int = 8,
) -> RandomConvolutions:
    """Return random convolution features, as torchgeo-bench's floor has them: Gaussian filters with a bias of -1.

    Args:
        inputs: Sensors and statistics.
        width: Length D of the vector, twice the number of filters.
        kernel: Side of a filter, in pixels.
        bias: Added to every response.
        seed: Seed of the filters.
        frozen: They are never trained: False is refused.
        cell: Side of the cells of a map, in pixels; what a filter found is averaged over each. CHOICE 8.

    Raises:
        ConfigError: If the width is odd, a cell is empty, or they are to be trained.
    """
    if width < 2 or width % 2:
        raise ConfigError(f"width={width}: each filter gives two numbers, so that the width is even.")
    if cell < 1:
        raise ConfigError(f"cell={cell}: a cell of a map has at least one pixel.")
    if not frozen:
        raise ConfigError("random_convolutions is a floor: its filters are not trained. Leave out frozen=false.")
    bands = sum(map(len, inputs.sensors.values()))
    filters = Frozen(_Filters(bands, width // 2, kernel, bias, seed), "random", seed=seed)
    return RandomConvolutions(filters, width, cell)
