"""Finite shots: expectation values as a device measures them, with their scatter, on any exact engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.draws import Draws
from hqzoo.quantum.gates import RX, Gate, H
from hqzoo.quantum.observables import Observable, Overlap, Pauli, Probabilities
from hqzoo.quantum.shift import GateAngles

__all__ = ["MAX_JOINT_WIRES", "Build", "Setting", "ShotEngine", "ideal_engine", "sample_counts", "settings_of"]

Build = Callable[[Circuit, torch.dtype, int], Engine]
"""Makes the exact engine of a circuit, in a precision, whose last so many gates only change the measured basis."""

MAX_JOINT_WIRES = 10
ROWS = 4096  # angle vectors that are run together in the backward pass


class Setting(NamedTuple):
    """Observables that one kind of measurement gives together: their letters agree on every wire that they share.

    Args:
        basis: Measured letter by wire.
        observables: Their numbers.
    """

    basis: dict[int, str]
    observables: list[int]


def settings_of(circuit: Circuit) -> list[Setting]:
    """Group observables by how they are measured, each into the first group that fits; overlaps stay alone."""
    settings: list[Setting] = []
    for number, observable in enumerate(circuit.observables):
        letters = _letters(observable)
        home = next((s for s in settings if s.basis and letters and _agree(s.basis, letters)), None)
        if home is None:
            settings.append(Setting(dict(letters), [number]))
        else:
            home.basis.update(letters)
            home.observables.append(number)
    return settings


def _letters(observable: Observable) -> dict[int, str]:
    if isinstance(observable, Overlap):
        return {}
    letters = observable.letters if isinstance(observable, Pauli) else "Z" * len(observable.wires)
    return dict(zip(observable.wires, letters, strict=True))


def _agree(basis: dict[int, str], letters: dict[int, str]) -> bool:
    return all(basis.get(wire, letter) == letter for wire, letter in letters.items())


def ideal_engine(circuit: Circuit, dtype: torch.dtype, ideal_tail: int = 0) -> Engine:
    """Return the cheapest exact engine of a circuit without noise."""
    from hqzoo.quantum.compiling import ENGINES, plan  # it knows all engines

    return ENGINES[plan(circuit).engine](circuit, dtype)


def sample_counts(probabilities: Tensor, shots: int, generator: torch.Generator) -> Tensor:
    """Return how often each outcome appears in so many shots: multinomial counts of the same shape.

    The shots are split between halves of the outcomes, then between halves of these, and so on, so that the effort
    does not depend on their number.

    Args:
        probabilities: ``(B, 2^k)``, in double precision; rows sum to 1.
        shots: Number of shots.
        generator: Source of randomness.
    """
    levels = [probabilities.clamp_min(0.0)]
    while levels[-1].shape[1] > 1:
        levels.append(levels[-1][:, 0::2] + levels[-1][:, 1::2])
    counts = torch.full_like(levels[-1], float(shots))
    for finer, coarser in zip(levels[-2::-1], levels[:0:-1], strict=True):
        share = torch.where(coarser > 0, finer[:, 0::2] / coarser, 0.0).clamp(0.0, 1.0)
        first = torch.binomial(counts, share, generator=generator)
        counts = torch.stack([first, counts - first], 2).flatten(1)
    return counts


class ShotEngine(Engine):
    """Averages over a finite number of shots, with parameter-shift gradients that are measured with shots, too.

    Observables are measured in groups whose letters agree on shared wires, ``shots`` times each group. Up to
    ``MAX_JOINT_WIRES`` measured wires, bit strings are drawn from their exact joint distribution, so that observables
    of a group scatter together as on a device. Beyond that, every observable is drawn independently: each has its
    exact distribution (binomial, multinomial for probabilities), while correlations within a group are lost. An
    overlap is measured as by the ancilla of a SWAP test.

    Every call draws anew; the sequence follows from the seed. The gradient is unbiased, and exact for infinitely many
    shots; a second derivative is refused, and forward mode and ``torch.func`` do not know these gradients.

    Args:
        circuit: The circuit to run.
        dtype: ``torch.float32`` or ``torch.float64``.
        shots: Measurements of every group, and of every shifted angle in the backward pass.
        seed: Seed of the shots.
        build: Makes the exact engines below; with noise, engines that know it.

    Raises:
        CircuitError: If the number of shots is not positive.
    """

    def __init__(
        self,
        circuit: Circuit,
        dtype: torch.dtype = torch.float32,
        shots: int = 1024,
        seed: int = 0,
        build: Build = ideal_engine,
    ) -> None:
        super().__init__(dtype)
        if shots < 1:
            raise CircuitError(f"shots={shots}: at least one measurement is needed.")
        self.original, self.shots, self._draws = circuit, shots, Draws(seed)
        self.angles = GateAngles(circuit, dtype)
        self.joint, self._groups = nn.ModuleList(), []
        alone: list[int] = []
        for setting in settings_of(self.angles.circuit):
            if setting.basis and len(setting.basis) <= MAX_JOINT_WIRES:
                self._groups.append(setting)
                self.joint.append(_measurement(self.angles.circuit, setting, dtype, build))
            else:
                alone += setting.observables
        self._alone = alone
        gates, read = self.angles.circuit.gates, [circuit.observables[number] for number in alone]
        self.single = build(Circuit(circuit.n_wires, gates, read), dtype, 0) if alone else None

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return averages ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        angles = self.angles(data, weights)
        needed = self.angles.needed(data.requires_grad, weights.requires_grad)
        out: Tensor = _Shifted.apply(angles, self, needed)  # type: ignore[no-untyped-call]
        return out

    def sample(self, angles: Tensor) -> Tensor:
        """Return averages ``(B, n_observables)`` of fresh shots at gate angles ``(B, n_angles)``."""
        if not angles.shape[0]:
            return angles.new_zeros(0, self.original.n_observables)
        generator, nothing = self._draws.next(angles.device), angles.new_zeros(0)
        columns: dict[int, Tensor] = {}
        for engine, setting in zip(self.joint, self._groups, strict=True):
            counts = sample_counts(_distribution(engine(angles, nothing)), self.shots, generator)
            for number in setting.observables:
                columns[number] = _average(counts / self.shots, tuple(setting.basis), self._observable(number))
        if self.single is not None:
            values, first = self.single(angles, nothing).double(), 0
            for number in self._alone:
                observable = self._observable(number)
                width = 2 ** len(observable.wires) if isinstance(observable, Probabilities) else 1
                columns[number] = self._draw(values[:, first : first + width], generator)
                first += width
        return torch.cat([columns[number] for number in range(len(columns))], dim=1).to(self.dtype)

    def _observable(self, number: int) -> Observable:
        return self.original.observables[number]

    def _draw(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """Return averages of independent shots: of ±1 for one expected value, of outcomes for probabilities."""
        if values.shape[1] > 1:
            return sample_counts(_distribution(values), self.shots, generator) / self.shots
        probability = ((1 + values) / 2).clamp(0.0, 1.0)
        ups = torch.binomial(torch.full_like(values, float(self.shots)), probability, generator=generator)
        return 2 * ups / self.shots - 1


def _measurement(circuit: Circuit, setting: Setting, dtype: torch.dtype, build: Build) -> Engine:
    """Return the engine of the outcomes of a group's measured wires."""
    turns = [turn for wire, letter in setting.basis.items() for turn in _to_z(letter, wire)]
    gates = (*circuit.gates, *turns)
    return build(Circuit(circuit.n_wires, gates, [Probabilities(tuple(setting.basis))]), dtype, len(turns))


def _to_z(letter: str, wire: int) -> list[Gate]:
    """Return gates that turn the eigenvectors of a letter into those of Z."""
    return {"X": [H(wire)], "Y": [RX(math.pi / 2, wire)], "Z": []}[letter]


def _distribution(values: Tensor) -> Tensor:
    """Return probabilities free of rounding errors, in double precision."""
    values = values.double().clamp_min(0.0)
    return values / values.sum(1, keepdim=True)


def _average(frequencies: Tensor, wires: tuple[int, ...], observable: Observable) -> Tensor:
    """Return an observable's columns, given how often outcomes ``(B, 2^k)`` of some wires appeared."""
    grid = frequencies.reshape(-1, *[2] * len(wires))
    rest = [1 + k for k, wire in enumerate(wires) if wire not in observable.wires]
    kept = [wire for wire in wires if wire in observable.wires]
    marginal = grid.sum(rest) if rest else grid
    marginal = marginal.permute(0, *(1 + kept.index(wire) for wire in observable.wires))
    if isinstance(observable, Probabilities):
        return marginal.flatten(1)
    for _ in observable.wires:
        marginal = marginal[..., 0] - marginal[..., 1]
    return marginal.unsqueeze(1)


class _Shifted(torch.autograd.Function):
    """Samples at given angles, with derivatives sampled at shifted ones."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, engine: ShotEngine, needed: list[int]) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(angles)
        ctx.engine, ctx.needed = engine, needed
        return engine.sample(angles)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        if torch.is_grad_enabled():
            raise CircuitError(
                "Gradients that are measured with shots have no derivatives. Leave create_graph out, or run the "
                "circuit without shots."
            )
        (angles,) = ctx.saved_tensors
        engine: ShotEngine = ctx.engine
        result = torch.zeros_like(angles)
        terms = [(angle, c, s) for angle in ctx.needed for c, s in engine.angles.rules[angle]]
        at_once = max(1, ROWS // max(1, len(angles)))
        for first in range(0, len(terms), at_once):
            chosen = terms[first : first + at_once]
            shifted = angles.repeat(len(chosen), 1, 1)
            for row, (angle, _, shift) in enumerate(chosen):
                shifted[row, :, angle] += shift
            values = engine.sample(shifted.flatten(0, 1)).reshape(len(chosen), *gradient.shape)
            slopes = (values * gradient).sum(2)
            for (angle, coefficient, _), slope in zip(chosen, slopes, strict=True):
                result[:, angle] += coefficient * slope
        return result, None, None
