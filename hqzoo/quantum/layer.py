"""A circuit as a layer of a network."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import compile_circuit
from hqzoo.quantum.diagnostics.inert import warn_of_inert_weights

__all__ = ["QuantumLayer"]


INITS = {"uniform": (0.0, 2 * math.pi), "zeros": (0.0, 0.0), "keras": (-math.sqrt(1.5), math.sqrt(1.5))}
"""Bounds between which initial weights are drawn evenly, by name."""


class QuantumLayer(nn.Module):
    """A circuit with trainable weights: ``(..., n_data) -> (..., n_observables)``.

    ``weights`` is its only parameter and the only entry of its ``state_dict``. A weight that cannot change any output
    is named in a warning.

    ``torch.compile`` takes the layer as one graph. It keeps few graphs of one piece of code: a process that compiles
    more than eight different circuits raises ``torch._dynamo.config.recompile_limit``.

    Args:
        circuit: The circuit.
        engine: Engine that runs it, see :func:`~hqzoo.quantum.compile_circuit`.
        init: ``"uniform"`` draws weights from [0, 2π], what PennyLane's TorchLayer does; ``"keras"`` from
            [-√1.5, √1.5], what its KerasLayer does for weights of shape (2,) (Glorot-uniform); ``"zeros"``. Where the
            paper does not state it: CHOICE ``"uniform"``.
        seed: Seed of the initial weights; None takes torch's global generator.
        dtype: Precision of the simulation.
    """

    def __init__(
        self,
        circuit: Circuit,
        engine: str = "auto",
        init: Literal["uniform", "zeros", "keras"] = "uniform",
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if init not in INITS:
            raise CircuitError(f"init='{init}' is not one of {', '.join(INITS)}.")
        self.compiled = compile_circuit(circuit, engine, dtype)
        warn_of_inert_weights(circuit, stacklevel=2)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        low, high = INITS[init]
        values = torch.rand(circuit.n_weights, generator=generator, dtype=dtype)
        self.weights = nn.Parameter(values * (high - low) + low)

    @property
    def circuit(self) -> Circuit:
        """The circuit that the layer runs."""
        return self.compiled.circuit

    def run_instead(self, circuit: Circuit) -> None:
        """Run another circuit on the same weights from now on, by the engine that was asked for.

        Args:
            circuit: A circuit of as many data, weights and outputs.

        Raises:
            CircuitError: If sizes differ, or the engine cannot run it.
        """
        new, old = ((each.n_data, each.n_weights, each.n_observables) for each in (circuit, self.circuit))
        if new != old:
            raise CircuitError(
                f"The layer's circuit has {old[0]} data, {old[1]} weights and {old[2]} outputs; one with {new[0]}, "
                f"{new[1]} and {new[2]} cannot take its place."
            )
        device = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), None)
        self.compiled = compile_circuit(circuit, self.compiled.asked, self.compiled.dtype).to(device)

    def forward(self, data: Tensor) -> Tensor:
        """Return expectation values ``(..., n_observables)`` of angles ``(..., n_data)``."""
        out: Tensor = self.compiled(data, self.weights)
        return out

    def extra_repr(self) -> str:
        """Say what the layer simulates, and how."""
        c = self.circuit
        sizes = f"wires={c.n_wires}, data={c.n_data}, weights={c.n_weights}, outputs={c.n_observables}"
        return f"{sizes}, engine={self.compiled.plan.engine}"
