"""Linear CKA: how alike two representations of the same samples are (Kornblith et al., arXiv 1905.00414, eq. 4)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["linear_cka", "linear_cka_of_covariance"]

NOTHING = 1e-12  # a covariance of this norm is rounding


def linear_cka(first: Tensor, second: Tensor) -> float | None:
    """Return the linear centred kernel alignment of two representations, 0 to 1; None where one does not vary.

    It is 1 for representations that differ by a rotation, a shift and a factor. Few samples flatter it: with no more
    than there are dimensions it is near 1 whatever the representations, with two it is 1.

    Args:
        first: ``(samples, D1)``.
        second: ``(samples, D2)``, of the same samples.
    """
    both = torch.cat([first, second], 1).double()
    centred = both - both.mean(0)
    return linear_cka_of_covariance(centred.mT @ centred / len(both), first.shape[1])


def linear_cka_of_covariance(covariance: Tensor, split: int) -> float | None:
    """Return linear CKA from the covariance of two representations side by side.

    Args:
        covariance: ``(D1 + D2, D1 + D2)``, float64.
        split: D1.
    """
    norms = [float(block.norm()) for block in (covariance[:split, :split], covariance[split:, split:])]
    if min(norms) <= NOTHING:
        return None
    return float(covariance[:split, split:].norm() ** 2) / (norms[0] * norms[1])
