"""The ``torchquantum`` engine: a circuit on TorchQuantum 0.1.8's batched simulator, the peer to compare with.

Forward and first gradient, single precision, eager, Python below 3.13. What is known to go wrong in that library is
avoided here: a device is built afresh for every batch, because ``expval`` rotates its states in place and a used
device cannot be copied; inverses are never asked for, because its operators fail on them; gates whose functions
fail (``ch``, ``toffoli``, ``cp``, a batched ``cu3``) go in as matrices; empty batches never reach it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.extras import need
from hqzoo.quantum.engines.size import SizeError
from hqzoo.quantum.gates import Gate
from hqzoo.quantum.observables import Overlap, Pauli, Probabilities

__all__ = ["TorchQuantumEngine"]

MAX_WIRES = 24
_NATIVE = {
    ("I", 0): "i", ("X", 0): "paulix", ("Y", 0): "pauliy", ("Z", 0): "pauliz", ("H", 0): "hadamard", ("S", 0): "s",
    ("T", 0): "t", ("RX", 0): "rx", ("RY", 0): "ry", ("RZ", 0): "rz", ("PhaseShift", 0): "phaseshift", ("U3", 0): "u3",
    ("SWAP", 0): "swap", ("IsingXX", 0): "rxx", ("IsingYY", 0): "ryy", ("IsingZZ", 0): "rzz", ("X", 1): "cnot",
    ("Y", 1): "cy", ("Z", 1): "cz", ("RX", 1): "crx", ("RY", 1): "cry", ("RZ", 1): "crz", ("SWAP", 1): "cswap",
}  # fmt: skip
"""TorchQuantum's functions that work, by base gate and number of controls; everything else goes in as a matrix."""


class TorchQuantumEngine(Engine):
    """Expectation values from TorchQuantum's state-vector simulator.

    Args:
        circuit: The circuit to run.
        dtype: ``torch.float32``; TorchQuantum computes in complex64 only.

    Raises:
        CircuitError: If TorchQuantum is not installed, double precision is asked for, or there are too many wires.
    """

    def __init__(self, circuit: Circuit, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        if dtype != torch.float32:
            raise CircuitError(
                f"engine='torchquantum' was asked for dtype={dtype}, but it computes in complex64 only. "
                "Use dtype=torch.float32, or engine='statevector' for double precision."
            )
        if circuit.n_wires > MAX_WIRES:
            raise SizeError(
                f"engine='torchquantum' would hold 2^{circuit.n_wires} amplitudes; the limit is {MAX_WIRES} wires.",
                "Try engine='auto', which takes 'cone' where the observables see little enough of the circuit.",
            )
        need("torchquantum", "torchquantum", "engine='torchquantum'", below_python=(3, 13))
        self.circuit = circuit
        self._paulis = [observable for observable in circuit.observables if isinstance(observable, Pauli)]
        self._bases = _common_bases(self._paulis)

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        if not data.shape[0]:  # TorchQuantum cannot reshape an empty batch
            return data.new_zeros(0, self.circuit.n_observables) + weights.sum() * 0
        device = self._device(data.shape[0], data.device)
        for gate in self.circuit.gates:
            _apply(gate, device, data, weights)
        states = device.states
        strings = self._strings(states)
        columns = []
        for observable in self.circuit.observables:
            match observable:
                case Pauli():
                    columns.append(strings[observable].unsqueeze(1))
                case Probabilities():
                    columns.append(_probabilities(observable, _squares(states)))
                case Overlap():
                    columns.append(self._overlap(observable, states).unsqueeze(1))
        return torch.cat(columns, dim=1)

    def _device(self, batch: int, device: torch.device) -> Any:  # noqa: ANN401 - TorchQuantum is untyped
        import torchquantum as tq

        return tq.QuantumDevice(n_wires=self.circuit.n_wires, bsz=batch, device=device)

    def _from(self, states: Tensor) -> Any:  # noqa: ANN401 - TorchQuantum is untyped
        """Return a device of its own in the given states, which operations then leave alone."""
        device = self._device(1, states.device)
        device.set_states(states)
        return device

    def _strings(self, states: Tensor) -> dict[Pauli, Tensor]:
        """Return the expectation values ``(B,)`` of all Pauli strings, basis by basis."""
        from torchquantum import functional as tqf

        values: dict[Pauli, Tensor] = {}
        for basis, members in self._bases:
            device = self._from(states)
            for wire, letter in basis.items():
                if letter == "Y":
                    tqf.sdg(device, wires=wire)
                if letter in "XY":
                    tqf.hadamard(device, wires=wire)
            squares = _squares(device.states)
            for pauli in members:
                marginal = _marginal(squares, pauli.wires)
                sign = torch.ones(1, device=states.device)
                for _ in pauli.wires:
                    sign = torch.cat([sign, -sign])
                values[pauli] = torch.mv(marginal.flatten(1), sign)
        return values

    def _overlap(self, overlap: Overlap, states: Tensor) -> Tensor:
        from torchquantum import functional as tqf

        device = self._from(states)
        for a, b in zip(overlap.wires_a, overlap.wires_b, strict=True):
            tqf.swap(device, wires=[a, b])
        swapped: Tensor = (states.conj() * device.states).real.flatten(1).sum(1)
        return swapped


def _common_bases(paulis: list[Pauli]) -> list[tuple[dict[int, str], list[Pauli]]]:
    """Group strings that can be read after the same rotations: no two hold different letters on a wire."""
    groups: list[tuple[dict[int, str], list[Pauli]]] = []
    for pauli in dict.fromkeys(paulis):
        letters = dict(zip(pauli.wires, pauli.letters, strict=True))
        for basis, members in groups:
            if all(basis.get(wire, letter) == letter for wire, letter in letters.items()):
                basis.update(letters)
                members.append(pauli)
                break
        else:
            groups.append((letters, [pauli]))
    return groups


def _squares(states: Tensor) -> Tensor:
    """Return the outcome probabilities ``(B, 2, ..., 2)``."""
    return states.real**2 + states.imag**2


def _marginal(squares: Tensor, wires: tuple[int, ...]) -> Tensor:
    """Return the probabilities ``(B, 2, ..., 2)`` of the wires' outcomes, in the order of the wires."""
    others = [1 + wire for wire in range(squares.dim() - 1) if wire not in wires]
    kept = squares.sum(others) if others else squares
    ranks = sorted(wires)
    return kept.permute(0, *(1 + ranks.index(wire) for wire in wires))


def _probabilities(observable: Probabilities, squares: Tensor) -> Tensor:
    return _marginal(squares, observable.wires).flatten(1)


def _apply(gate: Gate, device: Any, data: Tensor, weights: Tensor) -> None:  # noqa: ANN401 - TorchQuantum is untyped
    from torchquantum.functional import func_name_dict

    angles = [_value(angle, data, weights) for angle in gate.angles]
    wires = list(gate.support)
    if name := _NATIVE.get((gate.name, len(gate.controls))):
        batch = max((angle.shape[0] for angle in angles), default=1)
        params = torch.cat([angle.expand(batch, 1) for angle in angles], dim=1) if angles else None
        func_name_dict[name](device, wires=wires, params=params)
    else:
        func_name_dict["qubitunitaryfast"](device, wires=wires, params=_matrix(gate, angles, data))


def _value(angle: Angle, data: Tensor, weights: Tensor) -> Tensor:
    """Return an angle in radians, ``(B, 1)`` where it depends on the data, else ``(1, 1)``."""
    value = data.new_full((1, 1), angle.constant)
    for index, coefficient in angle.weight:
        value = value + coefficient * weights[index]
    for index, coefficient in angle.data:
        value = value + coefficient * data[:, index : index + 1]
    return value


def _matrix(gate: Gate, angles: list[Tensor], data: Tensor) -> Tensor:
    """Return the matrix of a gate with its controls, ``(1 or B, 2^k, 2^k)`` in complex64."""
    import torchquantum as tq
    from torchquantum.functional import func_name_dict

    if gate.matrix is not None:
        inner = torch.tensor(gate.matrix, dtype=torch.complex64, device=data.device).unsqueeze(0)
    else:
        # The base gate's columns are what it makes of the basis states, one sample after the other.
        n = len(gate.wires)
        batch = max((angle.shape[0] for angle in angles), default=1)
        params = torch.cat([angle.expand(batch, 1) for angle in angles], dim=1) if angles else None
        device = tq.QuantumDevice(n_wires=n, bsz=1, device=data.device)
        identity = torch.eye(2**n, dtype=torch.complex64, device=data.device).repeat(batch, 1)
        device.set_states(identity)
        if params is not None:
            params = params.repeat_interleave(2**n, dim=0)
        func_name_dict[_NATIVE[gate.name, 0]](device, wires=list(range(n)), params=params)
        inner = device.get_states_1d().reshape(batch, 2**n, 2**n).transpose(1, 2)
    size, block = 2 ** len(gate.support), inner.shape[-1]
    if size == block:
        return inner
    # Controls come first and must all be 1: the gate is the last block of an identity.
    return torch.nn.functional.pad(inner, (size - block, 0, size - block, 0)) + torch.diag(
        torch.tensor([1.0] * (size - block) + [0.0] * block, dtype=torch.complex64, device=data.device)
    )
