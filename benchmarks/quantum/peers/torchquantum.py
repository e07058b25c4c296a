"""TorchQuantum as its own users write it: a batched device, functional gates, ``MeasureAll``.

Z is read first; for X a layer of Hadamards follows and Z is read again, because ``MeasureAll(tq.PauliX)`` would rotate
the device in place and spoil whatever is read after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported, evaluate, paulis, registers

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit, Gate

_NAMES = {"RX": "rx", "RY": "ry", "RZ": "rz", "IsingZZ": "rzz", "H": "hadamard", "CNOT": "cnot", "CZ": "cz",
          "CSWAP": "cswap"}  # fmt: skip


def _runner(n_wires: int, gates: tuple[Gate, ...] | list[Gate], device: str) -> Callable[[Any, Any], Any]:
    """Return a function ``(data, weights) -> tq.QuantumDevice`` after all gates."""
    import torchquantum as tq
    import torchquantum.functional as tqf

    if unknown := {gate.label for gate in gates} - set(_NAMES):
        raise Unsupported(f"not written out here: {', '.join(sorted(unknown))}")
    steps = [(getattr(tqf, _NAMES[gate.label]), list(gate.support), gate.angles) for gate in gates]

    def run(data: Any, weights: Any) -> Any:  # noqa: ANN401
        qdev = tq.QuantumDevice(n_wires=n_wires, bsz=data.shape[0], device=device)
        for function, wires, angles in steps:
            if angles:
                function(qdev, wires=wires, params=evaluate(angles[0], data, weights))
            else:
                function(qdev, wires=wires)
        return qdev

    return run


def _build(circuit: Circuit, device: str) -> Program:
    import torch
    import torchquantum as tq
    import torchquantum.functional as tqf

    if pair := registers(circuit):
        n_wires, halves = pair
        student, teacher = (_runner(n_wires, gates, device) for gates in halves)

        def fidelity(data: Any, weights: Any) -> Any:  # noqa: ANN401
            a, b = student(data, weights).get_states_1d(), teacher(data, weights).get_states_1d()
            return (a.conj() * b).sum(1).abs().square().unsqueeze(1)

        return TorchProgram(fidelity, device)
    run, wanted = _runner(circuit.n_wires, circuit.gates, device), paulis(circuit)
    letters = {letter for letter, _ in wanted}
    if letters - {"X", "Z"}:
        raise Unsupported("written for X and Z")
    everywhere = list(range(circuit.n_wires))
    read = {letter: [wire for one, wire in wanted if one == letter] for letter in "ZX" if letter in letters}
    given = [(letter, wire) for letter, wires in read.items() for wire in wires]
    order = None if given == wanted else torch.tensor([given.index(one) for one in wanted], device=device)

    def expectations(data: Any, weights: Any) -> Any:  # noqa: ANN401
        qdev, columns = run(data, weights), []
        for letter, wires in read.items():
            if letter == "X":
                for wire in wires:
                    tqf.hadamard(qdev, wires=wire)
            if wires == everywhere:
                columns.append(tq.MeasureAll(tq.PauliZ)(qdev))
            else:
                columns.append(tq.expval(qdev, wires, [tq.PauliZ()] * len(wires)))
        values = torch.cat(columns, dim=1) if len(columns) > 1 else columns[0]
        return values if order is None else values[:, order]

    return TorchProgram(expectations, device)


PEERS = (
    Peer(
        "torchquantum", "state vector", _build, ("torchquantum",), ("torchquantum", "torch"), "hqzoo[torchquantum]",
        "native: QuantumDevice(bsz), functional gates with batched parameters, MeasureAll; eager", min_runs=10,
    ),
)  # fmt: skip
