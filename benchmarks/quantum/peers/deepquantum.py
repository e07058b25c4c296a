"""DeepQuantum: gates that depend on data are encoders, whose batch it vmaps; weights are set on the others' gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported, evaluate, paulis, registers

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate

_PARAMETRIC = {"RX": "rx", "RY": "ry", "RZ": "rz", "IsingZZ": "rzz"}
_FIXED = {"H": "h", "CNOT": "cnot", "CZ": "cz", "CSWAP": "cswap"}


def _prepare(n_wires: int, gates: tuple[Gate, ...] | list[Gate]) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return the circuit, and a function ``(data, weights) -> states (B, 2^n, 1)`` that runs it."""
    import deepquantum as dq
    import torch

    circuit, encoded, weighted = dq.QubitCircuit(n_wires), [], []
    for gate in gates:
        wires = list(gate.support)
        if gate.label in _FIXED:
            getattr(circuit, _FIXED[gate.label])(*wires)
        elif gate.label in _PARAMETRIC:
            angle = gate.angles[0]
            add, place = getattr(circuit, _PARAMETRIC[gate.label]), wires[0] if len(wires) == 1 else wires
            if angle.data:
                add(place, encode=True)
                encoded.append(angle)
            else:
                add(place, inputs=0.0)  # a buffer, which takes any differentiable value
                weighted.append((circuit.operators[-1], angle))
        else:
            raise Unsupported(f"not written out here: {gate.label}")

    def run(data: Any, weights: Any) -> Any:  # noqa: ANN401
        for operation, angle in weighted:
            operation.init_para(evaluate(angle, data, weights))
        return circuit(torch.stack([evaluate(angle, data, weights) for angle in encoded], dim=1))

    return circuit, run


def _build(circuit: Circuit, device: str) -> Program:
    if device != "cpu":
        raise Unsupported("written for the CPU")
    if pair := registers(circuit):
        n_wires, halves = pair
        (_, student), (_, teacher) = (_prepare(n_wires, gates) for gates in halves)

        def fidelity(data: Any, weights: Any) -> Any:  # noqa: ANN401
            a, b = student(data, weights), teacher(data, weights)
            return (a.conj() * b).sum(1).abs().square()

        return TorchProgram(fidelity)
    qubits, run = _prepare(circuit.n_wires, circuit.gates)
    for letter, wire in paulis(circuit):
        qubits.observable(wires=wire, basis=letter.lower())

    def expectations(data: Any, weights: Any) -> Any:  # noqa: ANN401
        run(data, weights)
        return qubits.expectation()

    return TorchProgram(expectations)


PEERS = (
    Peer(
        "deepquantum", "state vector", _build, ("deepquantum", "torch"), ("deepquantum", "torch"), "deepquantum",
        "QubitCircuit: data through encoders (vmap over the batch), weights set on their gates, one observable a wire",
    ),
)  # fmt: skip
