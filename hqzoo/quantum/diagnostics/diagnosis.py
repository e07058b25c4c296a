"""All that is known about a circuit, in one report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.diagnostics.cones import CausalCone, causal_cones
from hqzoo.quantum.diagnostics.entanglement import entangling_capability, with_bloch_vectors
from hqzoo.quantum.diagnostics.expressibility import expressibility
from hqzoo.quantum.diagnostics.gradients import GradientVariance, affordable_gradients, gradient_variance
from hqzoo.quantum.diagnostics.inert import inert_weights
from hqzoo.quantum.diagnostics.redundant import LinearRedundancy, behind_linear, redundant_directions
from hqzoo.quantum.diagnostics.sampling import BATCH, MAX_FLOPS, affordable
from hqzoo.quantum.diagnostics.spectrum import FourierSpectrum, Frequencies, fourier_spectrum
from hqzoo.quantum.engines.statevector.plan import estimate

__all__ = ["Diagnosis", "diagnose"]

PAIRS, DRAWS = 2000, 100


@dataclass(frozen=True)
class Diagnosis:
    """What is known about a circuit; None stands for what would take too long to find out.

    Args:
        cones: The causal cone of every observable.
        n_weights: Number of weights.
        inert: Weights that no output depends on.
        redundant: Directions among the others along which no output changes.
        linear: What a linear layer behind the circuit makes superfluous.
        expressibility: Divergence from Haar in bins that Haar fills equally.
        entangling_capability: Mean Meyer-Wallach measure.
        gradients: Variance of gradients; None also without weights.
        spectrum: Fourier spectrum in every datum.
    """

    cones: tuple[CausalCone, ...]
    n_weights: int
    inert: tuple[int, ...]
    redundant: int | None
    linear: LinearRedundancy | None
    expressibility: float | None
    entangling_capability: float | None
    gradients: GradientVariance | None
    spectrum: FourierSpectrum

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"cones          {_cones(self.cones)}",
            f"inert weights  {_numbers(self.inert)}",
            f"redundant      {_or_unknown(self.redundant, '{} direction(s) change no output')}",
            f"behind linear  {self._linear()}",
            f"expressibility {_or_unknown(self.expressibility, '{:.3f} (KL to Haar, bins of equal Haar probability)')}",
            f"entangling     {_or_unknown(self.entangling_capability, '{:.3f} (mean Meyer-Wallach Q)')}",
            f"gradients      {self._gradients()}",
            f"frequencies    {_frequencies(self.spectrum)}",
        ]
        return "\n".join(lines)

    def _linear(self) -> str:
        if self.linear is None:
            return UNKNOWN
        count = f"{self.linear.effective} of {self.n_weights} weights effective"
        return f"{count}; absorbed: {_numbers(self.linear.absorbed)}"

    def _gradients(self) -> str:
        if not self.n_weights:
            return "no weights"
        mean = None if self.gradients is None else self.gradients.mean
        return _or_unknown(mean, "variance {:.3g} (mean over outputs and weights)")


def diagnose(circuit: Circuit, seed: int = 0) -> Diagnosis:
    """Return all that can be found out about a circuit in seconds.

    Args:
        circuit: The circuit.
        seed: Seed of the random data and weights.
    """
    bloch = with_bloch_vectors(circuit)
    states = 2 * PAIRS * estimate(bloch)[0] <= MAX_FLOPS
    return Diagnosis(
        causal_cones(circuit, seed=seed),
        circuit.n_weights,
        inert_weights(circuit, seed),
        redundant_directions(circuit, seed),
        behind_linear(circuit, seed),
        expressibility(circuit, PAIRS, binning="haar", seed=seed) if states else None,
        entangling_capability(circuit, DRAWS, seed) if affordable(bloch, DRAWS * BATCH) else None,
        gradient_variance(circuit, seed=seed) if affordable_gradients(circuit) else None,
        fourier_spectrum(circuit, seed),
    )


UNKNOWN = "not computed: it would take too long"


def _or_unknown(value: float | None, text: str) -> str:
    return UNKNOWN if value is None else text.format(value)


def _numbers(numbers: tuple[int, ...]) -> str:
    """Return ``3, 8-11``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs) or "none"


def _cones(cones: tuple[CausalCone, ...]) -> str:
    """Return one line for each set of inputs, naming the observables that share it."""
    shared: dict[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], list[str]] = {}
    for cone in cones:
        seen = cone.data if cone.data_seen is None else cone.data_seen
        weights = cone.weights if cone.weights_seen is None else cone.weights_seen
        shared.setdefault((cone.wires, seen, weights), []).append(cone.observable)
    lines = []
    for (wires, data, weights), observables in shared.items():
        named = ", ".join(f"<{name}>" for name in observables)
        lines.append(f"{named}: wires {_numbers(wires)}; data {_numbers(data)}; weights {_numbers(weights)}")
    return ("\n" + " " * 15).join(lines)


def _frequencies(spectrum: FourierSpectrum) -> str:
    """Return one line for each set of frequencies, naming the data that share it."""
    shared: dict[tuple[Frequencies, Frequencies | None], list[int]] = {}
    for index, pair in enumerate(zip(spectrum.reachable, spectrum.measured, strict=True)):
        shared.setdefault(pair, []).append(index)
    lines = [
        f"data {_numbers(tuple(indices))}: reachable {_list(reachable)}; measured {_list(measured)}"
        for (reachable, measured), indices in shared.items()
    ]
    return ("\n" + " " * 15).join(lines) or "no data"


def _list(frequencies: Frequencies | None) -> str:
    if frequencies is None:
        return "not computed"
    return " ".join(f"{f:.6g}" for f in frequencies)
