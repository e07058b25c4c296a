"""From recordings to a circuit: how every angle depends on data and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.importers.affinity import affine_results
from hqzoo.quantum.importers.failures import failures
from hqzoo.quantum.importers.recording import Readout, Recording, as_gate

__all__ = ["Recovered", "Source", "recover"]

POINTS = 4
Weights = Mapping[str, Tensor]


class Source(Protocol):
    """A foreign quantum layer: what it holds, how it runs, and a recording of it.

    ``dtype`` and ``tolerance`` say in which precision it is compared with its replacement, and how closely.
    """

    kind: str
    dtype: torch.dtype
    tolerance: float

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the layer's parameters by name."""

    def run(self, inputs: Tensor, weights: Weights) -> Tensor:
        """Run the layer itself with other weights; ArithmeticError means that it has no value for these inputs."""

    def record(self, features: Tensor, weights: Weights) -> Recording:
        """Record one sample ``(n_features,)``."""


@dataclass(frozen=True)
class Recovered:
    """A foreign layer as a circuit.

    Args:
        circuit: The circuit.
        readout: How the outputs follow from what the circuit reads.
        data_index: Features that the circuit takes as ``data[0], data[1], ...``.
        weight_index: Entries of the flattened parameters that it takes as ``weight[0], weight[1], ...``.
        curved: Gates whose angles are not affine; each is a further datum of the circuit, computed by the front.
        front: Builds the torch function ``(features (n,), weights) -> n_front numbers`` of angles that are not
            affine, for a precision.
    """

    circuit: Circuit
    readout: Readout
    data_index: tuple[int, ...]
    weight_index: tuple[int, ...]
    curved: tuple[str, ...]
    front: Callable[[torch.dtype], fx.GraphModule]

    @property
    def n_front(self) -> int:
        """Number of angles that the front computes."""
        return len(self.curved)


def recover(source: Source, n_features: int, seed: int = 0) -> Recovered:
    """Recover the circuit of a layer from its recordings at several random points.

    Args:
        source: The layer.
        n_features: Size of one flattened sample.
        seed: Seed of the points.

    An angle counts as affine if its slopes are the same at all points and nothing but linear torch operations make it,
    so that it bends nowhere else either.

    Raises:
        CircuitError: If the gates change from point to point, or an angle does not follow from data and weights by
            torch operations.
    """
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: parameter.shape for name, parameter in source.parameters().items()}
    points = [_point(n_features, shapes, generator) for _ in range(POINTS)]
    try:
        recordings = [source.record(*point) for point in points]
    except failures() as error:
        raise CircuitError(f"It does not run on a single sample in double precision: {error}") from error
    first = recordings[0]
    if any(recording.structure != first.structure for recording in recordings[1:]):
        raise CircuitError(
            "Its gates or readings change from one input or weight to another; no one circuit equals it."
        )
    samples = [_linearise(recording, *point) for recording, point in zip(recordings, points, strict=True)]
    affine = [_affine(k, samples) for k in range(len(samples[0].angles))]
    names = [f"{gate.name} on {gate.wires}" for gate in first.gates for _ in gate.values]
    forms = _follow(source, points, samples, affine, names)
    curved = [k for k, form in enumerate(forms) if form is None]
    used_data = sorted({i for form in forms if form for i, _ in form.data})
    used_weights = sorted({j for form in forms if form for j, _ in form.weight})
    angles = _number(forms, used_data, used_weights)
    gates, start = [], 0
    for gate in first.gates:
        gates.append(as_gate(gate, tuple(angles[start : start + len(gate.values)])))
        start += len(gate.values)
    circuit = Circuit(first.n_wires, gates, first.readout.observables)

    def front(dtype: torch.dtype) -> fx.GraphModule:
        return _trace(source, curved, points[0], dtype)

    where = tuple(names[k] for k in curved)
    return Recovered(circuit, first.readout, tuple(used_data), tuple(used_weights), where, front)


@dataclass(frozen=True)
class _Linear:
    """Angles ``(A,)`` at one point with their slopes ``(A, n_features)`` and ``(A, n_weights)``."""

    angles: Tensor
    data_slopes: Tensor
    weight_slopes: Tensor
    constants: Tensor


def _point(n: int, shapes: Mapping[str, torch.Size], generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """Draw features and weights from (0.1, 0.9), where roots, logarithms and arcus functions are defined, too."""

    def draw(shape: torch.Size | tuple[int]) -> Tensor:
        return (0.1 + 0.8 * torch.rand(shape, generator=generator, dtype=torch.float64)).requires_grad_()

    return draw((n,)), {name: draw(shape) for name, shape in shapes.items()}


def _linearise(recording: Recording, features: Tensor, weights: dict[str, Tensor]) -> _Linear:
    numbers = recording.numbers(features)
    leaves = [features, *weights.values()]
    flat = torch.cat([leaf.detach().flatten() for leaf in leaves])
    slopes = torch.zeros(len(numbers), len(flat), dtype=flat.dtype)
    for k, angle in enumerate(numbers):
        if angle.requires_grad:
            rows = torch.autograd.grad(angle, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
            slopes[k] = torch.cat([row.flatten() for row in rows])
    angles = _stacked(numbers)
    n = features.numel()
    return _Linear(angles, slopes[:, :n], slopes[:, n:], angles - slopes @ flat)


def _affine(k: int, samples: list[_Linear]) -> Angle | None:
    """Return the affine form of an angle in original numbering, or None where slopes or constants change."""
    first = samples[0]
    scale = max(1.0, first.data_slopes[k].abs().sum().item(), first.weight_slopes[k].abs().sum().item())
    for other in samples[1:]:
        for ours, theirs in (
            (first.data_slopes[k], other.data_slopes[k]),
            (first.weight_slopes[k], other.weight_slopes[k]),
            (first.constants[k], other.constants[k]),
        ):
            if not torch.allclose(ours, theirs, rtol=0.0, atol=1e-6 * scale):  # also catches nan
                return None
    data, weight = _terms(first.data_slopes[k]), _terms(first.weight_slopes[k])
    return Angle(data, weight, first.constants[k].item())


def _terms(slopes: Tensor) -> tuple[tuple[int, float], ...]:
    return tuple((i, value) for i, value in enumerate(slopes.tolist()) if value != 0.0)


def _number(forms: list[Angle | None], used_data: list[int], used_weights: list[int]) -> list[Angle]:
    """Renumber data and weights without gaps; angles that are not affine become data behind the used features."""
    data = {old: new for new, old in enumerate(used_data)}
    weight = {old: new for new, old in enumerate(used_weights)}
    extra = iter(range(len(data), len(data) + len(forms)))
    return [
        Angle(data=((next(extra), 1.0),))
        if form is None
        else Angle(
            tuple((data[i], c) for i, c in form.data), tuple((weight[j], c) for j, c in form.weight), form.constant
        )
        for form in forms
    ]


def _trace(
    source: Source, wanted: list[int], point: tuple[Tensor, dict[str, Tensor]], dtype: torch.dtype
) -> fx.GraphModule:
    """Trace some of the angles as a graph of torch operations, free of the foreign library."""

    def angles(features: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
        numbers = source.record(features, weights).numbers(features)
        return [numbers[k] for k in wanted]

    features = point[0].detach().to(dtype).requires_grad_()
    weights = {name: value.detach().to(dtype).requires_grad_() for name, value in point[1].items()}
    graph: fx.GraphModule = make_fx(angles)(features, weights)
    for name, constant in list(graph.named_buffers()):  # constants of the graph are no state of the layer
        graph.register_buffer(name, constant, persistent=False)
    return graph


def _follow(
    source: Source,
    points: list[tuple[Tensor, dict[str, Tensor]]],
    samples: list[_Linear],
    affine: list[Angle | None],
    names: list[str],
) -> list[Angle | None]:
    """Return the affine form of every angle that only linear operations make, None for the others.

    Raises:
        CircuitError: If gates or angles look at values, or angles left torch on their way, as NumPy does: a trace
            would freeze them.
    """
    try:
        graph = _trace(source, list(range(len(names))), points[0], torch.float64)
    except failures() as error:
        which = _listed([name for name, form in zip(names, affine, strict=True) if form is None] or names)
        raise CircuitError(
            f"Its gates{f' ({which})' if which else ''} cannot be followed as torch operations; a branch on a value "
            f"cannot be, nor a number taken out of a tensor with float() or .item(): {error}"
        ) from error
    values = torch.stack([_stacked(graph(*point)) for point in points])
    recorded = torch.stack([sample.angles for sample in samples])
    lost = ((values - recorded).abs() <= 1e-9).all(dim=0).logical_not()  # nan is lost, too
    if lost.any():
        which = _listed([names[k] for k in lost.nonzero().flatten().tolist()])
        raise CircuitError(
            f"The angles of {which} change with data or weights, but not through torch operations (numbers taken out "
            "of tensors with NumPy, or random choices); they cannot be followed."
        )
    zero = points[0][0].detach() * 0, {name: value.detach() * 0 for name, value in points[0][1].items()}
    return [  # the constant is what is left at zero; elsewhere it is a difference, and rounds
        replace(form, constant=constant.item()) if form is not None and straight else None
        for form, straight, constant in zip(affine, affine_results(graph), graph(*zero), strict=True)
    ]


def _stacked(numbers: list[Tensor]) -> Tensor:
    return torch.stack(numbers).detach() if numbers else torch.zeros(0, dtype=torch.float64)


def _listed(names: list[str]) -> str:
    few = list(dict.fromkeys(names))
    return ", ".join(few[:4]) + (", ..." if len(few) > 4 else "")
