"""The judge: PennyLane's ``default.qubit`` in double precision, sample by sample."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quantum.cases import CASES, CHECK_ROWS, Case, Inputs, inputs
from benchmarks.quantum.peers.base import registers
from benchmarks.quantum.peers.pennylane import queue, read

if TYPE_CHECKING:
    from hqzoo.quantum import Circuit

__all__ = ["Truth", "judge", "main"]


class Truth:
    """What every row must give: outputs and gradients of the first rows of a case.

    Args:
        rows: The inputs of these rows.
        outputs: ``(R, n_observables)``.
        data: Gradients ``(R, n_data)`` of the outputs contracted with the cotangent.
        weights: Gradients ``(R, n_weights)``, one row per sample.
    """

    def __init__(self, rows: Inputs, outputs: np.ndarray, data: np.ndarray, weights: np.ndarray) -> None:
        self.rows, self.outputs, self.data, self.weights = rows, outputs, data, weights

    def error(self, batch: int, outputs: np.ndarray, gradients: tuple[np.ndarray, np.ndarray] | None) -> float:
        """Return the largest error of a batch of these rows, repeated.

        Outputs count absolutely, gradients relative to the largest one (and to 1). A wrong shape and numbers that are
        not finite count as infinite.
        """
        rows = np.arange(batch) % len(self.outputs)
        pairs = [(outputs, self.outputs[rows], 1.0)]
        if gradients is not None:
            for given, expected in zip(gradients, (self.data[rows], self.weights[rows].sum(0)), strict=True):
                pairs.append((given, expected, max(1.0, float(np.abs(expected).max(initial=0)))))
        worst = 0.0
        for given, expected, scale in pairs:
            if given.shape != expected.shape or not np.isfinite(given).all():
                return float("inf")
            worst = max(worst, float(np.abs(given - expected).max(initial=0)) / scale)
        return worst

    def save(self, path: Path) -> None:
        """Write to a file."""
        rows = self.rows
        np.savez(path, x=rows.data, w=rows.weights, c=rows.cotangent, y=self.outputs, dx=self.data, dw=self.weights)

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read from a file."""
        with np.load(path) as file:
            return cls(Inputs(file["x"], file["w"], file["c"]), file["y"], file["dx"], file["dw"])


def judge(case: Case, small: bool = False) -> Truth:
    """Compute the truth of a case."""
    import torch

    circuit = case.circuit(small)
    rows = inputs(case, circuit, CHECK_ROWS)
    node = _node(circuit)
    weights = torch.from_numpy(rows.weights).double().requires_grad_()
    results: list[list[Any]] = [[], [], []]
    for sample, cotangent in zip(rows.data, rows.cotangent, strict=True):
        data = torch.from_numpy(sample).double().requires_grad_()
        outputs = node(data, weights)
        gradients = torch.autograd.grad(
            outputs, (data, weights), torch.from_numpy(cotangent).double(), allow_unused=True, materialize_grads=True
        )
        for column, value in zip(results, (outputs, *gradients), strict=True):
            column.append(value.detach().numpy())
    return Truth(rows, *(np.stack(column) for column in results))


def _node(circuit: Circuit) -> Any:  # noqa: ANN401 - PennyLane is untyped
    import pennylane as qml
    import torch

    pair, gates = registers(circuit), queue(circuit.gates)
    observables = [] if pair else read(circuit)

    @qml.qnode(qml.device("default.qubit", wires=circuit.n_wires), interface="torch", diff_method="backprop")
    def node(data: Any, weights: Any) -> Any:  # noqa: ANN401
        gates(data, weights)
        return qml.state() if pair else [qml.expval(observable) for observable in observables]

    def outputs(data: Any, weights: Any) -> Any:  # noqa: ANN401
        result = node(data, weights)
        if not pair:
            return torch.stack(tuple(result))
        wires_a, wires_b = circuit.observables[0].wires_a, circuit.observables[0].wires_b
        state = result.reshape([2] * circuit.n_wires).permute(*wires_a, *wires_b).reshape(2 ** pair[0], -1)
        return (state.conj() * state.T).sum().real.unsqueeze(0)  # <state| swap |state>, whatever the entanglement

    return outputs


def main() -> None:
    """Write the truth of the case named by the first argument to the second; ``small`` may follow."""
    name, path, *rest = sys.argv[1:]
    judge(CASES[name], small="small" in rest).save(Path(path))


if __name__ == "__main__":
    main()
