"""Noise by quantum trajectories: pure states that jump at random, and whose average is the density matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.affine import AffineAngles
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.density.pieces import Piece
from hqzoo.quantum.engines.density.state import Frame, in_segments
from hqzoo.quantum.engines.density.turns import COMPLEX, GateMatrix, PlanePicture, signed_permutation
from hqzoo.quantum.engines.draws import Draws
from hqzoo.quantum.noise import Channel
from hqzoo.quantum.observables import Observable, Overlap, Pauli

__all__ = ["TrajectoryPiece"]

RUN = -2  # the axis of trajectories
CHUNK_BYTES = 2**28  # states that are held together


class TrajectoryPiece(Engine):
    """Estimates of expectation values, and of their gradients, from random pure states; both are unbiased.

    At every noise event a Kraus operator ``K`` is drawn with probability ``p = |K psi|^2``, and the state becomes
    ``K psi / sqrt(p)``. The probability is held constant in the backward pass: the average over the draws of
    ``p * gradient(<K psi|O|K psi> / p)`` is the gradient of the exact value.

    Args:
        piece: What to simulate.
        circuit: The circuit that it is a piece of.
        dtype: Precision.
        n_trajectories: States per sample.
        draws: Where randomness comes from.
    """

    def __init__(self, piece: Piece, circuit: Circuit, dtype: torch.dtype, n_trajectories: int, draws: Draws) -> None:
        super().__init__(dtype)
        self.wires, self._draws, self._n = piece.wires, draws, n_trajectories
        numbers: dict[Angle, int] = {}
        picture = PlanePicture()
        self._gates = nn.ModuleList(GateMatrix(step, picture, numbers, dtype) for step in piece.steps)
        self._angles = AffineAngles(list(numbers), circuit, dtype)
        self._acts_on = [(*step.gate.support, COMPLEX) for step in piece.steps]
        self._events = [[(wire, channel) for wire in s.gate.support for channel in s.channels] for s in piece.steps]
        self._n_events = sum(map(len, self._events))
        self._channels: list[Channel] = list(dict.fromkeys(c for step in piece.steps for c in step.channels))
        for number, channel in enumerate(self._channels):
            self.constant(f"kraus_{number}", torch.tensor(channel.kraus()).to(dtype))
        self._observables = [circuit.observables[number] for number in piece.observables]
        for number, observable in enumerate(self._observables):
            if isinstance(observable, Pauli):
                source, sign = signed_permutation(observable.letters)
                self.constant(f"source_{number}", torch.tensor(source))
                self.constant(f"sign_{number}", torch.tensor(sign).to(dtype).unsqueeze(-1))

    def forward(self, data: Tensor, weights: Tensor) -> list[Tensor]:
        """Return estimates ``(B, width)`` of each of the piece's observables."""
        angles = self._angles(data, weights)
        size = 2 ** (len(self.wires) + 1) * angles.shape[0] * torch.finfo(self.dtype).bits // 8
        chunk = min(self._n, max(1, CHUNK_BYTES // max(1, size)))
        generator = self._draws.next(angles.device)
        total: list[Tensor] | None = None
        for first in range(0, self._n, chunk):
            n = min(chunk, self._n - first)
            shape = (self._n_events, angles.shape[0], n)
            uniform = torch.rand(shape, generator=generator, device=angles.device, dtype=self.dtype)
            values = [value * (n / self._n) for value in self._chunk(angles, uniform)]
            total = values if total is None else [a + b for a, b in zip(total, values, strict=True)]
        return total or []

    def _chunk(self, angles: Tensor, uniform: Tensor) -> list[Tensor]:
        """Return averages over some trajectories; ``uniform``: ``(n_events, B, n)`` numbers in [0, 1)."""
        batch, n = uniform.shape[1:]
        start = Frame((RUN, *self.wires, COMPLEX), 2, ((RUN, n),))
        frames, events = [start], [0]
        for number in range(len(self._gates)):
            frames.append(self._step_frame(frames[-1], number))
            events.append(events[-1] + len(self._events[number]))

        def run(state: Tensor, angles: Tensor, first: int, last: int) -> Tensor:
            for number in range(first, last):
                state = self._step(state, frames[number], number, angles, uniform[events[number] : events[number + 1]])
            return state

        zero = angles.new_zeros(2 ** (len(self.wires) + 1))
        zero[0] = 1.0
        state = in_segments(len(self._gates), run, zero.repeat(batch, n), angles)
        return [self._read(number, state, frames[-1]) for number in range(len(self._observables))]

    def _step_frame(self, frame: Frame, number: int) -> Frame:
        frame = frame.with_front(self._acts_on[number])
        for wire, _ in self._events[number]:
            frame = frame.with_front((RUN, wire))
        return frame

    def _step(self, state: Tensor, frame: Frame, number: int, angles: Tensor, uniform: Tensor) -> Tensor:
        gate = self._gates[number]
        vector, frame = frame.front(state, self._acts_on[number])
        state = gate(angles) @ vector
        for (wire, channel), drawn in zip(self._events[number], uniform, strict=True):
            vector, frame = frame.front(state, (RUN, wire))
            state = self._jump(vector.reshape(drawn.numel(), 2, -1), channel, drawn.flatten())
        return state.reshape(angles.shape[0], -1)

    def _jump(self, state: Tensor, channel: Channel, drawn: Tensor) -> Tensor:
        """Apply one Kraus operator to each of ``(R, 2, rest)``, chosen by ``(R,)`` numbers in [0, 1)."""
        kraus = self.get_buffer(f"kraus_{self._channels.index(channel)}")
        with torch.no_grad():
            gram = state @ state.transpose(1, 2)
            probability = torch.einsum("kba,rac,kbc->rk", kraus, gram, kraus).clamp_min(0.0)
            probability = probability / probability.sum(1, keepdim=True)
            below = probability.cumsum(1)
            # Never past the last operator that can act: rounding leaves the sum a little below 1.
            last = (probability > 0).to(torch.long).cumsum(1).argmax(1)
            chosen = torch.minimum((drawn.unsqueeze(1) >= below).sum(1), last)
            share = probability.gather(1, chosen.unsqueeze(1)).unsqueeze(2)
        return (kraus[chosen] / share.sqrt()) @ state

    def _read(self, number: int, state: Tensor, frame: Frame) -> Tensor:
        observable: Observable = self._observables[number]
        runs = dict(frame.sizes)[RUN]
        if isinstance(observable, Pauli):
            vector, _ = frame.front(state, (*observable.wires, COMPLEX))
            other = vector.index_select(1, self.get_buffer(f"source_{number}"))
            return (vector * other * self.get_buffer(f"sign_{number}")).sum((1, 2)).unsqueeze(1) / runs
        vector, _ = frame.front(state, observable.wires)
        if isinstance(observable, Overlap):
            half = 2 ** len(observable.wires_a)
            grid = vector.reshape(len(vector), half, half, -1)
            return (grid * grid.transpose(1, 2)).sum((1, 2, 3)).unsqueeze(1) / runs
        return vector.square().sum(2) / runs
