"""Logistic regression of all classes at once by L-BFGS, for probes: many penalties, each from the last solution."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Solution", "logistic_path"]

Solution = tuple[Tensor, Tensor]
"""Weights ``(K, D)`` and biases ``(K,)``."""

CURVATURE = 0.1  # assumed of the loss along a feature of deviation 1: p (1 - p) of a class is .25 at most. CHOICE
REACHED = 1e-6  # slope at which a minimum is one, of the mean loss along directions of about that curvature. CHOICE
NO_MORE = 1e-12  # variance of a direction against that of the first, below which it is rounding


def logistic_path(
    vectors: Tensor, labels: Tensor, classes: int, strengths: Sequence[float], steps: int = 1000
) -> list[Solution]:
    r"""Return the minimum of :math:`\frac 1 2 \lVert W \rVert^2 + C \sum_n \ell(W x_n + b, y_n)` for every C.

    :math:`\ell` is the cross-entropy of a softmax for single labels, the sum of those of sigmoids for several: what
    scikit-learn's ``LogisticRegression`` minimises, for all classes at once and on any device. Features of networks
    correlate, and a weak penalty then leaves valleys that L-BFGS creeps along: it works on principal components, each
    scaled by the curvature that the loss and the penalty have along it, in float64, until the slope is gone.

    Args:
        vectors: ``(N, D)``, standardised.
        labels: ``(N,)`` class indices, or ``(N, K)`` 0 or 1.
        classes: Classes K.
        strengths: Values of C; solved from the smallest to the largest, returned in their order.
        steps: Most iterations for each; a warning names the values of C that are not solved by then.
    """
    images = len(vectors)
    wide = vectors.double()
    variances, axes = torch.linalg.eigh(wide.T @ wide / images)
    kept = variances > NO_MORE * variances[-1].clamp(min=torch.finfo(wide.dtype).tiny)
    variances, axes = variances[kept], axes[:, kept]
    turned = torch.cat([wide @ axes, wide.new_ones(images, 1)], 1)
    weights, found, unsolved = turned.new_zeros(classes, turned.shape[1]), {}, []
    for strength in sorted(set(strengths)):
        penalty = 1 / (strength * images)
        units = torch.cat([CURVATURE * variances + penalty, variances.new_full((1,), CURVATURE)]).rsqrt()
        weights, slope = _minimum(weights, units, turned, labels, penalty, steps)
        if slope > REACHED:
            unsolved.append(f"{strength:g}")
        found[strength] = (weights[:, :-1] @ axes.T).to(vectors.dtype), weights[:, -1].to(vectors.dtype)
    if unsolved:
        warnings.warn(
            f"Logistic regression has not reached its minimum in {steps} iterations for C = {', '.join(unsolved)}.",
            stacklevel=2,
        )
    return [found[strength] for strength in strengths]


@torch.enable_grad()
def _minimum(
    weights: Tensor, units: Tensor, vectors: Tensor, labels: Tensor, penalty: float, steps: int
) -> tuple[Tensor, float]:
    """Return weights ``(K, D + 1)`` at the minimum, from others, and the largest slope that is left."""
    scaled = (weights / units).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [scaled],
        max_iter=steps,
        tolerance_grad=REACHED,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        now = scaled * units
        logits = vectors @ now.T
        if labels.ndim == 2:
            data = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="sum") / len(vectors)
        else:
            data = F.cross_entropy(logits, labels)
        loss = data + 0.5 * penalty * now[:, :-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    closure()
    slope = torch.zeros(()) if scaled.grad is None else scaled.grad.abs().max()
    return (scaled * units).detach(), float(slope)
