"""The ``cone`` engine: runs the multiplicative network that :mod:`.plan` finds in a circuit."""

from __future__ import annotations

import torch
from torch import Tensor

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.cone.plan import ConeProgram, Level, plan_cone
from hqzoo.quantum.engines.size import refuse_beyond_memory
from hqzoo.quantum.observables import Probabilities

__all__ = ["ConeEngine"]


class ConeEngine(Engine):
    """Exact expectation values from the pieces that the observables can see.

    Only real tensors, matrix products and elementwise operations: differentiable any number of times in data and
    weights, and open to ``torch.compile``, ``vmap`` and ONNX export. It holds no parameters, and nothing of it enters
    a ``state_dict``.

    Probabilities are sums of expectation values that nearly cancel where an outcome is rare. A circuit that reads some
    is therefore computed in double precision, on devices that have it, and none of its probabilities is negative.

    Args:
        circuit: The circuit to run.
        dtype: ``torch.float32`` or ``torch.float64``, whatever the surrounding precision.

    Raises:
        TooLarge: If the circuit's network is too large to be worth it.
        SizeError: If this machine has too little memory for it.
    """

    lowest: Tensor
    first: Tensor
    monomials: Tensor
    mix: Tensor
    positions: Tensor
    polynomials: Tensor

    def __init__(self, circuit: Circuit, dtype: torch.dtype = torch.float32) -> None:
        outcomes = [isinstance(read, Probabilities) for read in circuit.observables for _ in range(read.n_outputs)]
        self._reads_outcomes = any(outcomes)
        super().__init__(torch.float64 if self._reads_outcomes else dtype)
        self.constant(
            "lowest", torch.tensor([0.0 if outcome else -torch.inf for outcome in outcomes], dtype=self.dtype)
        )
        self.program: ConeProgram = plan_cone(circuit)
        program = self.program
        refuse_beyond_memory(
            program.flops * torch.finfo(self.dtype).bits // 8,  # half as many entries, and their gradients
            "The matrices of the pieces that the observables see",
            "Use a circuit of fewer gates, or engine='statevector' where these connect few wires.",
        )
        self._affine("data", program.data_angles, circuit.n_data)
        self._affine("weight", program.weight_angles, circuit.n_weights)
        self.constant("first", torch.tensor(program.first, dtype=torch.long))
        width = max((len(rows) for rows in program.monomials), default=0)
        padded = [[*rows, *[0] * (width - len(rows))] for rows in program.monomials]
        self.constant("monomials", torch.tensor(padded, dtype=torch.long).reshape(len(padded), width).T.contiguous())
        mix = torch.zeros(len(program.polynomials), len(program.monomials), dtype=torch.float64)
        for row, polynomial in enumerate(program.polynomials):
            for column, coefficient in polynomial:
                mix[row, column] = coefficient
        self.constant("mix", mix.to(self.dtype))
        positions, polynomials = _entries(program.levels)
        self.constant("positions", positions)
        self.constant("polynomials", polynomials)

    def _affine(self, kind: str, forms: tuple[tuple[tuple[int, float], ...], ...], size: int) -> None:
        """Store ``angles = matrix @ values``, or plain indices where every angle is a multiple of one value."""
        simple = all(len(form) == 1 for form in forms)
        self.constant(f"{kind}_index", torch.tensor([form[0][0] for form in forms] if simple else [], dtype=torch.long))
        factors = torch.tensor([[form[0][1]] for form in forms] if simple else [], dtype=self.dtype)
        matrix = torch.zeros(0 if simple else len(forms), size, dtype=self.dtype)
        if not simple:
            for row, form in enumerate(forms):
                for index, coefficient in form:
                    matrix[row, index] = coefficient
        self.constant(f"{kind}_factor", factors)
        self.constant(f"{kind}_matrix", matrix)
        same = simple and all(form == ((k, 1.0),) for k, form in enumerate(forms)) and len(forms) == size
        setattr(self, f"_{kind}_as_is", same)
        setattr(self, f"_{kind}_simple", simple)

    def _angles(self, kind: str, values: Tensor) -> Tensor:
        if getattr(self, f"_{kind}_as_is"):
            return values
        if getattr(self, f"_{kind}_simple"):
            index: Tensor = getattr(self, f"{kind}_index")
            return values.index_select(0, index) * self.get_buffer(f"{kind}_factor")
        return torch.mm(getattr(self, f"{kind}_matrix"), values)

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        if not self._reads_outcomes:
            return self._values(data, weights)
        return self._values(data.to(self.dtype), weights.to(self.dtype)).clamp(min=self.lowest).to(data.dtype)

    def _values(self, data: Tensor, weights: Tensor) -> Tensor:
        matrices = self._matrices(weights)
        angles = self._angles("data", data.T)
        one = torch.ones_like(data[:, :1].T) if data.shape[1] else data.new_ones(1, data.shape[0])
        rows = torch.cat([one, angles.cos(), angles.sin()]).index_select(0, self.first)
        for level, matrix in zip(self.program.levels, matrices, strict=True):
            rows = torch.mm(matrix, _features(rows, level.sections))
        return rows.T

    def _matrices(self, weights: Tensor) -> list[Tensor]:
        angles = self._angles("weight", weights.unsqueeze(1)).squeeze(1)
        table = torch.cat([angles.new_ones(1), angles.cos(), angles.sin()])
        coefficients = self.mix.sum(1)  # without weights every monomial is 1
        if self.monomials.shape[0]:
            product = table.index_select(0, self.monomials[0])
            for factor in self.monomials[1:]:
                product = product * table.index_select(0, factor)
            coefficients = torch.mv(self.mix, product)
        sizes = [level.rows * level.columns for level in self.program.levels]
        # Most entries are zero: gathering those too would send every one of them back into a single sum.
        values = coefficients.index_select(0, self.polynomials)
        flat = values.new_zeros(sum(sizes)).scatter(0, self.positions, values)
        shapes = [(level.rows, level.columns) for level in self.program.levels]
        return [part.view(shape) for part, shape in zip(torch.split(flat, sizes), shapes, strict=True)]


def _features(rows: Tensor, sections: tuple[tuple[int, int], ...]) -> Tensor:
    chunks = torch.split(rows, [count for degree, count in sections for _ in range(degree)])
    features, start = [], 0
    for degree, _ in sections:
        product = chunks[start]
        for chunk in chunks[start + 1 : start + degree]:
            product = product * chunk
        features.append(product)
        start += degree
    return torch.cat(features) if len(features) > 1 else features[0]


def _entries(levels: tuple[Level, ...]) -> tuple[Tensor, Tensor]:
    """Return where, in all levels' matrices laid end to end, something other than zero stands, and which polynomial."""
    positions, polynomials, start = [], [], 0
    for level in levels:
        for row, column, polynomial in level.entries:
            positions.append(start + row * level.columns + column)
            polynomials.append(polynomial)
        start += level.rows * level.columns
    return torch.tensor(positions, dtype=torch.long), torch.tensor(polynomials, dtype=torch.long)
