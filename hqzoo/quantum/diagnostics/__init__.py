"""What can be known about a circuit without training it: what reaches its outputs, what it can express, what it costs.

Everything is exact or a stated estimate with a seed; random data are uniform in [-1, 1], random weights in [0, 2π].
"""

from hqzoo.quantum.diagnostics.cones import CausalCone, causal_cones
from hqzoo.quantum.diagnostics.diagnosis import Diagnosis, diagnose
from hqzoo.quantum.diagnostics.entanglement import entangling_capability, meyer_wallach
from hqzoo.quantum.diagnostics.expressibility import expressibility, fidelities
from hqzoo.quantum.diagnostics.gradients import (
    GradientVariance,
    Plateau,
    affordable_gradients,
    barren_plateau,
    gradient_variance,
)
from hqzoo.quantum.diagnostics.hardware import HardwareCost, hardware_cost, measurement_bases
from hqzoo.quantum.diagnostics.inert import inert_data, inert_weights, warn_of_inert_weights
from hqzoo.quantum.diagnostics.redundant import LinearRedundancy, behind_linear, redundant_directions
from hqzoo.quantum.diagnostics.spectrum import FourierSpectrum, fourier_spectrum, reachable_frequencies

__all__ = [
    "CausalCone", "Diagnosis", "FourierSpectrum", "GradientVariance", "HardwareCost", "LinearRedundancy", "Plateau",
    "affordable_gradients", "barren_plateau", "behind_linear", "causal_cones", "diagnose", "entangling_capability",
    "expressibility", "fidelities", "fourier_spectrum", "gradient_variance", "hardware_cost", "inert_data",
    "inert_weights", "measurement_bases", "meyer_wallach", "reachable_frequencies", "redundant_directions",
    "warn_of_inert_weights",
]  # fmt: skip
