"""What was accelerated, and what was learned about the circuits on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from hqzoo._memory import kept_for_backward
from hqzoo.quantum.accelerate.prove import Proof
from hqzoo.quantum.circuit import Circuit

__all__ = ["Cost", "LayerReport", "Report", "measure"]

PATIENCE = 0.5  # seconds spent on timing a layer, beyond its first two runs


@dataclass(frozen=True)
class Cost:
    """One forward and backward pass.

    Args:
        batch: Number of samples.
        seconds: The fastest run.
        bytes: What autograd keeps between forward and backward.
    """

    batch: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class LayerReport:
    """One layer that was replaced.

    Args:
        name: Where it sits in the model; empty for the model itself.
        kind: What it was.
        circuit: The recovered circuit.
        engine: The engine that runs it now.
        largest_piece: Most qubits that this engine holds together.
        n_front: Angles that a torch function computes because they are not affine.
        inert: Weights that no output depends on.
        redundant: Directions in the space of the other weights along which no output changes; None where looking
            for them would take minutes.
        proof: How closely the two agree.
        before: Cost of the foreign layer.
        after: Cost of its replacement.
    """

    name: str
    kind: str
    circuit: Circuit
    engine: str
    largest_piece: int
    n_front: int
    inert: tuple[str, ...]
    redundant: int | None
    proof: Proof
    before: Cost
    after: Cost

    @property
    def speed_up(self) -> float:
        """How many times faster a forward and backward pass is."""
        return self.before.seconds / self.after.seconds

    @property
    def classical_form(self) -> bool:
        """Whether the circuit equals a small classical network: its outputs see no entangled qubits."""
        return self.engine == "cone" and self.largest_piece <= 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        circuit = self.circuit
        sizes = {"qubits": circuit.n_wires, "gates": len(circuit.gates), "weights": circuit.n_weights}
        values = {k: v for k, v in vars(self).items() if k not in ("circuit", "proof", "before", "after", "inert")}
        parts = {"proof": asdict(self.proof), "before": asdict(self.before), "after": asdict(self.after)}
        found = {"inert": list(self.inert), "classical_form": self.classical_form, "speed_up": self.speed_up}
        return {**values, **sizes, **found, **parts}

    def __str__(self) -> str:
        circuit, proof = self.circuit, self.proof
        front = f" ({self.n_front} angle(s) that are not affine stay a torch function in front)" if self.n_front else ""
        form = "no entangled qubits are seen: an exact classical form exists" if self.classical_form else (
            f"the outputs see {self.largest_piece} correlated qubits"
        )  # fmt: skip
        redundant = "not looked for" if self.redundant is None else str(self.redundant)
        return "\n".join(
            (
                f"{self.name or 'the model itself'}: {self.kind}",
                f"  circuit    {circuit.n_wires} qubits, {len(circuit.gates)} gates, {circuit.n_data} data, "
                f"{circuit.n_weights} weights, {circuit.n_observables} readings{front}",
                f"  engine     {self.engine}, largest piece {self.largest_piece}: {form}",
                f"  weights    inert: {', '.join(self.inert) or 'none'}; redundant directions: {redundant}",
                f"  proof      outputs within {proof.outputs:.1e}, data gradient {proof.data_gradient:.1e}, weight "
                f"gradient {proof.weight_gradient:.1e} on the sample and {proof.cases} random cases",
                f"  batch {self.before.batch:<4} {_time(self.before.seconds)} -> {_time(self.after.seconds)} forward "
                f"and backward ({self.speed_up:,.0f}x), {_size(self.before.bytes)} -> {_size(self.after.bytes)} kept",
            )
        )


@dataclass(frozen=True)
class Report:
    """All layers that were replaced."""

    layers: tuple[LayerReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        return {"layers": [layer.to_dict() for layer in self.layers]}

    def __str__(self) -> str:
        return "\n".join(str(layer) for layer in self.layers)


def measure(layer: Callable[[Tensor], Tensor], inputs: Tensor, parameters: Iterable[Tensor], batch: int) -> Cost:
    """Time forward and backward passes, and count what autograd keeps in between.

    Args:
        layer: What is run.
        inputs: ``batch`` samples.
        parameters: What is differentiated beside the inputs; their ``grad`` is left alone.
        batch: Number of samples.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]

    def step() -> float:
        leaf = inputs.detach().clone().requires_grad_()
        start = time.perf_counter()
        out = layer(leaf)
        if out.requires_grad:
            torch.autograd.grad(out.sum(), [leaf, *trained], allow_unused=True)
        if inputs.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start

    with kept_for_backward() as kept:
        step()
    runs: list[float] = []
    while len(runs) < 2 or (len(runs) < 20 and sum(runs) < PATIENCE):
        runs.append(step())
    return Cost(batch, min(runs), sum(kept.values()))


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
