"""All simulators of the table, by name: one file a library."""

from __future__ import annotations

from benchmarks.quantum.peers import (
    deepquantum,
    fastqml,
    hqzoo,
    pennylane,
    pyqtorch,
    quimb,
    tensorcircuit,
    torchquantum,
    triton_qml,
)
from benchmarks.quantum.peers.base import Peer

__all__ = ["PEERS"]

PEERS: dict[str, Peer] = {
    peer.name: peer
    for module in (
        hqzoo, torchquantum, pennylane, tensorcircuit, quimb, fastqml, pyqtorch, deepquantum, triton_qml,
    )
    for peer in module.PEERS
}  # fmt: skip
"""Rows in the order of the table."""
