"""Circuits of other libraries as ours: OpenQASM, Qiskit, PennyLane, TorchQuantum.

The libraries are extras, imported when something of theirs is read.
"""

from hqzoo.quantum.importers.imported import Imported
from hqzoo.quantum.importers.pennylane import from_pennylane
from hqzoo.quantum.importers.qasm import from_qasm
from hqzoo.quantum.importers.qiskit import from_qiskit
from hqzoo.quantum.importers.torchquantum import from_torchquantum

__all__ = ["Imported", "from_pennylane", "from_qasm", "from_qiskit", "from_torchquantum"]
