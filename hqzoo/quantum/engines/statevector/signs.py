"""Signs of Pauli strings over the amplitudes of a state: ``<P> = sum_j sign_j psi_j psi_partner(j)``.

A sign is a product of one factor for every bit of ``j``. So signs of many amplitudes need no table of all of them: two
small tables, for the first and the last half of the bits, say as much.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.statevector.gates import COMPLEX
from hqzoo.quantum.engines.statevector.layout import Bits
from hqzoo.quantum.pauli import PauliString, single_letters

__all__ = ["SignedSums", "flip_mask", "power_of_i", "signs_of"]


def flip_mask(x: int, odd: int, order: Bits) -> int:
    """Return ``j ^ partner(j)``, the first bit of the order the most significant.

    Args:
        x: Mask of the wires that strings flip.
        odd: 1 if they hold an odd number of Y.
        order: Bits of the state.
    """
    flipped = "".join(str(x >> name & 1 if name >= 0 else odd) for name in order)
    return int(flipped, 2) if flipped else 0


def signs_of(odd: int, strings: list[PauliString], order: Bits) -> NDArray[np.floating[Any]]:
    """Return ``(2^m, n_strings)``: what some bits of the state contribute to the sign of each string.

    Args:
        odd: 1 if the strings hold an odd number of Y.
        strings: Pauli strings that flip the same wires.
        order: The bits, all of the state or some.
    """
    index = np.arange(2 ** len(order))
    bit = {name: (index >> (len(order) - 1 - place)) & 1 for place, name in enumerate(order)}
    signs = np.empty((len(index), len(strings)))
    for column, (x, z) in enumerate(strings):
        parity = np.zeros_like(index)
        for wire, _ in single_letters((0, z)):
            if wire in bit:
                parity ^= bit[wire] ^ (x >> wire & 1)
        if odd and COMPLEX in bit:  # i times a real number turns the real part into the imaginary one
            parity = parity ^ (1 - bit[COMPLEX])
        signs[:, column] = 1 - 2 * parity
    return signs


class SignedSums(Engine):
    """Expectation values of strings that flip the same wires, from two small tables of signs.

    Args:
        odd: 1 if the strings hold an odd number of Y.
        strings: Pauli strings with the same ``x``.
        order: Bits of the state.
        dtype: Precision.
    """

    def __init__(self, odd: int, strings: list[PauliString], order: Bits, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        first, last = order[: len(order) // 2], order[len(order) // 2 :]
        self._rows, self._columns = 2 ** len(first), 2 ** len(last)
        self._flip = flip_mask(strings[0][0], odd, order)
        flips = f"{self._flip:0{len(order)}b}"
        runs = [(flip == "1", 2 ** len(list(bits))) for flip, bits in groupby(flips)]
        self._shape = tuple(size for _, size in runs)
        self._axes = tuple(1 + axis for axis, (flip, _) in enumerate(runs) if flip)
        low, which = np.unique(signs_of(odd, strings, last), axis=1, return_inverse=True)
        self.constant("low", torch.tensor(low).to(dtype))
        self.constant("which", torch.tensor(which.reshape(-1), dtype=torch.long))
        high = signs_of(odd, strings, first) * [power_of_i(odd, string) for string in strings]
        self.constant("high", torch.tensor(high).to(dtype))

    def forward(self, state: Tensor) -> Tensor:
        """Return ``(1 or B, n_strings)`` of final states ``(1 or B, 2^m)``."""
        batch = state.shape[0]
        products = state * state.view(batch, *self._shape).flip(self._axes).flatten(1) if self._flip else state.square()
        sums = torch.mm(products.view(batch * self._rows, self._columns), self.get_buffer("low"))
        each = sums.view(batch, self._rows, -1).index_select(2, self.get_buffer("which"))
        return (each * self.get_buffer("high")).sum(1)


def power_of_i(odd: int, string: PauliString) -> int:
    """Return the sign that the factors i of a string's Y leave."""
    power = (string[0] & string[1]).bit_count()
    return int((-1) ** ((power - odd) // 2))
