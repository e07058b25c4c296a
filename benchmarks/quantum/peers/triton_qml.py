"""Triton-QML, GPU only: runs of gates on at most four wires go through its fused kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported, evaluate, paulis, registers

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate

MAX_FUSED = 4
_NAMES = {"RX": "rx", "RY": "ry", "RZ": "rz", "IsingZZ": "rzz", "H": "h", "CNOT": "cnot", "CZ": "cz"}


def _operations(gate: Gate) -> list[tuple[str, list[int], tuple[Any, ...]]]:
    """Return names, wires and angles of its own gates."""
    if gate.label == "CSWAP":  # not among its gates: a Toffoli between two CNOTs
        control, a, b = gate.support
        return [("cnot", [b, a], ()), ("ccx", [control, a, b], ()), ("cnot", [b, a], ())]
    if gate.label not in _NAMES:
        raise Unsupported(f"not written out here: {gate.label}")
    return [(_NAMES[gate.label], list(gate.support), gate.angles)]


def _blocks(gates: tuple[Gate, ...] | list[Gate]) -> list[list[tuple[str, list[int], tuple[Any, ...]]]]:
    """Cut the sequence into runs on at most four wires."""
    blocks: list[list[tuple[str, list[int], tuple[Any, ...]]]] = []
    wires: set[int] = set()
    for operation in (operation for gate in gates for operation in _operations(gate)):
        if not blocks or len(wires | set(operation[1])) > MAX_FUSED:
            blocks.append([])
            wires = set()
        blocks[-1].append(operation)
        wires |= set(operation[1])
    return blocks


def _runner(
    n_wires: int, gates: tuple[Gate, ...] | list[Gate], device: str, backend: str
) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return the simulator, and a function ``(data, weights) -> states (B, 2^n)``."""
    from triton_qml.simulator import FunctionalQuantumSimulator

    simulator, blocks = FunctionalQuantumSimulator(n_wires, device=device, backend_type=backend), _blocks(gates)

    def run(data: Any, weights: Any) -> Any:  # noqa: ANN401
        state = simulator.create_initial_state(data.shape[0])
        for block in blocks:
            operations = [
                [name, wires[0] if len(wires) == 1 else wires, *(evaluate(angle, data, weights) for angle in angles)]
                for name, wires, angles in block
            ]
            state = simulator.apply_fused_gates(state, operations)
        return state

    return simulator, run


def build(backend: str, circuit: Circuit, device: str) -> Program:
    """Return the program; its ``pytorch`` backend serves the tests on machines without a GPU."""
    import torch

    if device == "cpu" and backend == "triton":
        raise Unsupported("its Triton kernels need a CUDA GPU: run with --device cuda")
    if pair := registers(circuit):
        n_wires, halves = pair
        (_, student), (_, teacher) = (_runner(n_wires, gates, device, backend) for gates in halves)

        def fidelity(data: Any, weights: Any) -> Any:  # noqa: ANN401
            return (student(data, weights).conj() * teacher(data, weights)).sum(1).abs().square().unsqueeze(1)

        return TorchProgram(fidelity, device)
    simulator, run = _runner(circuit.n_wires, circuit.gates, device, backend)
    strings = [
        "".join(letter if w == wire else "I" for w in range(circuit.n_wires)) for letter, wire in paulis(circuit)
    ]

    def expectations(data: Any, weights: Any) -> Any:  # noqa: ANN401
        state = run(data, weights)
        return torch.stack([simulator.calc_exp_val(state, observable=string) for string in strings], dim=1)

    return TorchProgram(expectations, device)


PEERS = (
    Peer(
        "triton-qml", "state vector", partial(build, "triton"), ("triton_qml.simulator", "torch"),
        ("triton-qml", "torch"), "triton-qml", "GPU only: fused kernels over runs of gates on at most four wires",
    ),
)  # fmt: skip
