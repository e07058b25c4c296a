"""What stands on a map of vectors and gives logits per pixel: a layer per token, per cell of the map, or a circuit."""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.heads import CircuitHead
from hqzoo.quantum import Circuit

__all__ = ["ConvHead", "DenseHead", "DenseHybridHead", "TokenHead"]


class DenseHead(nn.Module):
    """Batch normalisation of a map's channels, logits of its cells, and bilinear interpolation to the image's size.

    Batch normalisation is what standardises features in the probes of Galileo and torchgeo-bench.

    Args:
        width: Channels D of the map.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)

    @abstractmethod
    def logits(self, maps: Tensor) -> Tensor:
        """Return logits ``(B, K, h', w')`` of normalised maps ``(B, D, h, w)``."""

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Return logits ``(B, K, H, W)``.

        Args:
            maps: Vectors ``(B, D, h, w)``.
            size: Height H and width W.
        """
        found = self.logits(self.norm(maps))
        return found if found.shape[-2:] == size else F.interpolate(found, size, mode="bilinear")


class ConvHead(DenseHead):
    """A 1x1 convolution, as torchgeo-bench has it.

    There it comes after the interpolation. What is linear in each place commutes with an interpolation whose weights
    add up to 1, so that this head is the same function at a fraction of the cost; only the batches' statistics in
    training are those of the map itself.

    Args:
        width: Channels D of the map.
        classes: Classes K.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__(width)
        self.conv = nn.Conv2d(width, classes, 1)

    def logits(self, maps: Tensor) -> Tensor:
        """Return logits ``(B, K, h, w)``."""
        out: Tensor = self.conv(maps)
        return out


class TokenHead(DenseHead):
    """A linear layer from each token to the logits of p x p pixels, folded to an image, as Galileo's probe has it.

    Args:
        width: Channels D of the map.
        classes: Classes K.
        patch: Side p: the pixels that a token stands for, where logits are to be those of single pixels.

    Raises:
        ConfigError: If the patch is empty.
    """

    def __init__(self, width: int, classes: int, patch: int) -> None:
        if patch < 1:
            raise ConfigError(f"patch={patch}: a token gives at least one pixel.")
        super().__init__(width)
        self.patch, self.linear = patch, nn.Conv2d(width, classes * patch**2, 1)

    def logits(self, maps: Tensor) -> Tensor:
        """Return logits ``(B, K, h p, w p)``."""
        return F.pixel_shuffle(self.linear(maps), self.patch)


class DenseHybridHead(DenseHead):
    """A circuit between two linear layers, see :class:`hqzoo.nn.heads.CircuitHead`, at each cell of a map.

    Args:
        width: Channels D of the map.
        classes: Classes K.
        circuit: The circuit, one for all cells; its data are the angles.
        scale: Largest angle, in radians.
        engine: Engine that runs it.
    """

    def __init__(self, width: int, classes: int, circuit: Circuit, scale: float = 1.0, engine: str = "auto") -> None:
        super().__init__(width)
        self.cells = CircuitHead(width, classes, circuit, scale, engine)

    def logits(self, maps: Tensor) -> Tensor:
        """Return logits ``(B, K, h, w)``."""
        out: Tensor = self.cells(maps.movedim(1, -1)).movedim(-1, 1)
        return out
