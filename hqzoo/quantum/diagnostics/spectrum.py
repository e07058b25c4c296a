"""The Fourier spectrum of a circuit's outputs in each of its data: what the encoding allows, and what is there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import compile_circuit
from hqzoo.quantum.diagnostics.cones import reaching_gates
from hqzoo.quantum.diagnostics.sampling import affordable, draw
from hqzoo.quantum.gates import Gate

__all__ = ["FourierSpectrum", "Frequencies", "fourier_spectrum", "reachable_frequencies"]

Frequencies = tuple[float, ...]
"""Radians per unit of a datum, not negative and in order."""

MAX_HARMONICS = 512
DRAWS = 3  # of the other data and the weights
NEGLIGIBLE = 1e-9
DIGITS = 9  # to which frequencies are told apart


@dataclass(frozen=True)
class FourierSpectrum:
    """Frequencies of the waves whose sums the outputs are.

    Args:
        reachable: For every datum, the frequencies that the encoding can produce.
        measured: For every datum, those that some output contains; None where they have no common unit, or where
            measuring them takes long.
    """

    reachable: tuple[Frequencies, ...]
    measured: tuple[Frequencies | None, ...]


def reachable_frequencies(circuit: Circuit) -> tuple[Frequencies, ...]:
    """Return, for every datum, all frequencies that its encoding gates can produce.

    A gate ``exp(-i a x G)`` contributes differences of eigenvalues of ``a G``; several gates contribute all sums
    (Schuld, Sweke and Meyer 2021, arXiv 2008.08605). Only gates that can reach an observable count.
    """
    spectra: list[set[float]] = [{0.0} for _ in range(circuit.n_data)]
    for position in sorted(reaching_gates(circuit)):
        gate = circuit.gates[position]
        for number, angle in enumerate(gate.angles):
            for index, coefficient in angle.data:
                steps = [sign * coefficient * d for d in _differences(gate, number) for sign in (1, -1)]
                spectra[index] = {round(f + step, DIGITS) for f in spectra[index] for step in (0.0, *steps)}
    return tuple(tuple(sorted({abs(f) for f in spectrum})) for spectrum in spectra)


def _differences(gate: Gate, number: int) -> tuple[float, ...]:
    """Return the positive differences between eigenvalues of what generates a gate's angle."""
    is_phase = gate.name == "PhaseShift" or (gate.name == "U3" and number > 0)  # eigenvalues 0 and 1, not ±1/2
    return (1.0,) if is_phase or not gate.controls else (0.5, 1.0)


def fourier_spectrum(circuit: Circuit, seed: int = 0) -> FourierSpectrum:
    """Return the frequencies that are reachable and those that are there.

    Each datum runs over its period while everything else stays at random values; what the discrete Fourier transform
    of some output holds, at any of three such values, is there. The transform also sees two frequencies beyond the
    reachable ones: finding one there would disprove the theory.

    Args:
        circuit: The circuit.
        seed: Seed of the random values.
    """
    reachable = reachable_frequencies(circuit)
    grids = [_grid(frequencies) for frequencies in reachable]
    rows = sum(points for _, points in grids)
    if not rows or not affordable(circuit, DRAWS * rows):
        return FourierSpectrum(reachable, (None,) * circuit.n_data)
    generator = torch.Generator().manual_seed(seed)
    function = compile_circuit(circuit, dtype=torch.float64)
    largest = [torch.zeros(points // 2 + 1, dtype=torch.float64) for _, points in grids]
    for data, weights in zip(*draw(circuit, DRAWS, generator), strict=True):
        batch = data.repeat(rows, 1)
        start = 0
        for index, (unit, points) in enumerate(grids):
            turns = torch.arange(points, dtype=torch.float64) / max(points, 1)
            batch[start : start + points, index] = 2 * math.pi / unit * turns
            start += points
        with torch.no_grad():
            parts = function(batch, weights).split([points for _, points in grids])
        for index, part in enumerate(parts):
            if len(part):
                waves = torch.fft.rfft(part, dim=0).abs().amax(1) / len(part)
                largest[index] = torch.maximum(largest[index], waves)
    measured = tuple(_present(waves, *grid) for waves, grid in zip(largest, grids, strict=True))
    return FourierSpectrum(reachable, measured)


def _present(waves: torch.Tensor, unit: float, points: int) -> Frequencies | None:
    if not points:
        return None
    return tuple(round(k * unit, DIGITS) for k in range(len(waves)) if waves[k] > NEGLIGIBLE)


def _grid(frequencies: Frequencies) -> tuple[float, int]:
    """Return the largest unit of which all frequencies are multiples, and how many points resolve them; 0 if none."""
    unit = 0.0
    for frequency in frequencies:
        a, b = frequency, unit
        while b > 1e-6:
            a, b = b, math.remainder(a, b)
            b = abs(b)
        unit = a
    if not unit:
        return 1.0, 5
    harmonics = round(frequencies[-1] / unit)
    return (unit, 2 * harmonics + 5) if harmonics <= MAX_HARMONICS else (unit, 0)
