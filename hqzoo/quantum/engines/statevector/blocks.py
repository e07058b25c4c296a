"""Matrices of blocks: trigonometric polynomials of the angles, made together for all blocks of equal structure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqzoo.quantum.angles import Angle
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.statevector.gates import COMPLEX, Elementary, Matrix, embed, real_form
from hqzoo.quantum.engines.statevector.layout import Bits
from hqzoo.quantum.engines.transforms import in_forward_mode

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
        sizes = [math.log2(max(1, len(op.matrices))) for op in self.ops]
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


class _Factor(NamedTuple):
    """Where the monomials of a factor are found; group -1 for a fixed matrix."""

    group: int
    place: int


class _Layout(NamedTuple):
    """How a family is made."""

    vector: bool
    size: int
    factors: tuple[_Factor, ...]


class _Group(NamedTuple):
    """Factors whose monomials have the same form and are made together."""

    has_data: bool
    as_is: bool
    split: tuple[int, ...]
    counts: tuple[int, ...]


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
        self._layout: list[_Layout] = []
        self._rows: dict[tuple[bool, tuple[int, ...]], list[int]] = {}
        self._counts: dict[int, list[int]] = {}
        self._groups: list[_Group] = []

    def add(self, ops: list[Elementary], bits: Bits, *, vector: bool = False) -> Slot:
        """Ask for the matrix of gates on these bits, or for the state that they make of ``|0...0>``."""
        places = tuple(tuple(bits.index(wire) for wire in op.wires) for op in ops)
        where = bits.index(COMPLEX) if COMPLEX in bits else None
        has_data = any(op.has_data for op in ops)
        fixed = tuple(op.angle is None for op in ops)
        key = (places, tuple(op.key for op in ops), fixed, len(bits), where, vector, has_data)
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
        self._store_rows()

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
        """Store the coefficients of every factor, and add its angles to those of other factors of equal form."""
        table = self._angles[family.has_data]
        factors: list[_Factor] = []
        for k, part in enumerate(family.factors()):
            split = tuple(len(family.ops[i].matrices) for i in part if family.ops[i].angle is not None)
            mix = _mix([family.ops[i] for i in part], family.bits, family.vector)
            self.constant(f"mix_{number}_{k}", torch.tensor(mix).to(self.dtype))
            if not split:
                factors.append(_Factor(-1, 0))
                continue
            rows = self._rows.setdefault((family.has_data, split), [])
            group = list(self._rows).index((family.has_data, split))
            factors.append(_Factor(group, len(self._counts.setdefault(group, []))))
            self._counts[group].append(len(family.instances))
            for angles in family.instances:
                rows += [table[angle] for angle in (angles[i] for i in part) if angle is not None]
        self._layout.append(_Layout(family.vector, 2 ** len(family.bits), tuple(factors)))

    def _store_rows(self) -> None:
        for group, ((has_data, split), rows) in enumerate(self._rows.items()):
            as_is = rows == list(range(len(self._angles[has_data])))
            self.constant(f"rows_{group}", torch.tensor([] if as_is else rows, dtype=torch.long))
            source, sign = _derivatives(split)
            self.constant(f"source_{group}", torch.tensor(source))
            self.constant(f"sign_{group}", torch.tensor(sign).to(self.dtype))
            self._groups.append(_Group(has_data, as_is, split, tuple(self._counts[group])))

    def forward(self, data: Tensor, weights: Tensor) -> list[Tensor]:
        """Return the tensors of all families, from data ``(B, n_data)`` and weights ``(n_weights,)``."""
        angles = {has_data: self._table(has_data, data, weights) for has_data in (False, True)}
        products = [self._products(number, group, angles[group.has_data]) for number, group in enumerate(self._groups)]
        return [self._family(number, layout, products) for number, layout in enumerate(self._layout)]

    def _table(self, has_data: bool, data: Tensor, weights: Tensor) -> Tensor:
        """Return all distinct angles, ``(1 or B, n_angles)``."""
        name = "own" if has_data else "shared"
        angles = self.get_buffer(f"{name}_constant")
        if angles.shape[1] and weights.shape[0]:
            angles = torch.addmm(angles, weights.unsqueeze(0), self.get_buffer(f"{name}_weight"))
        if angles.shape[1] and has_data:
            angles = torch.addmm(angles, data, self.get_buffer("own_data"))
        return angles

    def _products(self, number: int, group: _Group, angles: Tensor) -> tuple[Tensor, ...]:
        """Return products of cosines and sines for every factor of a group, ``(1 or B, instances, monomials)``."""
        if not group.as_is:
            angles = angles.index_select(1, self.get_buffer(f"rows_{number}"))
        grid = angles.view(angles.shape[0], sum(group.counts), len(group.split))
        source, sign = self.get_buffer(f"source_{number}"), self.get_buffer(f"sign_{number}")
        apply = _Monomials.forward if in_forward_mode() else _Monomials.apply
        product: Tensor = apply(grid, source, sign, group.split)
        return torch.split(product, list(group.counts), 1) if len(group.counts) > 1 else (product,)

    def _family(self, number: int, layout: _Layout, products: list[tuple[Tensor, ...]]) -> Tensor:
        factors: list[Tensor] = []
        for k, (group, place) in enumerate(layout.factors):
            mix = self.get_buffer(f"mix_{number}_{k}")
            factor = mix.unsqueeze(0) if group < 0 else torch.matmul(products[group][place], mix)
            shape = (layout.size,) if layout.vector else (layout.size, layout.size)
            factors.append(factor.view(*factor.shape[:2], *shape))
        result = factors[0]
        for factor in factors[1:]:
            result = torch.matmul(factor, result)
        return result


class _Monomials(torch.autograd.Function):
    """All products of one feature of every angle, the first angle's varying slowest.

    Features of an angle are its cosine and sine, and a 1 for controlled gates. Derivatives are again products of
    features, so the result is all that the backward pass needs.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(angles: Tensor, source: Tensor, sign: Tensor, split: tuple[int, ...]) -> Tensor:
        cos, sin = angles.cos(), angles.sin()
        if max(split) == 2:
            return _tree(torch.stack([cos, sin], -1))
        features = torch.stack([cos, sin, torch.ones_like(cos)], -1)
        product = features[..., 0, : split[0]]
        for k, size in enumerate(split[1:]):
            product = _pair(product, features[..., k + 1, :size])
        return product

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
        _, source, sign, _ = inputs
        ctx.save_for_backward(output, source, sign)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        product, source, sign = ctx.saved_tensors
        moved = product.index_select(-1, source).view(*product.shape[:-1], *sign.shape)
        return (moved * sign * grad.unsqueeze(-2)).sum(-1), None, None, None


def _tree(features: Tensor) -> Tensor:
    """Multiply neighbours ``(..., P, 2)`` until ``(..., 2^P)`` is left."""
    count = features.shape[-2]
    while count > 1 and count % 2 == 0:
        features = _pair(features[..., 0::2, :], features[..., 1::2, :])
        count //= 2
    product = features[..., 0, :]
    for k in range(1, count):
        product = _pair(product, features[..., k, :])
    return product


def _pair(first: Tensor, second: Tensor) -> Tensor:
    return (first.unsqueeze(-1) * second.unsqueeze(-2)).flatten(-2)


def _derivatives(split: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """Return monomials ``(P * M,)`` and signs ``(P, M)`` that the derivatives with respect to the angles consist of."""
    index = np.arange(math.prod(split))
    source, sign = np.empty((len(split), len(index)), dtype=np.int64), np.empty((len(split), len(index)))
    stride = len(index)
    for k, size in enumerate(split):
        stride //= size
        feature = index // stride % size  # cos -> -sin, sin -> cos, 1 -> 0
        source[k] = index + stride * np.array([1, -1, 0])[feature]
        sign[k] = np.array([-1.0, 1.0, 0.0])[feature]
    return source.reshape(-1), sign


def _mix(ops: list[Elementary], bits: Bits, vector: bool) -> NDArray[np.floating[Any]]:
    """Return the coefficients ``(monomials, D * D)``, or ``(monomials, D)`` of the first column."""
    current = np.eye(2 ** len(bits))[None]
    if vector:
        current = current[:, :, :1]
    for op in ops:
        if op.letter:
            source, sign = op.moves()
            matrices: tuple[Matrix, ...] = (np.diag(sign)[:, np.argsort(source)] + 0j,)
        else:
            matrices = op.matrices
        if COMPLEX in bits:
            own: Bits = (*op.wires, COMPLEX)
            full = np.stack([embed(real_form(matrix), own, bits) for matrix in matrices])
        else:
            full = np.stack([embed(matrix.real, op.wires, bits) for matrix in matrices])
        current = np.einsum("fij,mjk->mfik", full, current, optimize=True).reshape(-1, *current.shape[1:])
    return current.reshape(len(current), -1)
