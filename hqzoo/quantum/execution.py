"""How circuits are executed: with which noise, how many shots, which mitigation; and models under other conditions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count

import torch
from torch import nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.density.engine import DensityEngine
from hqzoo.quantum.engines.draws import branch
from hqzoo.quantum.layer import QuantumLayer
from hqzoo.quantum.mitigation import SCALES, Extrapolation, ZeroNoiseEngine
from hqzoo.quantum.noise import IDEAL, NoiseModel
from hqzoo.quantum.shots import ShotEngine, ideal_engine

__all__ = ["Execution", "executed"]

SHOTS, TRAJECTORIES = 0, 1  # streams of random numbers for each


@dataclass(frozen=True)
class Execution:
    """The conditions under which circuits run.

    Args:
        noise: Noise of gates and readout.
        shots: Measurements of every group of observables; None: exact expectation values.
        zne: Zero-noise extrapolation, ``linear`` or ``richardson``; None: none.
        scales: Strengths of noise that the extrapolation uses.
        seed: Seed of shots and trajectories, from 0 to ``2^31 - 1``. Each purpose, strength of noise and, under
            :func:`executed`, layer draws from a stream of its own; other seeds give independent streams.
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
        strengths = count()
        return ZeroNoiseEngine(
            self.noise,
            lambda noise: self._branch(next(strengths))._measured(noise, circuit, dtype),
            dtype,
            self.scales,
            self.zne,
        )

    def _measured(self, noise: NoiseModel, circuit: Circuit, dtype: torch.dtype) -> Engine:
        engines = count()  # with shots, every group of observables has one of its own

        def exact(circuit: Circuit, dtype: torch.dtype, ideal_tail: int) -> Engine:
            if noise.is_ideal:
                return ideal_engine(circuit, dtype)
            seed = branch(self.seed, TRAJECTORIES, next(engines))
            return DensityEngine(
                circuit, dtype, noise, n_trajectories=self.n_trajectories, seed=seed, ideal_tail=ideal_tail
            )

        if self.shots is None:
            return exact(circuit, dtype, 0)
        return ShotEngine(circuit, dtype, self.shots, branch(self.seed, SHOTS), exact)

    def _branch(self, *path: int) -> Execution:
        return replace(self, seed=branch(self.seed, *path))


@dataclass
class _Layer:
    """Makes the engines of one layer, each with random numbers of its own; unlike a closure it can be pickled."""

    execution: Execution
    number: int
    built: int = 0

    def __call__(self, circuit: Circuit, dtype: torch.dtype) -> Engine:
        self.built += 1
        return self.execution._branch(self.number, self.built).engine(circuit, dtype)


@contextmanager
def executed(model: nn.Module, execution: Execution) -> Iterator[int]:
    """Run all quantum layers of a model under other conditions for a while.

    Layers draw their shots independently of each other. Weights of their own for every sample are run under the
    conditions, too.

    Args:
        model: A model with :class:`~hqzoo.quantum.QuantumLayer` modules; their weights stay as they are.
        execution: The conditions.

    Yields:
        The number of quantum layers.
    """
    layers = [module for module in model.modules() if isinstance(module, QuantumLayer)]
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with ExitStack() as conditions:
        for number, layer in enumerate(layers):
            conditions.enter_context(layer.compiled.run_by(_Layer(execution, number), device))
        yield len(layers)
