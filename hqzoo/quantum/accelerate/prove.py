"""Evidence that a replacement computes what the foreign layer computes, before it takes its place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate.layer import RecoveredLayer
from hqzoo.quantum.accelerate.recover import Source

__all__ = ["Proof", "prove", "rows_at_once"]

MAX_SAMPLE_ROWS = 64
_WHAT = ("outputs", "gradient of the inputs", "gradient of the weights")
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Proof:
    """How closely two layers agree.

    Args:
        cases: Number of fresh random pairs of inputs and weights, beside the sample.
        outputs: Largest difference of an output.
        data_gradient: Largest difference of a gradient of the inputs, in units of the largest gradient or 1.
        weight_gradient: The same of the weights.
        tolerance: What was allowed.
    """

    cases: int
    outputs: float
    data_gradient: float
    weight_gradient: float
    tolerance: float


def rows_at_once(n_wires: int) -> int:
    """Return how many samples of a foreign simulator fit into memory comfortably, with its backward pass."""
    return max(2, min(MAX_SAMPLE_ROWS, 2**18 >> n_wires))


def prove(source: Source, replacement: RecoveredLayer, sample: Tensor, trials: int = 32, seed: int = 0) -> Proof:
    """Compare outputs and both gradients on the sample and on fresh random inputs and weights.

    Args:
        source: The foreign layer.
        replacement: What shall take its place, in the source's precision.
        sample: Inputs as the layer met them in its model, ``(..., *features)``; at most 64 samples are taken.
        trials: Number of fresh random inputs, each with fresh random weights.
        seed: Seed of the random numbers.

    Raises:
        CircuitError: If anything differs by more than the source's tolerance; the sentence says what, where and by
            how much.
    """
    generator = torch.Generator().manual_seed(seed)
    worst = (0.0, 0.0, 0.0)
    for case, inputs, weights in _cases(source, replacement, sample, trials, generator):
        differences = _compare(source, replacement, inputs, weights, generator)
        if differences is None:  # outside the layer's domain, which the sample shows
            inputs = _uniform(inputs.shape, sample.min().item(), sample.max().item(), inputs, generator)
            differences = _compare(source, replacement, inputs, weights, generator)
        if differences is None:
            raise CircuitError(f"Its outputs are not finite on {case}, though the inputs lie in the sample's range.")
        for what, difference in zip(_WHAT, differences, strict=True):
            if not difference <= source.tolerance:
                raise CircuitError(
                    f"The recovered circuit does not reproduce it: on {case} the {what} differ by {difference:.2g} "
                    f"({source.tolerance:.0e} is allowed). It may depend on more than its inputs and weights (a "
                    "global, a random choice, a gate that changes with a value). Nothing was replaced."
                )
        worst = (max(worst[0], differences[0]), max(worst[1], differences[1]), max(worst[2], differences[2]))
    return Proof(trials, *worst, source.tolerance)


def _cases(
    source: Source, replacement: RecoveredLayer, sample: Tensor, trials: int, generator: torch.Generator
) -> Iterator[tuple[str, Tensor, Weights]]:
    features = replacement.layout.features
    batched = sample.dim() > len(features)
    rows = sample.detach().to(source.dtype).reshape(-1, *features)
    own = {name: parameter.detach().to(source.dtype) for name, parameter in source.parameters().items()}
    for chunk in torch.split(rows[:MAX_SAMPLE_ROWS], rows_at_once(replacement.circuit.n_wires)):
        yield "the sample", chunk if batched else chunk[0], own
    low, high = rows.min().item(), rows.max().item()
    for trial in range(trials):
        # Wide, narrow (roots and arcus functions need it) and like the sample, in turn.
        start, end = ((-math.pi, math.pi), (-1.0, 1.0), (low, high))[trial % 3]
        weights = {name: _uniform(value.shape, 0.0, 2 * math.pi, value, generator) for name, value in own.items()}
        # One sample keeps slow simulators quick; two now and then show samples that depend on each other.
        shape = (2 if trial % 8 == 0 else 1, *features) if batched else features
        yield f"random case {trial}", _uniform(shape, start, end, rows, generator), weights


def _uniform(shape: tuple[int, ...], low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    values = torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low
    return values.to(like)


def _compare(
    source: Source, replacement: RecoveredLayer, inputs: Tensor, weights: Weights, generator: torch.Generator
) -> tuple[float, float, float] | None:
    """Return the differences of outputs, data gradient and weight gradient; None where the layer is undefined."""
    leaves = [inputs.clone().requires_grad_(), *(value.clone().requires_grad_() for value in weights.values())]
    named = dict(zip(weights, leaves[1:], strict=True))
    theirs = source.run(leaves[0], named)
    if not theirs.isfinite().all():
        return None
    ours: Tensor = functional_call(replacement, named, (leaves[0],))
    if ours.shape != theirs.shape:
        raise CircuitError(f"Its outputs have shape {tuple(theirs.shape)}, those of its circuit {tuple(ours.shape)}.")
    cotangent = _uniform(theirs.shape, -1.0, 1.0, theirs, generator)
    gradients = []
    for out in (ours, theirs):
        parts = [torch.zeros_like(leaf) for leaf in leaves]
        if out.requires_grad:
            parts = list(torch.autograd.grad(out, leaves, cotangent.to(out), allow_unused=True, materialize_grads=True))
        gradients.append((parts[0].flatten(), torch.cat([leaves[0].new_zeros(1), *(p.flatten() for p in parts[1:])])))
    (our_data, our_weights), (data, weight) = gradients
    return _largest(ours - theirs), _relative(our_data, data), _relative(our_weights, weight)


def _largest(difference: Tensor) -> float:
    return difference.detach().abs().max().item() if difference.numel() else 0.0


def _relative(ours: Tensor, theirs: Tensor) -> float:
    return _largest(ours - theirs) / max(1.0, _largest(theirs))
