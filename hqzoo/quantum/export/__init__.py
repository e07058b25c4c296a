"""Circuits in other people's formats, and back: OpenQASM 3, Qiskit, PennyLane.

Qiskit and PennyLane are extras, imported when a circuit is exported to them.
"""

from hqzoo.quantum.export.pennylane import from_pennylane, to_pennylane
from hqzoo.quantum.export.qasm import from_qasm, to_qasm
from hqzoo.quantum.export.qiskit import from_qiskit, qiskit_observables, to_qiskit

__all__ = [
    "from_pennylane", "from_qasm", "from_qiskit", "qiskit_observables", "to_pennylane", "to_qasm", "to_qiskit",
]  # fmt: skip
