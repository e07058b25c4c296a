"""Circuits as values, engines that run them, and what can be known about them.

This floor imports nothing from the rest of the package but its exceptions.
"""

from hqzoo.quantum import circuits
from hqzoo.quantum.angles import Angle, feature, weight
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.compiling import CompiledCircuit, Plan, compile_circuit, plan
from hqzoo.quantum.execution import Execution, executed
from hqzoo.quantum.gates import Gate, controlled
from hqzoo.quantum.importers import Imported, from_pennylane, from_qasm, from_qiskit, from_torchquantum
from hqzoo.quantum.layer import QuantumLayer
from hqzoo.quantum.noise import NoiseModel
from hqzoo.quantum.observables import Overlap, Pauli, Probabilities
from hqzoo.quantum.separable import separable

__all__ = [
    "Angle", "Circuit", "CompiledCircuit", "Execution", "Gate", "Imported", "NoiseModel", "Overlap", "Pauli", "Plan",
    "Probabilities", "QuantumLayer", "circuits", "compile_circuit", "controlled", "executed", "feature",
    "from_pennylane", "from_qasm", "from_qiskit", "from_torchquantum", "plan", "separable", "weight",
]  # fmt: skip
