"""From a circuit to a function: choosing and building an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError, unknown_name
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

    Raises:
        CircuitError: If the engine is unknown, or cannot run the circuit.
    """
    if engine not in ("auto", *ENGINES):
        raise CircuitError(unknown_name("engine", engine, ("auto", *ENGINES)))
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
        self.engine = ENGINES[self.plan.engine](circuit, dtype)

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values in [-1, 1].

        Args:
            data: ``(..., n_data)``, radians before the circuit's own factors.
            weights: ``(n_weights,)``, radians.

        Returns:
            ``(..., n_observables)`` in the engine's dtype.

        Raises:
            CircuitError: If a trailing size does not fit the circuit.
        """
        circuit = self.circuit
        if data.shape[-1] != circuit.n_data or weights.shape != (circuit.n_weights,):
            raise CircuitError(
                f"The circuit takes data (..., {circuit.n_data}) and weights ({circuit.n_weights},); "
                f"got {tuple(data.shape)} and {tuple(weights.shape)}."
            )
        with torch.autocast(device_type=data.device.type, enabled=False):
            flat = data.reshape(-1, circuit.n_data) if circuit.n_data else data.reshape(data.shape[:-1].numel(), 0)
            out = self.engine(flat.to(self.dtype), weights.to(self.dtype))
        result: Tensor = out.reshape(*data.shape[:-1], circuit.n_observables)
        return result


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
