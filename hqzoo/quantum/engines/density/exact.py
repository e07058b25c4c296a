"""Exact density matrices: the real coefficients of all Pauli strings on the wires that some observables see."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.affine import AffineAngles
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.density.pieces import Piece
from hqzoo.quantum.engines.density.state import Frame, in_segments
from hqzoo.quantum.engines.density.turns import GateMatrix, PauliPicture
from hqzoo.quantum.observables import Observable, Overlap, Pauli, Probabilities

__all__ = ["ExactPiece"]


class ExactPiece(Engine):
    """Expectation values of a piece from the ``4^n`` coefficients ``tr(P rho)``.

    Probabilities are sums of coefficients that nearly cancel where an outcome is rare: outcomes rarer than about 1e-6
    are rounding errors in single precision. None is negative.

    Args:
        piece: What to simulate.
        circuit: The circuit that it is a piece of.
        dtype: Precision.
    """

    def __init__(self, piece: Piece, circuit: Circuit, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.wires = piece.wires
        numbers: dict[Angle, int] = {}
        picture = PauliPicture()
        self._gates = nn.ModuleList(GateMatrix(step, picture, numbers, dtype) for step in piece.steps)
        self._angles = AffineAngles(list(numbers), circuit, dtype)
        self._acts_on = [step.gate.support for step in piece.steps]
        frames = [Frame(piece.wires, picture.base)]
        for support in self._acts_on:
            frames.append(frames[-1].with_front(support))
        self._frames = tuple(frames)
        self._outcomes = [isinstance(circuit.observables[number], Probabilities) for number in piece.observables]
        for reader, number in enumerate(piece.observables):
            strings, mix = _strings(circuit.observables[number])
            self.constant(f"index_{reader}", torch.tensor(_flat(strings, piece.wires, frames[-1])))
            self.constant(f"mix_{reader}", torch.tensor(mix).to(dtype))

    def forward(self, data: Tensor, weights: Tensor) -> list[Tensor]:
        """Return the values ``(1 or B, width)`` of each of the piece's observables."""
        state = self._final(data, weights)
        found = []
        for k, outcomes in enumerate(self._outcomes):
            values = state.index_select(1, self.get_buffer(f"index_{k}")) @ self.get_buffer(f"mix_{k}").T
            found.append(values.clamp_min(0.0) if outcomes else values)
        return found

    def coefficients(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return ``tr(P rho)`` as ``(1 or B, 4, ..., 4)``: an axis I, X, Y, Z for every wire of ``wires``."""
        vector = self._frames[-1].front(self._final(data, weights), self.wires)[0]
        return vector.reshape(-1, *[4] * len(self.wires))

    def _final(self, data: Tensor, weights: Tensor) -> Tensor:
        angles = self._angles(data, weights)
        zero = torch.eye(2, dtype=angles.dtype, device=angles.device).reshape(4)
        state = torch.ones_like(zero[:1])
        for _ in self.wires:
            state = (state[:, None] * zero).flatten()

        def run(state: Tensor, angles: Tensor, first: int, last: int) -> Tensor:
            for number in range(first, last):
                vector, _ = self._frames[number].front(state, self._acts_on[number])
                state = (self._gates[number](angles) @ vector).flatten(1)
            return state

        return in_segments(len(self._gates), run, state.unsqueeze(0), angles)


def _strings(observable: Observable) -> tuple[list[dict[int, str]], np.ndarray]:
    """Return Pauli strings as letters by wire, and the matrix that makes them the observable's outputs."""
    if isinstance(observable, Pauli):
        return [dict(zip(observable.wires, observable.letters, strict=True))], np.eye(1)
    if isinstance(observable, Probabilities):
        read = observable.wires
        subsets = list(product("IZ", repeat=len(read)))
        hadamard: np.ndarray = np.eye(1)
        for _ in read:
            hadamard = np.kron(hadamard, [[0.5, 0.5], [0.5, -0.5]])
        return [dict(zip(read, letters, strict=True)) for letters in subsets], hadamard
    return _swap(observable)


def _swap(observable: Overlap) -> tuple[list[dict[int, str]], np.ndarray]:
    k = len(observable.wires_a)
    letters = ["".join(names) for names in product("IXYZ", repeat=k)]
    strings = [dict(zip(observable.wires, names + names, strict=True)) for names in letters]
    return strings, np.full((1, len(strings)), 2.0**-k)


def _flat(strings: list[dict[int, str]], wires: tuple[int, ...], frame: Frame) -> np.ndarray:
    """Return where the strings' coefficients lie in a vector."""
    place = {axis: 4 ** (len(wires) - 1 - k) for k, axis in enumerate(frame.axes)}
    index = [sum("IXYZ".index(letter) * place[wire] for wire, letter in string.items()) for string in strings]
    return np.array(index, dtype=np.int64)
