"""Expressibility: how evenly a circuit's states fill the space of all states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.diagnostics.sampling import draw
from hqzoo.quantum.engines.statevector.engine import StatevectorEngine
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Overlap

__all__ = ["expressibility", "fidelities"]

Varied = Literal["all", "weights", "data"]


def expressibility(
    circuit: Circuit,
    pairs: int = 5000,
    bins: int = 75,
    varied: Varied = "all",
    binning: Literal["fidelity", "haar"] = "fidelity",
    seed: int = 0,
) -> float:
    """Return the Kullback-Leibler divergence of the fidelities of random states of a circuit from those of Haar.

    Small is expressive; 0 would be Haar random, and a circuit without parameters gives ``ln(bins)`` on one qubit
    (Sim, Johnson and Aspuru-Guzik 2019, arXiv 1905.10876, eq. 12). The estimate exceeds the truth by about
    ``(bins - 1) / (2 * pairs)``.

    Args:
        circuit: The circuit; its observables play no part.
        pairs: Pairs of random states, 5000 as published.
        bins: Bins of the histogram, 75 as published.
        varied: Whether both data and weights differ within a pair, or only one of them.
        binning: ``fidelity``: bins of equal width, as published, which see nothing from about 8 qubits on, where
            nearly all fidelities of Haar fall into the first. ``haar``: bins that Haar fills equally, the same on one
            qubit, and good for any number (CHOICE of ours).
        seed: Seed of the random parameters.

    Raises:
        CircuitError: If an option makes no sense, or the circuit has too many wires for a state vector.
    """
    if pairs < 1 or bins < 2 or binning not in ("fidelity", "haar"):
        raise CircuitError(
            f"pairs={pairs}, bins={bins}, binning='{binning}': give at least 1 pair, 2 bins, and fidelity or haar."
        )
    found = fidelities(circuit, pairs, varied, seed).clamp(0, 1)
    power = 2**circuit.n_wires - 1
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    if binning == "haar":
        found = -torch.expm1(power * torch.log1p(-found))  # uniform under Haar
        expected = edges.diff()
    else:
        expected = (1 - edges[:-1]) ** power - (1 - edges[1:]) ** power
    counts = torch.bincount((found * bins).long().clamp(0, bins - 1), minlength=bins)
    share = counts[counts > 0] / pairs
    return float((share * (share / expected[counts > 0].clamp_min(1e-300)).log()).sum())


def fidelities(circuit: Circuit, pairs: int, varied: Varied = "all", seed: int = 0) -> Tensor:
    """Return ``|<ψ|φ>|^2`` of pairs of states at random parameters, see :func:`.sampling.draw`: ``(pairs,)``.

    Raises:
        CircuitError: If ``varied`` is unknown or the circuit has too many wires for a state vector.
    """
    if varied not in ("all", "weights", "data"):
        raise CircuitError(f"varied='{varied}' is not one of all, weights, data.")
    n, total = circuit.n_data, circuit.n_data + circuit.n_weights
    differ = range(n if varied == "weights" else 0, n if varied == "data" else total)
    place = {index: total + k for k, index in enumerate(differ)}  # parameters of the second state alone

    # Weights become data, so that they may differ from sample to sample.
    def first_angle(angle: Angle) -> Angle:
        return Angle((*angle.data, *((n + j, c) for j, c in angle.weight)), (), angle.constant)

    def second_angle(angle: Angle) -> Angle:
        return replace(angle, data=tuple(sorted((place.get(i, i), c) for i, c in first_angle(angle).data)), weight=())

    wires = range(circuit.n_wires)
    twin = Circuit(
        2 * circuit.n_wires,
        [_copy(gate, first_angle, 0) for gate in circuit.gates]
        + [_copy(gate, second_angle, circuit.n_wires) for gate in circuit.gates],
        [Overlap(wires, [circuit.n_wires + wire for wire in wires])],
    )
    generator = torch.Generator().manual_seed(seed)
    first, other = (torch.cat(draw(circuit, pairs, generator), dim=1) for _ in range(2))
    parameters = torch.cat([first, other[:, differ.start : differ.stop]], dim=1)
    # The engine itself: the overlap as a sum of 4^n Pauli strings is never needed.
    engine = StatevectorEngine(twin, torch.float64)
    with torch.no_grad():
        out: Tensor = engine(parameters, parameters.new_zeros(0))
    return out.flatten()


def _copy(gate: Gate, angle: Callable[[Angle], Angle], offset: int) -> Gate:
    """Return a gate with its angles changed, ``offset`` wires further down."""
    return replace(
        gate,
        angles=tuple(angle(a) for a in gate.angles),
        wires=tuple(wire + offset for wire in gate.wires),
        controls=tuple(wire + offset for wire in gate.controls),
    )
