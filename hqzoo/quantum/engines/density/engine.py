"""The ``density`` engine: expectation values of a circuit with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.cone.engine import ConeEngine
from hqzoo.quantum.engines.cone.plan import TooLarge, plan_cone
from hqzoo.quantum.engines.density.dilation import dilate
from hqzoo.quantum.engines.density.exact import ExactPiece
from hqzoo.quantum.engines.density.pieces import Piece, pieces_of
from hqzoo.quantum.engines.density.trajectories import TrajectoryPiece
from hqzoo.quantum.engines.draws import Draws
from hqzoo.quantum.engines.size import SizeError
from hqzoo.quantum.noise import IDEAL, NoiseModel
from hqzoo.quantum.observables import Pauli

__all__ = ["MAX_EXACT_WIRES", "MAX_TRAJECTORY_WIRES", "DensityEngine", "DensityPlan", "Method", "plan_density"]

Method = Literal["auto", "network", "exact", "trajectories"]

AUTO_EXACT_WIRES = 10  # a density matrix of 10 wires takes 4 MB a sample in single precision
MAX_EXACT_WIRES = 12  # 64 MB
MAX_TRAJECTORY_WIRES = 20
MAX_TERMS = 50_000  # of a network; a larger one takes seconds to find
MAX_READ_TERMS = 50_000  # Pauli strings of all outputs together, before a network is looked for


@dataclass(frozen=True)
class DensityPlan:
    """How a noisy circuit will be run.

    Args:
        method: ``network``, ``exact`` or ``trajectories``.
        largest_piece: Most qubits that are held together.
        flops: Floating-point operations per sample, forward (per trajectory, if there are any).
        reason: Why so, in one sentence.
    """

    method: str
    largest_piece: int
    flops: int
    reason: str


def plan_density(
    circuit: Circuit, noise: NoiseModel = IDEAL, method: Method = "auto", ideal_tail: int = 0
) -> DensityPlan:
    """Return how a noisy circuit will be run.

    Args:
        circuit: The circuit.
        noise: The noise.
        method: As for :class:`DensityEngine`.
        ideal_tail: How many of the last gates are free of noise.

    Raises:
        CircuitError: If the method is unknown, or cannot hold the circuit.
    """
    if method not in ("auto", "network", "exact", "trajectories"):
        raise CircuitError(f"method='{method}' is not one of auto, network, exact, trajectories.")
    pieces = pieces_of(circuit, noise, ideal_tail)
    largest = max(len(piece.wires) for piece in pieces)
    direct = "exact" if largest <= AUTO_EXACT_WIRES else "trajectories"
    direct = direct if method in ("auto", "network") else method
    flops = sum(_flops(piece, direct) for piece in pieces)
    if method in ("auto", "network"):
        limit = MAX_TERMS if method == "network" or direct == "trajectories" else min(MAX_TERMS, flops // 2)
        found = _network(circuit, noise, ideal_tail, limit)
        if found is not None and (method == "network" or direct == "trajectories" or found.flops <= flops):
            return found
        if method == "network":
            raise CircuitError(
                "method='network': the observables see too much of this noisy circuit. Use method='auto'."
            )
    most = {"exact": MAX_EXACT_WIRES, "trajectories": MAX_TRAJECTORY_WIRES}[direct]
    if largest > most:
        raise SizeError(
            f"The observables of this circuit see {largest} wires at once; method='{direct}' holds at most {most} with "
            "noise.",
            "Read observables that see less, or shorten the circuit; without noise use engine='auto'.",
        )
    reason = f"the observables see up to {largest} wire(s) at once"
    return DensityPlan(direct, largest, flops, f"{reason}; exact up to {AUTO_EXACT_WIRES}")


def _flops(piece: Piece, method: str) -> int:
    base = 4 if method == "exact" else 2
    return sum(2 * base ** (len(piece.wires) + len(step.gate.support) + 2 * (base == 2)) for step in piece.steps)


def _network(circuit: Circuit, noise: NoiseModel, ideal_tail: int, limit: int) -> DensityPlan | None:
    """Return the plan of the ``cone`` engine on the circuit with noise as gates, if there is a small one."""
    terms = sum(1 if isinstance(each, Pauli) else 4 ** len(each.wires) for each in circuit.observables)
    if terms > MAX_READ_TERMS:
        return None
    try:
        program = plan_cone(dilate(circuit, noise, ideal_tail), limit)
    except TooLarge:
        return None
    reason = f"the observables see pieces of at most {program.largest_piece} correlated qubit(s)"
    return DensityPlan("network", program.largest_piece, program.flops, reason)


class DensityEngine(Engine):
    """Expectation values of a circuit with noise, differentiable in data and weights.

    Three ways, of which ``auto`` takes the cheapest exact one:

    * ``network``: noise becomes gates on fresh wires (:mod:`.dilation`), and the ``cone`` engine runs the enlarged
      circuit. Exact; for shallow or local circuits of any width, such as HQ-UNet's 16 qubits.
    * ``exact``: density matrices, as real coefficients of Pauli strings, on the wires that observables see. Exact; by
      itself up to 10 wires, when asked for up to 12.
    * ``trajectories``: an average over random pure states, up to 20 wires. Values and gradients are unbiased, with an
      error that falls as one over the square root of ``n_trajectories``; every call draws new ones.

    Args:
        circuit: The circuit to run.
        dtype: ``torch.float32`` or ``torch.float64``.
        noise: The noise.
        method: Which of the three, or ``auto``.
        n_trajectories: Random states per sample and call.
        seed: Seed of the trajectories.
        ideal_tail: How many of the last gates are free of noise, such as a change of the measured basis.

    Raises:
        CircuitError: If the circuit is too large, or a setting makes no sense.
    """

    def __init__(
        self,
        circuit: Circuit,
        dtype: torch.dtype = torch.float32,
        noise: NoiseModel = IDEAL,
        method: Method = "auto",
        n_trajectories: int = 100,
        seed: int = 0,
        ideal_tail: int = 0,
    ) -> None:
        super().__init__(dtype)
        if n_trajectories < 1:
            raise CircuitError(f"n_trajectories={n_trajectories}: there must be at least one.")
        self.circuit, self.noise = circuit, noise
        self.plan = plan_density(circuit, noise, method, ideal_tail)
        self.network: ConeEngine | None = None
        self.pieces = nn.ModuleList()
        if self.plan.method == "network":
            self.network = ConeEngine(dilate(circuit, noise, ideal_tail), dtype)
            return
        pieces = pieces_of(circuit, noise, ideal_tail)
        draws = Draws(seed)
        for piece in pieces:
            exact = method == "exact" or (method == "auto" and len(piece.wires) <= AUTO_EXACT_WIRES)
            built = ExactPiece(piece, circuit, dtype) if exact else None
            self.pieces.append(built or TrajectoryPiece(piece, circuit, dtype, n_trajectories, draws))
        order = [number for piece in pieces for number in piece.observables]
        self._place = [order.index(number) for number in range(len(order))]

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        if not data.shape[0]:
            return data.new_zeros(0, self.circuit.n_observables) + weights.sum() * 0
        if self.network is not None:
            out: Tensor = self.network(data, weights)
            return out
        values = [value for piece in self.pieces for value in piece(data, weights)]
        return torch.cat([values[place].expand(data.shape[0], -1) for place in self._place], dim=1)
