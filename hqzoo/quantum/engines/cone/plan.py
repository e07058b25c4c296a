"""The program of the ``cone`` engine: a circuit's multiplicative network laid out in levels of rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.cone.blocks import Factor, Term, blocks_of
from hqzoo.quantum.engines.cone.network import Node, Output, Terms, TooLarge, Value, find_network
from hqzoo.quantum.pauli import support

__all__ = ["ConeProgram", "Level", "TooLarge", "plan_cone"]

ONE = Factor("data", -1, "cos")  # the constant 1
Form = tuple[tuple[int, float], ...]  # an affine form without its constant


@dataclass(frozen=True)
class Level:
    """Products of rows, then a linear map.

    Args:
        sections: Pairs ``(degree, count)``: the incoming rows hold, one after the other, ``degree`` chunks of
            ``count`` rows each, which are multiplied with each other.
        rows: Number of outgoing rows.
        entries: Nonzero entries of the map as ``(row, column, polynomial number)``.
    """

    sections: tuple[tuple[int, int], ...]
    rows: int
    entries: tuple[tuple[int, int, int], ...]

    @property
    def columns(self) -> int:
        """Number of products."""
        return sum(count for _, count in self.sections)


@dataclass(frozen=True)
class ConeProgram:
    """A circuit as levels of products and linear maps.

    Args:
        data_angles: Affine forms of the data; rows of the first layer are 1, their cosines and sines.
        weight_angles: Affine forms of the weights; monomials are products of their cosines and sines.
        first: Rows of the first layer that the first level takes.
        levels: Products and linear maps.
        monomials: Each a tuple of rows of ``[1, cos(weights), sin(weights)]`` to be multiplied.
        polynomials: Each a tuple of ``(monomial number, coefficient)``.
        largest_piece: Most qubits that must be treated together.
    """

    data_angles: tuple[Form, ...]
    weight_angles: tuple[Form, ...]
    first: tuple[int, ...]
    levels: tuple[Level, ...]
    monomials: tuple[tuple[int, ...], ...]
    polynomials: tuple[tuple[tuple[int, float], ...], ...]
    largest_piece: int

    @property
    def flops(self) -> int:
        """Floating-point operations per sample, forward."""
        return sum(2 * level.rows * level.columns for level in self.levels)

    @property
    def rows(self) -> int:
        """Numbers per sample that are kept for the backward pass."""
        return len(self.first) + sum(level.rows + level.columns for level in self.levels)


@lru_cache(maxsize=64)
def plan_cone(circuit: Circuit, max_terms: int = 200_000) -> ConeProgram:
    """Lay out the network of a circuit.

    Args:
        circuit: The circuit.
        max_terms: Terms at which to give up.

    Raises:
        TooLarge: If the network has more terms.
    """
    blocks, data_angles, weight_angles = blocks_of(circuit)
    network = find_network(circuit, blocks, max_terms)
    return _Layout(network, circuit.n_observables, list(data_angles.forms), list(weight_angles.forms)).program()


class _Layout:
    """Arranges the values of a network into levels and numbers everything."""

    def __init__(self, network: dict[Value, Terms], n_outputs: int, data: list[Form], weights: list[Form]) -> None:
        self.network = network
        self.data, self.weights = data, weights
        self.outputs: list[Value] = [Output(number) for number in range(n_outputs)]
        self.monomials: dict[tuple[int, ...], int] = {}
        self.polynomials: dict[tuple[tuple[int, float], ...], int] = {}
        self.depth = self._depths()

    def _depths(self) -> dict[Value, int]:
        """Return how many levels each value stands above the cosines and sines of the data."""
        depth: dict[Value, int] = {}

        def time(value: Value) -> float:  # children belong to earlier blocks
            return value.block if isinstance(value, Node) else float("inf")

        for value in sorted(self.network, key=time):
            children = [child for product in self.network[value] for child in product]
            depth[value] = 1 + max((depth.get(child, 0) for child in children), default=0)
        return depth

    def program(self) -> ConeProgram:
        """Return the program, laid out from the outputs backwards."""
        wanted, levels = self.outputs, []
        for depth in range(max(self.depth[value] for value in self.outputs), 0, -1):
            level, wanted = self._level(depth, wanted)
            levels.append(level)
        return ConeProgram(
            tuple(self.data),
            tuple(self.weights),
            tuple(self._row_of(value, len(self.data)) for value in wanted),
            tuple(reversed(levels)),
            tuple(self.monomials),
            tuple(self.polynomials),
            self._largest_piece(),
        )

    def _largest_piece(self) -> int:
        pieces = [support(value.string).bit_count() for value in self.network if isinstance(value, Node)]
        return max(pieces, default=0)

    def _level(self, depth: int, wanted: list[Value]) -> tuple[Level, list[Value]]:
        """Return the level that computes ``wanted``, and the values that it takes, in order."""
        sums = [self._sum(value, depth) for value in wanted]
        products = sorted({children for terms in sums for children in terms}, key=lambda c: (len(c), repr(c)))
        column = {children: number for number, children in enumerate(products)}
        entries = tuple(
            (row, column[children], self._polynomial(polynomial))
            for row, terms in enumerate(sums)
            for children, polynomial in terms.items()
        )
        sections: list[tuple[int, int]] = []
        incoming: list[Value] = []
        for degree in sorted({len(children) for children in products}):
            group = [children for children in products if len(children) == degree]
            sections.append((degree, len(group)))
            incoming += [children[k] for k in range(degree) for children in group]
        return Level(tuple(sections), len(wanted), entries), incoming

    def _sum(self, value: Value, depth: int) -> Terms:
        """Return the terms of a value at its own level, and the value itself where it is only passed on."""
        if self.depth.get(value, 0) != depth:
            return {(value,): {(): 1.0}}
        terms = self.network[value] or {(): {}}  # an output that is always zero
        return {children or (ONE,): polynomial for children, polynomial in terms.items()}

    def _polynomial(self, polynomial: dict[Term, float]) -> int:
        terms = []
        for term, coefficient in polynomial.items():
            rows = tuple(self._row_of(factor, len(self.weights)) for factor in term)
            terms.append((self.monomials.setdefault(rows, len(self.monomials)), coefficient))
        return self.polynomials.setdefault(tuple(sorted(terms)), len(self.polynomials))

    @staticmethod
    def _row_of(value: Value, n_angles: int) -> int:
        """Return the row of ``[1, cos, sin]`` that holds a factor."""
        if not isinstance(value, Factor):
            raise TypeError(f"{value} is no cosine or sine: the levels below it are missing.")
        if value == ONE:
            return 0
        return 1 + value.angle + (n_angles if value.function == "sin" else 0)
