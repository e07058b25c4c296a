"""PyQTorch: named parameters, one run of the circuit, and every observable's expectation value of its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported, evaluate, paulis, registers

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate


def _operations(gate: Gate, angles: dict[str, Any]) -> list[Any]:
    """Return PyQTorch's operations of a gate; its angle goes into ``angles`` under the name that they use."""
    import pyqtorch as pyq

    wires = gate.support
    if gate.angles:
        angles[str(gate.angles[0])] = gate.angles[0]
    match gate.label:
        case "RX" | "RY" | "RZ":
            return [getattr(pyq, gate.label)(wires[0], str(gate.angles[0]))]
        case "IsingZZ":  # it has none of its own
            around = pyq.CNOT(*wires)
            return [around, pyq.RZ(wires[1], str(gate.angles[0])), around]
        case "H":
            return [pyq.H(wires[0])]
        case "CNOT" | "CZ":
            return [getattr(pyq, gate.label)(*wires)]
        case "CSWAP":
            return [pyq.CSWAP(wires[0], wires[1:])]
    raise Unsupported(f"not written out here: {gate.label}")


def _prepare(n_wires: int, gates: tuple[Gate, ...] | list[Gate], device: str) -> Callable[[Any, Any], Any]:
    """Return a function ``(data, weights) -> states (2, ..., 2, B)``."""
    import pyqtorch as pyq
    import torch

    angles: dict[str, Any] = {}
    operations = [operation for gate in gates for operation in _operations(gate, angles)]
    circuit = pyq.QuantumCircuit(n_wires, operations).to(device=torch.device(device), dtype=torch.complex64)

    def run(data: Any, weights: Any) -> Any:  # noqa: ANN401
        values = {name: evaluate(angle, data, weights) for name, angle in angles.items()}
        return circuit.run(circuit.init_state(data.shape[0]), values)

    return run


def _build(circuit: Circuit, device: str) -> Program:
    import pyqtorch as pyq
    import torch

    if pair := registers(circuit):
        n_wires, halves = pair
        student, teacher = (_prepare(n_wires, gates, device) for gates in halves)

        def fidelity(data: Any, weights: Any) -> Any:  # noqa: ANN401
            return pyq.inner_prod(student(data, weights), teacher(data, weights)).abs().square().unsqueeze(1)

        return TorchProgram(fidelity, device)
    run = _prepare(circuit.n_wires, circuit.gates, device)
    observables = [
        pyq.Observable(getattr(pyq, letter)(wire)).to(device=torch.device(device), dtype=torch.complex64)
        for letter, wire in paulis(circuit)
    ]

    def expectations(data: Any, weights: Any) -> Any:  # noqa: ANN401
        state = run(data, weights)
        return torch.stack([observable.expectation(state) for observable in observables], dim=1)

    return TorchProgram(expectations, device)


PEERS = (
    Peer(
        "pyqtorch", "state vector", _build, ("pyqtorch", "torch"), ("pyqtorch", "torch"), "pyqtorch",
        "QuantumCircuit in complex64 with named batched parameters, autograd, one run for all observables",
    ),
)  # fmt: skip
