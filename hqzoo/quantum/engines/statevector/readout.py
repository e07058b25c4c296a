"""Reading final states: expectation values from density matrices or amplitudes, probabilities, overlaps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.statevector.blocks import MatrixBank, Slot
from hqzoo.quantum.engines.statevector.evolve import density_matrices
from hqzoo.quantum.engines.statevector.gates import COMPLEX, Elementary, embed, pauli_matrix, real_form
from hqzoo.quantum.engines.statevector.layout import Applied, Bits, Read, rearrangement
from hqzoo.quantum.engines.statevector.plan import Component, parity_of_y
from hqzoo.quantum.engines.statevector.signs import SignedSums, flip_mask, power_of_i, signs_of
from hqzoo.quantum.pauli import PauliString, single_letters

__all__ = ["Marginal", "Swap", "Values", "inner_product"]


class _Matrix(NamedTuple):
    """A reduced density matrix to be read."""

    left: int
    size: int
    right: int
    block: Slot | None
    gathered: bool

    @property
    def place(self) -> tuple[int, int, int]:
        """Dimensions in front, of the matrix, and behind."""
        return self.left, self.size, self.right


class Values(Engine):
    """Expectation values of a component's Pauli strings, in the plan's order.

    Args:
        component: What to read.
        bank: Makes the matrices of blocks that act on the observables.
        dtype: Precision.
    """

    def __init__(self, component: Component, bank: MatrixBank, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self._matrices: list[_Matrix] = []
        self._masks: list[bool] = []
        self.sums = nn.ModuleList()  # of strings that read too many amplitudes for a table of their signs
        numbers: list[int] = []
        for item in component.items:
            if isinstance(item, Applied) and isinstance(item.what, Read):
                numbers += item.what.strings
                self._add_matrix(item, item.what, component, bank)
        groups: dict[tuple[int, int], list[int]] = {}
        for number in component.from_amplitudes:
            string = component.strings[number]
            groups.setdefault((string[0], parity_of_y(string)), []).append(number)
        for (x, odd), chosen in groups.items():
            numbers += chosen
            strings = [component.strings[number] for number in chosen]
            if component.keeps_signs:
                self._add_mask(component, x, odd, strings)
            else:
                self.sums.append(SignedSums(odd, strings, component.last, dtype))
        order = [numbers.index(number) for number in range(len(component.strings))]
        self._as_is = order == sorted(order)
        self.constant("order", torch.tensor(order, dtype=torch.long))

    def _add_matrix(self, item: Applied, read: Read, component: Component, bank: MatrixBank) -> None:
        strings = component.strings
        slot = None if read.block is None else bank.add(read.block.ops, item.bits)
        observables = np.stack([_pauli_matrix(strings[number], item.bits) for number in read.strings])
        number = len(self._matrices)
        self.constant(f"observables_{number}", torch.tensor(observables).to(self.dtype))
        if item.order:
            self.constant(f"gather_{number}", torch.tensor(rearrangement([], component.last, item.order)[0]))
        self._matrices.append(_Matrix(2**item.left, 2 ** len(item.bits), 2**item.right, slot, bool(item.order)))

    def _add_mask(self, component: Component, x: int, odd: int, strings: list[PauliString]) -> None:
        """Store which amplitude a string joins to each, and with which sign."""
        order, number = component.last, len(self._masks)
        partner, signs = _partners(x, odd, strings, order)
        if component.tail:
            index, _ = rearrangement(component.tail, order, order)
            pulled = np.empty_like(signs)
            pulled[index] = signs
            signs = pulled
        self._masks.append(bool(x or odd))
        self.constant(f"partner_{number}", torch.tensor(partner if x or odd else [], dtype=torch.long))
        self.constant(f"signs_{number}", torch.tensor(signs.T).to(self.dtype).contiguous())

    def observables(self, matrices: list[Tensor]) -> list[Tensor]:
        """Return what density matrices are multiplied with, ``(n, D * D)`` each, last blocks included."""
        found = []
        for number, matrix in enumerate(self._matrices):
            fixed = self.get_buffer(f"observables_{number}")
            slot = matrix.block
            if slot is not None:
                block = matrices[slot.family][:, slot.instance]
                fixed = torch.matmul(block.mT, torch.matmul(fixed, block))
            found.append(fixed.flatten(1))
        return found

    def forward(self, state: Tensor, observables: list[Tensor]) -> Tensor:
        """Return ``(1 or B, n_strings)`` of final states ``(1 or B, 2^m)``."""
        found = []
        together = [number for number, matrix in enumerate(self._matrices) if not matrix.gathered]
        densities: dict[int, Tensor] = {}
        if together:
            places = tuple(self._matrices[number].place for number in together)
            densities.update(zip(together, density_matrices(state, places), strict=True))
        for number, matrix in enumerate(self._matrices):
            if matrix.gathered:
                moved = state.index_select(1, self.get_buffer(f"gather_{number}"))
                (densities[number],) = density_matrices(moved, (matrix.place,))
            found.append(torch.mm(densities[number].flatten(1), observables[number].T))
        for number, moves in enumerate(self._masks):
            products = state * state.index_select(1, self.get_buffer(f"partner_{number}")) if moves else state.square()
            found.append(torch.mm(self.get_buffer(f"signs_{number}"), products.T).T)
        found += [sums(state) for sums in self.sums]
        values = torch.cat(found, 1) if len(found) > 1 else found[0]
        return values if self._as_is else values.index_select(1, self.get_buffer("order"))


def _pauli_matrix(string: PauliString, bits: Bits) -> NDArray[np.floating[Any]]:
    """Return a Pauli string as a symmetric real matrix on the given bits."""
    letters = {wire: "IXZY"[bool(x) + 2 * bool(z)] for wire, (x, z) in single_letters(string)}
    matrix = pauli_matrix("".join(letters.values()))
    own: Bits = tuple(letters)
    return embed(real_form(matrix), (*own, COMPLEX), bits) if COMPLEX in bits else embed(matrix.real, own, bits)


def _partners(
    x: int, odd: int, strings: list[PauliString], order: Bits
) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """Return ``j -> partner`` and signs with ``<P> = sum_j sign_j psi_j psi_partner(j)``."""
    signs = signs_of(odd, strings, order) * [power_of_i(odd, string) for string in strings]
    return np.arange(2 ** len(order)) ^ flip_mask(x, odd, order), signs


class Marginal(Engine):
    """Probabilities of the outcomes of some wires of a component.

    Args:
        component: What to read.
        wires: The wires, the most significant first.
        dtype: Precision.
    """

    def __init__(self, component: Component, wires: Bits, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        order = component.last
        after = (*wires, *(bit for bit in order if bit not in wires))
        self._size = 2 ** len(wires)
        tail: list[Elementary] = component.tail
        self.constant("index", torch.tensor(rearrangement(tail, order, after)[0]))

    def forward(self, state: Tensor) -> Tensor:
        """Return ``(1 or B, 2^k)``."""
        amplitudes = state.index_select(1, self.get_buffer("index"))
        return amplitudes.square().view(state.shape[0], self._size, -1).sum(2)


class Swap(Engine):
    """Expectation value of the swap of two registers within a component.

    Args:
        component: What to read.
        wires_a: One register.
        wires_b: The other.
        dtype: Precision.
    """

    def __init__(self, component: Component, wires_a: Bits, wires_b: Bits, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        partner = dict(zip((*wires_a, *wires_b), (*wires_b, *wires_a), strict=True))
        order = component.last
        self.constant("index", torch.tensor(rearrangement([], order, tuple(partner.get(b, b) for b in order))[0]))

    def forward(self, state: Tensor) -> Tensor:
        """Return ``(1 or B, 1)``."""
        return (state * state.index_select(1, self.get_buffer("index"))).sum(1, keepdim=True)


def inner_product(first: Tensor, second: Tensor) -> Tensor:
    """Return ``|<a|b>|^2`` of states ``(1 or B, N, C)`` as ``(1 or B, 1)``; C is 2, or 1 for real states."""
    batch = max(first.shape[0], second.shape[0])
    parts = torch.bmm(first.mT.expand(batch, -1, -1), second.expand(batch, -1, -1))
    if parts.shape[1:] != (2, 2):
        return parts.square().sum((1, 2)).unsqueeze(1)
    real, imaginary = parts[:, 0, 0] + parts[:, 1, 1], parts[:, 0, 1] - parts[:, 1, 0]
    return (real.square() + imaginary.square()).unsqueeze(1)
