"""The lowest floor of any comparison of encoders: it sees nothing, so that a head knows how frequent labels are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hqzoo.data.sensor import Inputs
from hqzoo.models.encoder import Encoder
from hqzoo.models.registry import register_model

__all__ = ["Blank", "blank"]


class Blank(Encoder):
    """See :func:`blank`."""

    width = 1

    def forward(self, images: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Return zeros ``(B, 1)``."""
        first = images if isinstance(images, Tensor) else next(iter(images.values()))
        return torch.zeros(len(first), 1, device=first.device)


@register_model(
    summary="floor of comparisons: nothing; a probe by lbfgs predicts how frequent labels are",
    kind="features",
    parameters=0,
)
def blank(inputs: Inputs, frozen: bool = True) -> Blank:
    """Return an encoder that gives the same vector for every image.

    The biases of a linear head that ``ProbeTask`` fits to it by ``lbfgs`` are the logarithms of frequencies of single
    labels in training, and the log-odds of several: the majority class, whatever the penalty.

    Args:
        inputs: Not used.
        frozen: Not used: there is nothing to train.
    """
    return Blank()
