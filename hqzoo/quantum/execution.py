"""How circuits are executed: with which noise, how many shots, which mitigation; and models under other conditions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.density import DensityEngine
from hqzoo.quantum.layer import QuantumLayer
from hqzoo.quantum.mitigation import SCALES, Extrapolation, ZeroNoiseEngine
from hqzoo.quantum.noise import IDEAL, NoiseModel
from hqzoo.quantum.shots import ShotEngine, ideal_engine

__all__ = ["Execution", "executed"]


@dataclass(frozen=True)
class Execution:
    """The conditions under which circuits run.

    Args:
        noise: Noise of gates and readout.
        shots: Measurements of every group of observables; None: exact expectation values.
        zne: Zero-noise extrapolation, ``linear`` or ``richardson``; None: none.
        scales: Strengths of noise that the extrapolation uses.
        seed: Seed of shots and trajectories.
        n_trajectories: Random states per sample where noise is too much for an exact simulation.
    """

    noise: NoiseModel = IDEAL
    shots: int | None = None
    zne: Extrapolation | None = None
    scales: tuple[float, ...] = SCALES
    seed: int = 0
    n_trajectories: int = 100

    def engine(self, circuit: Circuit, dtype: torch.dtype = torch.float32) -> Engine:
        """Return an engine that runs a circuit under these conditions.

        Raises:
            CircuitError: If there is no noise to extrapolate from, or the circuit is too large.
        """
        if self.zne is None:
            return self._measured(self.noise, circuit, dtype)
        if self.noise.is_ideal:
            raise CircuitError("Zero-noise extrapolation needs noise to start from.")
        # Shots are drawn independently at every strength.
        seeds = iter(range(self.seed, self.seed + len(self.scales)))
        return ZeroNoiseEngine(
            self.noise,
            lambda noise: replace(self, seed=next(seeds))._measured(noise, circuit, dtype),
            dtype,
            self.scales,
            self.zne,
        )

    def _measured(self, noise: NoiseModel, circuit: Circuit, dtype: torch.dtype) -> Engine:
        def exact(circuit: Circuit, dtype: torch.dtype, ideal_tail: int) -> Engine:
            if noise.is_ideal:
                return ideal_engine(circuit, dtype)
            return DensityEngine(
                circuit, dtype, noise, n_trajectories=self.n_trajectories, seed=self.seed, ideal_tail=ideal_tail
            )

        return (
            exact(circuit, dtype, 0) if self.shots is None else ShotEngine(circuit, dtype, self.shots, self.seed, exact)
        )


@contextmanager
def executed(model: nn.Module, execution: Execution) -> Iterator[int]:
    """Run all quantum layers of a model under other conditions for a while.

    Args:
        model: A model with :class:`~hqzoo.quantum.QuantumLayer` modules; their weights stay as they are.
        execution: The conditions.

    Yields:
        The number of quantum layers.
    """
    layers = [module for module in model.modules() if isinstance(module, QuantumLayer)]
    former = [layer.compiled.engine for layer in layers]
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    engines = [execution.engine(layer.circuit, layer.compiled.dtype).to(device) for layer in layers]
    try:
        for layer, engine in zip(layers, engines, strict=True):
            layer.compiled.engine = engine
        yield len(layers)
    finally:
        for layer, engine in zip(layers, former, strict=True):
            layer.compiled.engine = engine
