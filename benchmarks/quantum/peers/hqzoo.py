"""This repository's engines, and its adapter to TorchQuantum as a row of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.quantum.peers.base import Peer, Program, TorchProgram, Unsupported

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit


def _build(engine: str, compiled: bool, circuit: Circuit, device: str) -> Program:
    import torch

    from hqzoo.errors import CircuitError
    from hqzoo.quantum import compile_circuit

    try:
        function = compile_circuit(circuit, engine).to(device)
    except CircuitError as error:
        raise Unsupported(str(error)) from error
    if not compiled:
        return TorchProgram(function, device)
    mode = "reduce-overhead" if device == "cuda" else None  # CUDA graphs
    return TorchProgram(torch.compile(function, fullgraph=True, dynamic=False, mode=mode), device)


_INDUCTOR = ("hqzoo.quantum", "torch._dynamo", "torch._inductor.compile_fx")

PEERS = (
    Peer(
        "hqzoo", "exact", partial(_build, "auto", False), ("hqzoo.quantum",), ("hqzoo", "torch"),
        "hqzoo", "engine='auto', eager", ours=True,
    ),
    Peer(
        "hqzoo-compiled", "exact", partial(_build, "auto", True),
        _INDUCTOR, ("hqzoo", "torch"),
        "hqzoo", "engine='auto' under torch.compile (Inductor, fullgraph)", ours=True,
    ),
    Peer(
        "hqzoo-cone", "exact", partial(_build, "cone", False), ("hqzoo.quantum",), ("hqzoo", "torch"),
        "hqzoo", "engine='cone', eager", ours=True,
    ),
    Peer(
        "hqzoo-statevector", "state vector", partial(_build, "statevector", False), ("hqzoo.quantum",),
        ("hqzoo", "torch"), "hqzoo", "engine='statevector', eager", ours=True,
    ),
    Peer(
        "hqzoo-statevector-compiled", "state vector", partial(_build, "statevector", True), _INDUCTOR,
        ("hqzoo", "torch"), "hqzoo", "engine='statevector' under torch.compile (Inductor, fullgraph)", ours=True,
    ),
    Peer(
        "hqzoo-torchquantum", "state vector", partial(_build, "torchquantum", False),
        ("hqzoo.quantum", "torchquantum"), ("hqzoo", "torchquantum", "torch"), "hqzoo[torchquantum]",
        "our adapter: the same Circuit on TorchQuantum's simulator", min_runs=10,
    ),
)  # fmt: skip
