"""The ``statevector`` engine: the whole state on separate real and imaginary planes."""

from __future__ import annotations

import torch
from torch import Tensor

from hqzoo.errors import CircuitError
from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.pauli import PauliString, rotations

__all__ = ["StatevectorEngine"]

MAX_WIRES = 24
Planes = tuple[Tensor, Tensor]


class StatevectorEngine(Engine):
    """Exact expectation values from all ``2^n`` amplitudes.

    Every gate is applied as Pauli rotations ``cos(t/2) - i sin(t/2) P``, where ``P`` permutes amplitudes and flips
    signs.

    Args:
        circuit: The circuit to run.
        dtype: ``torch.float32`` or ``torch.float64``.

    Raises:
        CircuitError: If the circuit has more wires than a state vector can hold.
    """

    def __init__(self, circuit: Circuit, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        if circuit.n_wires > MAX_WIRES:
            raise CircuitError(
                f"A state vector of {circuit.n_wires} wires has 2^{circuit.n_wires} amplitudes; the limit is "
                f"{MAX_WIRES} wires. Use engine='cone', which needs only what the observables see."
            )
        self.circuit = circuit
        self._axes: dict[PauliString, str] = {}
        for gate in circuit.gates:
            if gate.name != "Unitary":
                for rotation in rotations(gate):
                    self._prepare(rotation.axis)
        for total in circuit.outputs:
            for _, string in total:
                self._prepare(string)

    def _prepare(self, axis: PauliString) -> None:
        """Store where a Pauli string moves amplitudes, and with which factors ``i^k``."""
        if axis in self._axes:
            return
        name = self._axes[axis] = f"axis{len(self._axes)}"
        x, z = (self._bits(mask) for mask in axis)
        index = torch.arange(2**self.circuit.n_wires)
        source = index ^ x
        parity = torch.zeros_like(index)
        for wire in range(self.circuit.n_wires):
            parity ^= (source & z) >> wire & 1
        self.constant(f"{name}_source", source)
        self.constant(f"{name}_sign", (1 - 2 * parity).to(self.dtype))

    def _bits(self, mask: int) -> int:
        """Wire 0 is the most significant bit of an amplitude's index."""
        n = self.circuit.n_wires
        return sum(1 << (n - 1 - wire) for wire in range(n) if mask >> wire & 1)

    def _pauli(self, axis: PauliString, state: Planes) -> Planes:
        name = self._axes[axis]
        source, sign = getattr(self, f"{name}_source"), getattr(self, f"{name}_sign")
        real, imag = (plane.index_select(-1, source) * sign for plane in state)
        for _ in range((axis[0] & axis[1]).bit_count() % 4):  # each Y is i X Z
            real, imag = -imag, real
        return real, imag

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        real = data.new_zeros(data.shape[0], 2**self.circuit.n_wires)
        real[:, 0] = 1.0
        state: Planes = (real, torch.zeros_like(real))
        for gate in self.circuit.gates:
            if gate.matrix is not None:
                state = self._unitary(
                    gate.controls, gate.wires, torch.tensor(gate.matrix, dtype=torch.complex128), state
                )
                continue
            for rotation in rotations(gate):
                half = _value(rotation.angle, data, weights) / 2
                turned = self._pauli(rotation.axis, state)
                cos, sin = half.cos(), half.sin()
                state = (cos * state[0] + sin * turned[1], cos * state[1] - sin * turned[0])
        outputs = []
        for total in self.circuit.outputs:
            value = data.new_zeros(data.shape[0])
            for coefficient, string in total:
                turned = self._pauli(string, state)
                value = value + coefficient * (state[0] * turned[0] + state[1] * turned[1]).sum(-1)
            outputs.append(value)
        return torch.stack(outputs, -1)

    def _unitary(self, controls: tuple[int, ...], wires: tuple[int, ...], matrix: Tensor, state: Planes) -> Planes:
        size, inner = 2 ** len(controls + wires), len(matrix)
        full = torch.eye(size, dtype=torch.complex128)
        full[size - inner :, size - inner :] = matrix
        real, imag = full.real.to(state[0]), full.imag.to(state[0])

        def act(matrix: Tensor, plane: Tensor) -> Tensor:
            n = self.circuit.n_wires
            axes = [1 + wire for wire in controls + wires]
            front = list(range(1, 1 + len(axes)))
            grid = plane.view(-1, *[2] * n).movedim(axes, front)
            mixed = (matrix @ grid.reshape(len(plane), size, -1)).view(grid.shape)
            return mixed.movedim(front, axes).reshape(plane.shape)

        return act(real, state[0]) - act(imag, state[1]), act(real, state[1]) + act(imag, state[0])


def _value(angle: Angle, data: Tensor, weights: Tensor) -> Tensor:
    """Return an angle in radians, ``(B, 1)`` or ``(1,)``."""
    value = data.new_full((1,), angle.constant)
    for index, coefficient in angle.weight:
        value = value + coefficient * weights[index]
    for index, coefficient in angle.data:
        value = value + coefficient * data[:, index : index + 1]
    return value
