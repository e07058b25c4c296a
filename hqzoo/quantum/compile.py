"""From a circuit to a function: choosing and building an engine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError, unknown_name
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.cone import ConeEngine
from hqzoo.quantum.engines.cone_plan import ConeProgram, TooLarge, plan_cone
from hqzoo.quantum.engines.statevector import StatevectorEngine
from hqzoo.quantum.pauli import rotations

__all__ = ["ENGINES", "CompiledCircuit", "Plan", "compile", "plan"]

ENGINES = ("auto", "cone", "statevector")


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


def plan(circuit: Circuit, engine: str = "auto") -> Plan:
    """Return which engine runs the circuit, why, and what it costs.

    Raises:
        CircuitError: If the engine is unknown, or cannot run the circuit.
    """
    if engine not in ENGINES:
        raise CircuitError(unknown_name("engine", engine, ENGINES))
    state = _statevector_plan(circuit)
    if engine == "statevector":
        return state
    try:
        cone = _cone_plan(plan_cone(circuit))
    except TooLarge as reason:
        if engine == "cone":
            raise CircuitError(
                f"engine='cone' was asked for, but the observables see too much of this circuit ({reason}). "
                "Use engine='statevector' or 'auto'."
            ) from None
        return Plan(state.engine, state.largest_piece, state.flops, state.bytes, f"cone: {reason}")
    if engine == "cone" or cone.flops <= state.flops:
        return cone
    return Plan(
        state.engine, state.largest_piece, state.flops, state.bytes,
        f"a state vector needs {state.flops:,} FLOP per sample, the pieces that the observables see {cone.flops:,}",
    )  # fmt: skip


def _cone_plan(program: ConeProgram) -> Plan:
    reason = f"the observables see pieces of at most {program.largest_piece} correlated qubit(s)"
    return Plan("cone", program.largest_piece, program.flops, 4 * program.rows, reason)


def _statevector_plan(circuit: Circuit) -> Plan:
    n_rotations = sum(len(rotations(gate)) if gate.matrix is None else 4 for gate in circuit.gates)
    amplitudes = 2**circuit.n_wires
    flops = amplitudes * (8 * n_rotations + 4 * circuit.n_observables)
    return Plan("statevector", circuit.n_wires, flops, 8 * amplitudes * (2 * n_rotations + 1), "asked for")


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
        self.engine = {"cone": ConeEngine, "statevector": StatevectorEngine}[self.plan.engine](circuit, dtype)

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
        engine: ``auto``, ``cone`` or ``statevector``.
        dtype: ``torch.float32`` or ``torch.float64``.

    Raises:
        CircuitError: If the engine is unknown or cannot run the circuit.
    """
    return CompiledCircuit(circuit, engine, dtype)
