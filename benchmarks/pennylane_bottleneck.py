"""A hybrid bottleneck as a PennyLane user writes it: HQ-UNet's 16-qubit circuit as a TorchLayer between linear layers.

hqzoo accelerate benchmarks/pennylane_bottleneck.py:build --json benchmarks/results/accelerate.json
"""

from __future__ import annotations

import pennylane as qml
import torch
from torch import nn

ROWS = COLUMNS = 4
WIRES = ROWS * COLUMNS
BATCH = 16


def build() -> tuple[nn.Module, torch.Tensor]:
    """Return the model, and a sample of 16 patches with 64 features."""

    @qml.qnode(qml.device("default.qubit", wires=WIRES), interface="torch", diff_method="backprop")
    def circuit(inputs: torch.Tensor, row: torch.Tensor, column: torch.Tensor) -> list[torch.Tensor]:
        for k, rotation in enumerate((qml.RX, qml.RY, qml.RZ)):
            for wire in range(WIRES):
                rotation(inputs[..., k * WIRES + wire], wires=wire)
        for wire in range(WIRES):
            if wire % COLUMNS < COLUMNS - 1:
                pair(row, wire, wire + 1)
        for column_number in range(COLUMNS):
            for wire in range(column_number, WIRES - COLUMNS, COLUMNS):
                pair(column, wire, wire + COLUMNS)
        return [qml.expval(letter(wire)) for letter in (qml.Z, qml.X) for wire in range(WIRES)]

    def pair(weights: torch.Tensor, first: int, second: int) -> None:
        qml.RY(weights[0], wires=first)
        qml.RY(weights[1], wires=second)
        qml.CNOT(wires=[first, second])
        qml.RY(weights[2], wires=first)
        qml.RY(weights[3], wires=second)

    torch.manual_seed(0)
    layer = qml.qnn.TorchLayer(circuit, {"row": 4, "column": 4})
    return nn.Sequential(nn.Linear(64, 3 * WIRES), nn.Tanh(), layer, nn.Linear(2 * WIRES, 64)), torch.randn(BATCH, 64)
