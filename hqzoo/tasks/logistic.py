"""Logistic regression of all classes at once by L-BFGS, for probes: many penalties, each from the last solution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Solution", "logistic_path"]

Solution = tuple[Tensor, Tensor]
"""Weights ``(K, D)`` and biases ``(K,)``."""


def logistic_path(
    vectors: Tensor, labels: Tensor, classes: int, strengths: Sequence[float], steps: int = 200
) -> list[Solution]:
    r"""Return the minimum of :math:`\frac 1 2 \lVert W \rVert^2 + C \sum_n \ell(W x_n + b, y_n)` for every C.

    :math:`\ell` is the cross-entropy of a softmax for single labels, the sum of those of sigmoids for several: what
    scikit-learn's ``LogisticRegression`` minimises, for all classes at once and on any device.

    Args:
        vectors: ``(N, D)``, standardised.
        labels: ``(N,)`` class indices, or ``(N, K)`` 0 or 1.
        classes: Classes K.
        strengths: Values of C; solved from the smallest to the largest, returned in their order.
        steps: Most iterations for each.
    """
    weights = vectors.new_zeros(classes, vectors.shape[1] + 1).requires_grad_()
    bordered = torch.cat([vectors, vectors.new_ones(len(vectors), 1)], 1)
    found: dict[float, Solution] = {}
    for strength in sorted(set(strengths)):
        _minimise(weights, bordered, labels, strength, steps)
        found[strength] = weights[:, :-1].detach().clone(), weights[:, -1].detach().clone()
    return [found[strength] for strength in strengths]


@torch.enable_grad()
def _minimise(weights: Tensor, vectors: Tensor, labels: Tensor, strength: float, steps: int) -> None:
    # Divided by C N, so that tolerances mean the same for every C and every number of images.
    penalty = 0.5 / (strength * len(vectors))
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=steps,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = vectors @ weights.T
        if labels.ndim == 2:
            data = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="sum") / len(vectors)
        else:
            data = F.cross_entropy(logits, labels)
        loss = data + penalty * weights[:, :-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
