"""From a circuit to a function: choosing and building an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.cone import ConeEngine
from hqzoo.quantum.engines.cone_plan import ConeProgram, TooLarge, plan_cone
from hqzoo.quantum.engines.density import DensityEngine, plan_density
from hqzoo.quantum.engines.pennylane import PennyLaneEngine
from hqzoo.quantum.engines.state_plan import estimate, plan_state
from hqzoo.quantum.engines.statevector import MAX_WIRES, StatevectorEngine
from hqzoo.quantum.engines.torchquantum import TorchQuantumEngine
from hqzoo.quantum.noise import IDEAL
from hqzoo.quantum.swap_tests import fold_swap_tests

__all__ = ["ENGINES", "CompiledCircuit", "Plan", "compile", "plan"]

ENGINES: dict[str, Callable[[Circuit, torch.dtype], Engine]] = {
    "cone": ConeEngine,
    "statevector": StatevectorEngine,
    "density": DensityEngine,
    "pennylane": PennyLaneEngine,
    "torchquantum": TorchQuantumEngine,
}
"""Engines by name; ``auto`` chooses between the first two."""


MAX_CONE_TERMS = 200_000
QUICK_CONE_TERMS = 20_000  # where a state vector is at hand, a larger network costs seconds to find and gains nothing
# Measured on CPUs: the cone's few matrix products spend a FLOP in a tenth of the time that a state vector's many small
# operations do, and below this size both only wait for Python.
CONE_FLOP_RATIO = 8
CONE_FREE_FLOPS = 100_000


@dataclass(frozen=True)
class Plan:
    """How a circuit will be run, and what that costs.

    Args:
        engine: The engine that runs it.
        largest_piece: Most qubits that are held together.
        flops: Floating-point operations per sample, forward.
        bytes: Bytes per sample kept for the backward pass, in single precision.
        reason: Why this engine, in one sentence.
    """

    engine: str
    largest_piece: int
    flops: int
    bytes: int
    reason: str


@lru_cache(maxsize=256)
def plan(circuit: Circuit, engine: str = "auto") -> Plan:
    """Return which engine runs the circuit, why, and what it costs.

    ``auto`` looks at what SWAP tests measure instead of simulating their ancillas, see :func:`fold_swap_tests`.

    Raises:
        CircuitError: If the engine is unknown, or cannot run the circuit.
    """
    if engine not in ("auto", *ENGINES):
        raise CircuitError(unknown_name("engine", engine, ("auto", *ENGINES)))
    circuit = _as_run(circuit, engine)
    if engine == "density":
        exact = plan_density(circuit, IDEAL)
        return Plan(engine, exact.largest_piece, exact.flops, 0, f"asked for; {exact.reason}")
    component = max(len(part.wires) for part in plan_state(circuit))
    state = Plan(engine, component, *estimate(circuit), "asked for")
    if engine not in ("auto", "cone"):
        return state
    # Looking for pieces pays only as long as they cost less than the state vector that they spare.
    worth = max(CONE_FREE_FLOPS, CONE_FLOP_RATIO * state.flops)
    limit = MAX_CONE_TERMS if engine == "cone" or circuit.n_wires > MAX_WIRES else QUICK_CONE_TERMS
    try:
        cone = _cone_plan(plan_cone(circuit, limit))
    except TooLarge as size:
        if engine == "cone":
            raise CircuitError(
                f"engine='cone' was asked for, but the observables see too much of this circuit ({size}). "
                "Use engine='statevector' or 'auto'."
            ) from None
        return replace(state, engine="statevector", reason=f"the pieces that the observables see need {size}")
    if engine == "cone" or cone.flops <= worth:
        return cone
    reason = f"{state.flops:,} FLOP per sample, where the pieces that the observables see need {cone.flops:,}"
    return replace(state, engine="statevector", reason=reason)


def _as_run(circuit: Circuit, engine: str) -> Circuit:
    """Return what an engine is given: the circuit as it was written, where it was asked for by name."""
    return fold_swap_tests(circuit) if engine == "auto" else circuit


def _cone_plan(program: ConeProgram) -> Plan:
    reason = f"the observables see pieces of at most {program.largest_piece} correlated qubit(s)"
    return Plan("cone", program.largest_piece, program.flops, 4 * program.rows, reason)


class CompiledCircuit(nn.Module):
    """A circuit as a differentiable function of data and weights.

    It has no parameters, nothing in ``state_dict``, and computes in ``dtype`` whatever the surrounding precision.
    """

    def __init__(self, circuit: Circuit, engine: str = "auto", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if dtype not in (torch.float32, torch.float64):
            raise CircuitError(f"dtype={dtype}: circuits run in torch.float32 or torch.float64.")
        self.circuit, self.dtype = circuit, dtype
        self.plan = plan(circuit, engine)
        self.engine = ENGINES[self.plan.engine](_as_run(circuit, engine), dtype)
        self._asked = engine

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values in [-1, 1].

        Args:
            data: ``(..., n_data)``, radians before the circuit's own factors.
            weights: ``(n_weights,)``, radians; or ``(..., n_weights)``, weights of their own for every sample, with
                leading sizes that broadcast with those of ``data``. The first call with these plans a circuit of its
                own: make one before ``torch.compile`` with ``fullgraph=True``.

        Returns:
            ``(..., n_observables)`` in the engine's dtype.

        Raises:
            CircuitError: If sizes do not fit the circuit or each other, or an angle is NaN or infinite. Inside
                ``torch.compile``, ``torch.export`` and ``torch.func`` transforms values cannot be looked at; there NaN
                goes through to the outputs.
        """
        circuit = self.circuit
        if data.shape[-1:] != (circuit.n_data,) or weights.shape[-1:] != (circuit.n_weights,):
            raise CircuitError(
                f"The circuit takes data (..., {circuit.n_data}) and weights ({circuit.n_weights},) or "
                f"(..., {circuit.n_weights}); got {tuple(data.shape)} and {tuple(weights.shape)}."
            )
        _refuse_infinite("data", data)
        _refuse_infinite("weights", weights)
        if weights.dim() > 1:
            return self._each_with_its_weights(data, weights)
        with torch.autocast(device_type=data.device.type, enabled=False):
            flat = data.reshape(-1, circuit.n_data) if circuit.n_data else data.reshape(data.shape[:-1].numel(), 0)
            out = self.engine(flat.to(self.dtype), weights.to(self.dtype))
        result: Tensor = out.reshape(*data.shape[:-1], circuit.n_observables)
        return result

    def _each_with_its_weights(self, data: Tensor, weights: Tensor) -> Tensor:
        """Run the circuit in which every weight is a datum of its sample."""
        try:
            batch = torch.broadcast_shapes(data.shape[:-1], weights.shape[:-1])  # type: ignore[no-untyped-call]
        except RuntimeError:
            raise CircuitError(
                f"Data {tuple(data.shape)} and weights {tuple(weights.shape)} do not broadcast in front of their last "
                "sizes."
            ) from None
        both = torch.cat([data.expand(*batch, -1).to(self.dtype), weights.expand(*batch, -1).to(self.dtype)], -1)
        result: Tensor = self._of_data_alone.to(both.device)(both, both.new_empty(0))
        return result

    @cached_property
    def _of_data_alone(self) -> CompiledCircuit:
        return CompiledCircuit(_weights_as_data(self.circuit), self._asked, self.dtype)


def _weights_as_data(circuit: Circuit) -> Circuit:
    """Return the circuit that takes its weights as further data, behind the others."""

    def moved(angle: Angle) -> Angle:
        return Angle(angle.data + tuple((circuit.n_data + j, c) for j, c in angle.weight), (), angle.constant)

    gates = (replace(gate, angles=tuple(moved(angle) for angle in gate.angles)) for gate in circuit.gates)
    return Circuit(circuit.n_wires, gates, circuit.observables)


def _refuse_infinite(name: str, angles: Tensor) -> None:
    """Raise if an angle is NaN or infinite, wherever values can be looked at."""
    if torch.compiler.is_compiling() or type(angles) not in (Tensor, nn.Parameter):
        return
    if torch._C._functorch.peek_interpreter_stack() is not None:  # vmap, grad, jvp
        return
    if angles.is_cuda and torch.cuda.is_current_stream_capturing():
        return
    total = angles.detach().sum()
    if not total.isfinite() and not (finite := angles.isfinite()).all():  # a sum of finite values can overflow
        where = tuple(finite.logical_not().nonzero()[0].tolist())
        raise CircuitError(
            f"{name}[{', '.join(map(str, where))}] is {angles[where].item()} and not an angle "
            f"({int((~finite).sum())} of {angles.numel()} values are NaN or infinite). Look at what produces them."
        )


def compile(circuit: Circuit, engine: str = "auto", dtype: torch.dtype = torch.float32) -> CompiledCircuit:
    """Return the circuit as a function ``(data, weights) -> expectation values``.

    Args:
        circuit: What to run.
        engine: ``auto`` or one of :data:`ENGINES`.
        dtype: ``torch.float32`` or ``torch.float64``.

    Raises:
        CircuitError: If the engine is unknown or cannot run the circuit.
    """
    return CompiledCircuit(circuit, engine, dtype)
