"""PennyLane: ``default.qubit`` with backpropagation and parameter broadcasting, and ``lightning.qubit`` with adjoint.

``default.qubit`` in double precision is also the judge of all rows, see ``benchmarks/quantum/oracle.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported, evaluate, paulis, registers

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate

_NAMES = {"RX": "RX", "RY": "RY", "RZ": "RZ", "IsingZZ": "IsingZZ", "H": "Hadamard", "CNOT": "CNOT", "CZ": "CZ",
          "CSWAP": "CSWAP"}  # fmt: skip


def queue(gates: tuple[Gate, ...] | list[Gate]) -> Callable[[Any, Any], None]:
    """Return a function of data and weights that queues the gates."""
    import pennylane as qml

    if unknown := {gate.label for gate in gates} - set(_NAMES):
        raise Unsupported(f"not written out here: {', '.join(sorted(unknown))}")
    steps = [(getattr(qml, _NAMES[gate.label]), list(gate.support), gate.angles) for gate in gates]

    def run(data: Any, weights: Any) -> None:  # noqa: ANN401
        for operation, wires, angles in steps:
            if angles:
                operation(evaluate(angles[0], data, weights), wires=wires)
            else:
                operation(wires=wires)

    return run


def read(circuit: Circuit) -> list[Any]:
    """Return what measures a circuit's observables."""
    import pennylane as qml

    letters = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}
    return [letters[letter](wire) for letter, wire in paulis(circuit)]


def _default_qubit(circuit: Circuit, device: str) -> Program:
    import pennylane as qml
    import torch

    if pair := registers(circuit):
        n_wires, halves = pair
        nodes = [_state(n_wires, gates) for gates in halves]

        def fidelity(data: Any, weights: Any) -> Any:  # noqa: ANN401
            a, b = (node(data, weights) for node in nodes)
            return (a.conj() * b).sum(-1).abs().square().unsqueeze(1)

        return TorchProgram(fidelity, device)
    gates, observables = queue(circuit.gates), read(circuit)

    @qml.qnode(qml.device("default.qubit", wires=circuit.n_wires), interface="torch", diff_method="backprop")
    def node(data: Any, weights: Any) -> Any:  # noqa: ANN401
        gates(data, weights)
        return [qml.expval(observable) for observable in observables]

    return TorchProgram(lambda data, weights: torch.stack(tuple(node(data, weights)), dim=-1), device)


def _state(n_wires: int, half: list[Gate]) -> Callable[[Any, Any], Any]:
    import pennylane as qml

    gates = queue(half)

    @qml.qnode(qml.device("default.qubit", wires=n_wires), interface="torch", diff_method="backprop")
    def node(data: Any, weights: Any) -> Any:  # noqa: ANN401
        gates(data, weights)
        return qml.state()

    return node


def _lightning(precision: str, circuit: Circuit, device: str) -> Program:
    import numpy as np
    import pennylane as qml
    import torch

    if device != "cpu":
        raise Unsupported("lightning.qubit runs on the CPU; lightning.gpu is another package")
    if registers(circuit):
        raise Unsupported("adjoint differentiates expectation values, not overlaps of two registers")
    gates, observables = queue(circuit.gates), read(circuit)
    simulator = qml.device("lightning.qubit", wires=circuit.n_wires, c_dtype=getattr(np, precision))

    @qml.qnode(simulator, interface="torch", diff_method="adjoint", device_vjp=True)
    def node(data: Any, weights: Any) -> Any:  # noqa: ANN401
        gates(data, weights)
        return [qml.expval(observable) for observable in observables]

    return TorchProgram(lambda data, weights: torch.stack(tuple(node(data, weights)), dim=-1), device)


PEERS = (
    Peer(
        "pennylane", "state vector", _default_qubit, ("pennylane", "torch"), ("pennylane", "torch"),
        "hqzoo[pennylane]", "default.qubit, backprop, parameter broadcasting, torch interface; it computes in double",
    ),
    Peer(
        "lightning", "state vector", partial(_lightning, "complex64"), ("pennylane", "pennylane_lightning", "torch"),
        ("pennylane", "pennylane-lightning", "torch"), "hqzoo[pennylane]",
        "lightning.qubit in complex64, adjoint with device_vjp (all observables in one sweep), batch split into tapes",
    ),
)  # fmt: skip
