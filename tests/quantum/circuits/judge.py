"""What the tests of named circuits share: PennyLane as judge, and which data or weights an output depends on."""

import pennylane as qml
import torch

from hqzoo.quantum import Circuit, Overlap, Probabilities, compile_circuit
from tests.quantum.oracle import _apply, _observable


def sample(circuit: Circuit, batch: int = 2, seed: int = 0, dtype=torch.float64):
    """Data in [-1, 1] and weights in [0, 2π], both with gradients."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(batch, circuit.n_data, generator=generator, dtype=dtype) * 2 - 1
    weights = torch.rand(circuit.n_weights, generator=generator, dtype=dtype) * 2 * torch.pi
    return inputs.requires_grad_(), weights.requires_grad_()


def pennylane(circuit: Circuit, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Outputs ``(B, n_observables)`` of ``default.qubit``; probabilities and overlaps by PennyLane's own operations."""

    @qml.qnode(qml.device("default.qubit", wires=circuit.n_wires), interface="torch", diff_method="backprop")
    def run(x):
        for gate in circuit.gates:
            _apply(gate, x, weights)
        return [_measure(observable) for observable in circuit.observables]

    return torch.stack([torch.cat([torch.atleast_1d(out) for out in run(x)]) for x in inputs])


def _measure(observable):
    if isinstance(observable, Probabilities):
        return qml.probs(wires=observable.wires)
    if isinstance(observable, Overlap):
        pairs = zip(observable.wires_a, observable.wires_b, strict=True)
        return qml.expval(qml.prod(*(qml.Hermitian(qml.SWAP.compute_matrix(), pair) for pair in pairs)))
    return qml.expval(_observable(observable))


def jacobians(circuit: Circuit, seed: int = 0):
    """Largest absolute derivatives over three random points: ``(n_observables, n_data)`` and ``(.., n_weights)``."""
    function = compile_circuit(circuit, dtype=torch.float64)
    inputs, weights = sample(circuit, batch=3, seed=seed)
    worst = None
    for x in inputs.detach():
        both = torch.autograd.functional.jacobian(lambda x, w: function(x, w), (x, weights.detach()))
        both = [part.abs() for part in both]
        worst = both if worst is None else [torch.maximum(a, b) for a, b in zip(worst, both, strict=True)]
    return worst


def cells_seen(circuit: Circuit, n_cells: int) -> list[int]:
    """How many of the grid's cells each output depends on; data are whole grids, one after the other."""
    by_data, _ = jacobians(circuit)
    per_cell = by_data.view(len(by_data), -1, n_cells).amax(1)
    return (per_cell > 1e-9).sum(1).tolist()
