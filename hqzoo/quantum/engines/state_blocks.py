"""Matrices of blocks: trigonometric polynomials of the angles, made together for all blocks of equal structure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.state_gates import COMPLEX, Elementary, embed, real_form
from hqzoo.quantum.engines.state_layout import Bits

__all__ = ["MatrixBank", "Slot"]

MAX_MONOMIALS = 32  # products of cosines and sines in an entry; longer blocks are products of matrices
Key = tuple[object, ...]


class Slot(NamedTuple):
    """Where a matrix is found: the number of its family, and its number within."""

    family: int
    instance: int


@dataclass
class _Family:
    """Matrices that differ only in their angles; they are products of factors, the first acting first."""

    ops: list[Elementary]
    bits: Bits
    vector: bool
    has_data: bool
    instances: dict[tuple[Angle | None, ...], int] = field(default_factory=dict)

    def factors(self) -> list[list[int]]:
        """Return the operations of each factor."""
        if self.vector:
            return [list(range(len(self.ops)))]
        sizes = [math.log2(len(op.matrices)) for op in self.ops]
        count = max(1, math.ceil(sum(sizes) / math.log2(MAX_MONOMIALS) - 1e-9))
        share = sum(sizes) / count
        parts: list[list[int]] = [[]]
        filled = 0.0
        for number, size in enumerate(sizes):
            used = sum(sizes[k] for k in parts[-1])
            limit = 2**used * 2**size > MAX_MONOMIALS
            if parts[-1] and (limit or (size and filled >= share * len(parts) - 1e-9)):
                parts.append([])
            parts[-1].append(number)
            filled += size
        return parts


class MatrixBank(Engine):
    """All matrices of a circuit.

    ``bank(data, weights)`` returns one tensor per family: ``(1 or B, instances, D, D)``, or ``(1 or B, instances, D)``
    for states. Matrices are real; complex ones have the bit ``COMPLEX``.

    Args:
        n_data: Number of data values per sample.
        n_weights: Number of weights.
        dtype: Precision.
    """

    def __init__(self, n_data: int, n_weights: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self._sizes = (n_data, n_weights)
        self._keys: dict[Key, int] = {}
        self._families: list[_Family] = []
        self._angles: dict[bool, dict[Angle, int]] = {False: {}, True: {}}
        self._layout: list[tuple[bool, bool, int, tuple[tuple[int, ...], ...]]] = []

    def add(self, ops: list[Elementary], bits: Bits, *, vector: bool = False) -> Slot:
        """Ask for the matrix of gates on these bits, or for the state that they make of ``|0...0>``."""
        places = tuple(tuple(bits.index(wire) for wire in op.wires) for op in ops)
        where = bits.index(COMPLEX) if COMPLEX in bits else None
        has_data = any(op.has_data for op in ops)
        key = (places, tuple(op.key for op in ops), tuple(op.angle is None for op in ops), len(bits), where, vector)
        key = (*key, has_data)
        if key not in self._keys:
            self._keys[key] = len(self._families)
            self._families.append(_Family(ops, bits, vector, has_data))
        number = self._keys[key]
        angles = tuple(op.angle for op in ops)
        instances = self._families[number].instances
        return Slot(number, instances.setdefault(angles, len(instances)))

    def has_data(self, slot: Slot) -> bool:
        """Whether a matrix differs from sample to sample."""
        return self._families[slot.family].has_data

    def finish(self) -> None:
        """Make the constant tensors; nothing can be added afterwards."""
        for family in self._families:
            for angles in family.instances:
                for angle in angles:
                    if angle is not None:
                        table = self._angles[family.has_data]
                        table.setdefault(angle, len(table))
        for has_data, name in ((False, "shared"), (True, "own")):
            self._store_angles(name, list(self._angles[has_data]))
        for number, family in enumerate(self._families):
            self._store_family(number, family)
        self._families = []

    def _store_angles(self, name: str, angles: list[Angle]) -> None:
        matrices = [torch.zeros(size, len(angles), dtype=torch.float64) for size in self._sizes]
        for column, angle in enumerate(angles):
            for matrix, terms in zip(matrices, (angle.data, angle.weight), strict=True):
                for row, coefficient in terms:
                    matrix[row, column] = coefficient
        constants = torch.tensor([[angle.constant for angle in angles]], dtype=torch.float64)
        self.constant(f"{name}_data", matrices[0].to(self.dtype))
        self.constant(f"{name}_weight", matrices[1].to(self.dtype))
        self.constant(f"{name}_constant", constants.to(self.dtype).reshape(1, len(angles)))

    def _store_family(self, number: int, family: _Family) -> None:
        table = self._angles[family.has_data]
        n_angles = len(table)
        splits = []
        parts = family.factors()
        for k, part in enumerate(parts):
            rows: list[list[int]] = []
            for angles in family.instances:
                chosen: list[int] = []
                for op, angle in ((family.ops[i], angles[i]) for i in part):
                    if angle is not None:
                        at = table[angle]
                        chosen += [at, n_angles + at, 2 * n_angles][: len(op.matrices)]
                rows.append(chosen)
            mix = _mix([family.ops[i] for i in part], family.bits, family.vector)
            self.constant(f"mix_{number}_{k}", torch.tensor(mix).to(self.dtype))
            self.constant(f"rows_{number}_{k}", torch.tensor(rows, dtype=torch.long).reshape(-1))
            splits.append(tuple(len(family.ops[i].matrices) for i in part if family.ops[i].angle is not None))
        self._layout.append((family.has_data, family.vector, 2 ** len(family.bits), tuple(splits)))

    def forward(self, data: Tensor, weights: Tensor) -> list[Tensor]:
        """Return the tensors of all families, from data ``(B, n_data)`` and weights ``(n_weights,)``."""
        tables = {has_data: self._table(has_data, data, weights) for has_data in (False, True)}
        return [self._family(number, tables[has_data]) for number, (has_data, *_) in enumerate(self._layout)]

    def _table(self, has_data: bool, data: Tensor, weights: Tensor) -> Tensor:
        """Return cosines, sines and a 1 as columns, ``(1 or B, 2 * angles + 1)``."""
        name = "own" if has_data else "shared"
        angles = self.get_buffer(f"{name}_constant")
        if not angles.shape[1]:
            return angles.new_ones(1, 1)
        if weights.shape[0]:
            angles = torch.addmm(angles, weights.unsqueeze(0), self.get_buffer(f"{name}_weight"))
        if has_data:
            angles = torch.addmm(angles, data, self.get_buffer("own_data"))
        return torch.cat([angles.cos(), angles.sin(), torch.ones_like(angles[:, :1])], 1)

    def _family(self, number: int, table: Tensor) -> Tensor:
        _, vector, size, splits = self._layout[number]
        result: Tensor | None = None
        for k, split in enumerate(splits):
            mix = self.get_buffer(f"mix_{number}_{k}")
            if split:
                chosen = table.index_select(1, self.get_buffer(f"rows_{number}_{k}"))
                product = _monomials(chosen.view(chosen.shape[0], -1, sum(split)), split)
                factor = torch.matmul(product, mix)
            else:
                factor = mix.unsqueeze(0)
            factor = factor.view(*factor.shape[:2], *((size,) if vector else (size, size)))
            result = factor if result is None else torch.matmul(factor, result)
        assert result is not None  # noqa: S101 - every family has at least one factor
        return result


def _monomials(features: Tensor, split: tuple[int, ...]) -> Tensor:
    """Return all products of one feature of every part, the first part varying slowest."""
    if len(split) > 1 and len(split) % 2 == 0 and set(split) == {split[0]}:  # halve the number of products
        pairs = features.view(*features.shape[:-1], len(split) // 2, 2, split[0])
        products = pairs[..., 0, :].unsqueeze(-1) * pairs[..., 1, :].unsqueeze(-2)
        half = (split[0] * split[0],) * (len(split) // 2)
        return _monomials(products.reshape(*features.shape[:-1], sum(half)), half)
    parts = torch.split(features, list(split), -1)
    product = parts[0]
    for part in parts[1:]:
        product = (product.unsqueeze(-1) * part.unsqueeze(-2)).flatten(-2)
    return product


def _mix(ops: list[Elementary], bits: Bits, vector: bool) -> NDArray[np.float64]:
    """Return the coefficients ``(monomials, D * D)``, or ``(monomials, D)`` of the first column."""
    current = np.eye(2 ** len(bits))[None]
    if vector:
        current = current[:, :, :1]
    for op in ops:
        if op.letter:
            source, sign = op.moves()
            matrices = [np.diag(sign)[:, np.argsort(source)] + 0j]
        else:
            matrices = list(op.matrices)
        if COMPLEX in bits:
            own: Bits = (*op.wires, COMPLEX)
            full = np.stack([embed(real_form(matrix), own, bits) for matrix in matrices])
        else:
            full = np.stack([embed(matrix.real, op.wires, bits) for matrix in matrices])
        current = np.einsum("fij,mjk->mfik", full, current, optimize=True).reshape(-1, *current.shape[1:])
    return current.reshape(len(current), -1)
