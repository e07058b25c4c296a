"""Circuits in other people's formats: OpenQASM 3, Qiskit, PennyLane.

Qiskit and PennyLane are extras, imported when a circuit is exported to them.
"""

from hqzoo.quantum.export.pennylane import to_pennylane
from hqzoo.quantum.export.qasm import to_qasm
from hqzoo.quantum.export.qiskit import qiskit_observables, to_qiskit

__all__ = ["qiskit_observables", "to_pennylane", "to_qasm", "to_qiskit"]
