"""The skeleton of Kumar et al.'s quantum convolutions: windows of 2x2 pixels, one number each, and a small decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["CosineWindows", "WindowDecoder", "windows"]


class WindowDecoder(nn.Sequential):
    """From a map of windows ``(B, C, H / 2, W / 2)`` to logits ``(B, K, H, W)``.

    A transposed 3x3 convolution of stride 1, ReLU, and a transposed 2x2 one of stride 2.
    """

    def __init__(self, channels: int, hidden: int, num_classes: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(channels, hidden, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(hidden, num_classes, 2, 2)
        )


class CosineWindows(nn.Module):
    r"""The mean of cosines of sums of a window's pixels: what FQCNN's and MQCNN's circuits compute, in closed form.

    .. math:: \frac 1 {16} \sum_{q \in \{0,1\}^4} \cos \Big( \sum_j p_j \prod_{i \in I_j} q_i \Big)

    where :math:`I_j` are the position qubits that control the rotation by pixel j, none for the first of a band.

    Args:
        controls: :math:`I_j` for every pixel.
    """

    patterns: Tensor
    shares: Tensor

    def __init__(self, controls: Sequence[Sequence[int]]) -> None:
        super().__init__()
        states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
        acts = torch.stack([states[:, list(each)].prod(1) for each in controls], 1)
        patterns, counts = torch.unique(acts, dim=0, return_counts=True)
        self.register_buffer("patterns", patterns, persistent=False)
        self.register_buffer("shares", counts / len(states), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return ``(...)`` of pixels ``(..., P)`` in radians."""
        return torch.cos(pixels @ self.patterns.mT) @ self.shares


def windows(image: Tensor) -> Tensor:
    """Return the pixels of 2x2 windows ``(B, C, H / 2, W / 2, 4)`` of an image ``(B, C, H, W)``, row by row."""
    batch, channels, height, width = image.shape
    cut = image.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return cut.permute(0, 1, 2, 4, 3, 5).flatten(-2)
