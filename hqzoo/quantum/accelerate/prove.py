"""Evidence that a replacement computes what the foreign layer computes, before it takes its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate.layer import RecoveredLayer
from hqzoo.quantum.importers.recover import Source

__all__ = ["Proof", "prove", "prove_delivered", "prove_in_training", "rows_at_once"]

MAX_SAMPLE_ROWS = 64
RANGES = ((-math.pi, math.pi), (-1.0, 1.0), None, (-10.0, 10.0), (-100.0, 100.0), (-1000.0, 1000.0))
"""Of random inputs, in turn: wide, narrow (roots and arcus functions need it), like the sample, and far away."""
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
        tolerance: What was allowed for inputs in [-π, π]; for larger ones in proportion, as their rounding grows.
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
        _refuse_different(case, differences, source.tolerance * max(1.0, inputs.abs().max().item() / math.pi))
        worst = (max(worst[0], differences[0]), max(worst[1], differences[1]), max(worst[2], differences[2]))
    return Proof(trials, *worst, source.tolerance)


def prove_in_training(source: Source, replacement: RecoveredLayer, sample: Tensor) -> None:
    """Compare on the sample, twice, while the model is in training mode; dropout and statistics have no replacement.

    Args:
        source: The foreign layer.
        replacement: What shall take its place, in the source's precision.
        sample: Inputs as the layer met them in its model, ``(..., *features)``.

    Raises:
        CircuitError: If the layer does not run in training mode, or anything differs.
    """
    generator = torch.Generator().manual_seed(0)
    inputs, weights = next(_of_the_sample(source, replacement, sample))
    for _ in range(2):
        try:
            differences = _compare(source, replacement, inputs, weights, generator)
        except (RuntimeError, ValueError) as error:
            raise CircuitError(f"It does not run in training mode on the sample: {error}") from error
        if differences is None:
            raise CircuitError("Its outputs are not finite on the sample in training mode.")
        scale = max(1.0, inputs.abs().max().item() / math.pi)
        _refuse_different("the sample in training mode", differences, source.tolerance * scale)


def prove_delivered(source: Source, layer: RecoveredLayer, sample: Tensor) -> None:
    """Compare on the sample in the precision in which a layer is handed over.

    Half of that precision's digits must agree, beside ten times what the foreign layer itself loses by rounding.

    Args:
        source: The foreign layer.
        layer: The layer that is handed over.
        sample: Inputs as the layer met them in its model, ``(..., *features)``.

    Raises:
        CircuitError: If anything differs.
    """
    dtype = layer.compiled.dtype
    inputs, weights = next(_of_the_sample(source, layer, sample))
    single, single_weights = inputs.to(dtype), {name: value.to(dtype) for name, value in weights.items()}
    exact = _evaluate(
        source.run, single.to(source.dtype), {k: v.to(source.dtype) for k, v in single_weights.items()}, 0
    )
    theirs = _evaluate(source.run, single, single_weights, 0)
    ours = _evaluate(_runner(layer), single, single_weights, 0)
    rounding = max(_differences(theirs, exact))
    tolerance = math.sqrt(torch.finfo(dtype).eps) + 10 * rounding
    where = f"the sample in {str(dtype).removeprefix('torch.')}"
    _refuse_different(where, _differences(ours, theirs), max(source.tolerance, tolerance))


def _refuse_different(case: str, differences: tuple[float, float, float], tolerance: float) -> None:
    for what, difference in zip(_WHAT, differences, strict=True):
        if not difference <= tolerance:
            raise CircuitError(
                f"The recovered circuit does not reproduce it: on {case} the {what} differ by {difference:.2g} "
                f"({tolerance:.0e} is allowed). It may depend on more than its inputs and weights (a global, a random "
                "choice, dropout, a gate that changes with a value). Nothing was replaced."
            )


def _cases(
    source: Source, replacement: RecoveredLayer, sample: Tensor, trials: int, generator: torch.Generator
) -> Iterator[tuple[str, Tensor, Weights]]:
    for inputs, own in _of_the_sample(source, replacement, sample):
        yield "the sample", inputs, own
    features = replacement.layout.features
    for trial in range(trials):
        low, high = RANGES[trial % len(RANGES)] or (sample.min().item(), sample.max().item())
        weights = {name: _uniform(value.shape, 0.0, 2 * math.pi, value, generator) for name, value in own.items()}
        # One sample keeps slow simulators quick; two now and then show samples that depend on each other.
        shape = (2 if trial % 8 == 0 else 1, *features) if sample.dim() > len(features) else features
        yield f"random case {trial}", _uniform(shape, low, high, inputs, generator), weights


def _of_the_sample(source: Source, replacement: RecoveredLayer, sample: Tensor) -> Iterator[tuple[Tensor, Weights]]:
    """Yield the sample with the layer's own weights, in parts that fit a simulator."""
    features = replacement.layout.features
    rows = sample.detach().to(source.dtype).reshape(-1, *features)
    own = {name: parameter.detach().to(source.dtype) for name, parameter in source.parameters().items()}
    for chunk in torch.split(rows[:MAX_SAMPLE_ROWS], rows_at_once(replacement.circuit.n_wires)):
        yield chunk if sample.dim() > len(features) else chunk[0], own


def _uniform(shape: tuple[int, ...], low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    values = torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low
    return values.to(like)


def _compare(
    source: Source, replacement: RecoveredLayer, inputs: Tensor, weights: Weights, generator: torch.Generator
) -> tuple[float, float, float] | None:
    """Return the differences of outputs, data gradient and weight gradient; None where the layer is undefined."""
    seed = int(torch.randint(2**31, (), generator=generator))
    try:
        theirs = _evaluate(source.run, inputs, weights, seed)
    except ArithmeticError:
        return None
    if not theirs.outputs.isfinite().all():
        return None
    return _differences(_evaluate(_runner(replacement), inputs, weights, seed), theirs)


@dataclass(frozen=True)
class _Values:
    """What a layer computes at one point."""

    outputs: Tensor
    data_gradient: Tensor
    weight_gradient: Tensor


def _runner(layer: RecoveredLayer) -> Callable[[Tensor, Weights], Tensor]:
    def run(inputs: Tensor, weights: Weights) -> Tensor:
        out: Tensor = functional_call(layer, weights, (inputs,))
        return out

    return run


def _evaluate(run: Callable[[Tensor, Weights], Tensor], inputs: Tensor, weights: Weights, seed: int) -> _Values:
    """Return outputs, and gradients of a random combination of them."""
    leaves = [inputs.clone().requires_grad_(), *(value.clone().requires_grad_() for value in weights.values())]
    out = run(leaves[0], dict(zip(weights, leaves[1:], strict=True)))
    cotangent = _uniform(out.shape, -1.0, 1.0, out, torch.Generator().manual_seed(seed))
    parts = [torch.zeros_like(leaf) for leaf in leaves]
    if out.requires_grad:
        parts = list(torch.autograd.grad(out, leaves, cotangent, allow_unused=True, materialize_grads=True))
    weight = torch.cat([leaves[0].new_zeros(1), *(part.flatten() for part in parts[1:])])
    return _Values(out.detach(), parts[0], weight)


def _differences(ours: _Values, theirs: _Values) -> tuple[float, float, float]:
    """Return the largest differences of outputs, and of gradients in units of the largest gradient or 1."""
    if ours.outputs.shape != theirs.outputs.shape:
        shapes = f"{tuple(theirs.outputs.shape)}, those of its circuit {tuple(ours.outputs.shape)}"
        raise CircuitError(f"Its outputs have shape {shapes}.")
    return (
        _largest(ours.outputs - theirs.outputs),
        _relative(ours.data_gradient, theirs.data_gradient),
        _relative(ours.weight_gradient, theirs.weight_gradient),
    )


def _largest(difference: Tensor) -> float:
    return difference.abs().max().item() if difference.numel() else 0.0


def _relative(ours: Tensor, theirs: Tensor) -> float:
    return _largest(ours - theirs) / max(1.0, _largest(theirs))
