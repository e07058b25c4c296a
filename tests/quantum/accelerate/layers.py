"""Hybrid layers as PennyLane's own users write them."""

import pennylane as qml
import torch


def hq_unet_layer(rows: int, cols: int, calls: list | None = None) -> qml.qnn.TorchLayer:
    """HQ-UNet's non-pooling quantum convolution, written naturally."""
    n = rows * cols

    def pair_filter(w, a, b):
        qml.RY(w[0], wires=a)
        qml.RY(w[1], wires=b)
        qml.CNOT(wires=[a, b])
        qml.RY(w[2], wires=a)
        qml.RY(w[3], wires=b)

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def circuit(inputs, row, col):
        for k, rotation in enumerate((qml.RX, qml.RY, qml.RZ)):
            for q in range(n):
                rotation(inputs[..., k * n + q], wires=q)
        for r in range(rows):
            for c in range(cols - 1):
                pair_filter(row, cols * r + c, cols * r + c + 1)
        for c in range(cols):
            for r in range(rows - 1):
                pair_filter(col, cols * r + c, cols * (r + 1) + c)
        return [qml.expval(qml.Z(q)) for q in range(n)] + [qml.expval(qml.X(q)) for q in range(n)]

    return qml.qnn.TorchLayer(circuit, {"row": 4, "col": 4})


def layer(build, weights: dict, n_wires: int = 3, device: str = "default.qubit", **options) -> qml.qnn.TorchLayer:
    """A TorchLayer of ``build(inputs, **weights)``, whose signature PennyLane looks at."""
    return qml.qnn.TorchLayer(qml.QNode(build, qml.device(device, wires=n_wires), **options), weights)


def entangling(n_layers: int = 2, n: int = 3, returns=None) -> qml.qnn.TorchLayer:
    """The layer of PennyLane's tutorial: templates, and one weight array of three dimensions."""

    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(n))
        qml.StronglyEntanglingLayers(weights, wires=range(n))
        return returns() if returns else [qml.expval(qml.Z(q)) for q in range(n)]

    return layer(circuit, {"weights": (n_layers, n, 3)}, n)


def hybrid_model() -> torch.nn.Module:
    """A classical network around the tutorial's layer, for ``hqzoo accelerate MODULE:FACTORY``."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.BatchNorm1d(3), entangling(), torch.nn.Linear(3, 2))
