"""Planning of the ``cone`` engine: what the observables can see, in pieces no larger than correlations demand.

Every observable is carried back through the circuit (Heisenberg picture). Whenever a Pauli string falls apart into
parts whose past light cones share no wire, its expectation value is the product of the parts' values, so each part is
followed on its own and shared with every other observable that meets it. What remains is a small network of linear
maps, whose matrices depend on the weights, and products. Nothing is approximated.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.blocks import Block, Factor, Term, blocks_of, expand
from hqzoo.quantum.pauli import PauliString, from_letters, single_letters, support

__all__ = ["ConeProgram", "Level", "TooLarge", "plan_cone"]

Node = tuple[PauliString, int]  # a string right after the block of that number
Value = Node | Factor  # what a feature multiplies: nodes and cosines or sines of data angles
ONE: Factor = ("data", -1, "cos")  # the constant 1
MAX_TERMS = 200_000


class TooLarge(Exception):  # noqa: N818 - not an error: another engine takes over
    """The network of this circuit would be larger than a state vector is worth."""


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
        """Number of features."""
        return sum(count for _, count in self.sections)


@dataclass(frozen=True)
class ConeProgram:
    """A circuit as a multiplicative network.

    Args:
        data_angles: Affine forms of the data; rows of the first layer are 1, their cosines and sines.
        weight_angles: Affine forms of the weights; monomials are products of their cosines and sines.
        first: Rows of the first layer that the first level takes.
        levels: Products and linear maps.
        monomials: Each a tuple of rows of ``[1, cos(weights), sin(weights)]`` to be multiplied.
        polynomials: Each a tuple of ``(monomial number, coefficient)``.
        largest_piece: Most qubits that must be treated together.
    """

    data_angles: tuple[tuple[tuple[int, float], ...], ...]
    weight_angles: tuple[tuple[tuple[int, float], ...], ...]
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


def plan_cone(circuit: Circuit) -> ConeProgram:
    """Turn a circuit into its multiplicative network.

    Raises:
        TooLarge: If the network needs more than ``MAX_TERMS`` terms.
    """
    blocks, data_angles, weight_angles = blocks_of(circuit)
    history = _History(circuit.n_wires, blocks)
    outputs = [from_letters(p.letters, p.wires) for p in circuit.observables]
    nodes, output_terms = _collect(outputs, blocks, history)
    values = _simplify(nodes, output_terms)
    largest = max(
        (
            support(child[0]).bit_count()
            for terms in values.values()
            for children, _ in terms
            for child in children
            if len(child) == 2
        ),
        default=0,
    )
    return _Layout(values, len(outputs), len(data_angles.forms), len(weight_angles.forms)).program(
        tuple(data_angles.forms), tuple(weight_angles.forms), largest
    )


class _History:
    """Which block touched a wire last, and the past light cone of every letter on every wire."""

    def __init__(self, n_wires: int, blocks: list[Block]) -> None:
        self.touched: list[list[int]] = [[] for _ in range(n_wires)]
        # Before any gate a Z is the constant 1 and correlates with nothing.
        self.cones = [[{(1, 0): 1 << w, (1, 1): 1 << w, (0, 1): 0}] for w in range(n_wires)]
        self.expansions: dict[tuple[int, PauliString], dict[PauliString, dict[Term, float]]] = {}
        self.blocks = blocks
        for index, block in enumerate(blocks):
            after = {}
            for wire, _ in single_letters((block.mask, 0)):
                after[wire] = {
                    letter: self._cone_of(self.expand(index, (letter[0] << wire, letter[1] << wire)))
                    for letter in ((1, 0), (1, 1), (0, 1))
                }
            for wire, cones in after.items():
                self.touched[wire].append(index)
                self.cones[wire].append(cones)

    def expand(self, index: int, string: PauliString) -> dict[PauliString, dict[Term, float]]:
        """Return a string on the block's own wires carried back through the block."""
        key = (index, string)
        if key not in self.expansions:
            self.expansions[key] = expand(self.blocks[index], string)
        return self.expansions[key]

    def _cone_of(self, strings: dict[PauliString, dict[Term, float]]) -> int:
        cone = 0
        for string in strings:
            for wire, (x, z) in single_letters(string):
                cone |= self.cones[wire][-1][(x >> wire, z >> wire)]
        return cone

    def last_block(self, string: PauliString, before: int) -> int:
        """Return the last block before ``before`` that touches the string, or -1."""
        best = -1
        for wire, _ in single_letters(string):
            position = bisect_left(self.touched[wire], before)
            if position:
                best = max(best, self.touched[wire][position - 1])
        return best

    def factor(self, string: PauliString, before: int) -> tuple[Node, ...]:
        """Split a string into uncorrelated parts, each with its last block before ``before``."""
        groups: list[tuple[int, PauliString]] = []  # cone and part
        for wire, (x, z) in single_letters(string):
            cone = self.cones[wire][bisect_left(self.touched[wire], before)][(x >> wire, z >> wire)]
            rest = []
            for other_cone, part in groups:
                if other_cone & cone:
                    cone, (x, z) = cone | other_cone, (x | part[0], z | part[1])
                else:
                    rest.append((other_cone, part))
            groups = [*rest, (cone, (x, z))]
        return tuple((part, self.last_block(part, before)) for _, part in groups)


_Terms = dict[tuple[Value, ...], dict[Term, float]]  # product of values: polynomial in the weights


def _collect(
    outputs: list[PauliString], blocks: list[Block], history: _History
) -> tuple[dict[Node, _Terms], list[_Terms]]:
    """Follow the outputs back to |0...0> and return every node met with its terms."""
    end = len(blocks)
    output_terms: list[_Terms] = [
        {tuple(sorted(history.factor(string, end))): {(): 1.0}} for string in outputs
    ]
    nodes: dict[Node, _Terms] = {}
    heap = [(-child[1], child) for terms in output_terms for children in terms for child in children]
    heapq.heapify(heap)
    n_terms = 0
    while heap:
        _, node = heapq.heappop(heap)
        if node in nodes:
            continue
        terms = nodes[node] = _expand_node(node, blocks, history)
        n_terms += sum(len(polynomial) for polynomial in terms.values())
        if n_terms > MAX_TERMS:
            raise TooLarge(f"more than {MAX_TERMS} terms")
        for children in terms:
            for child in children:
                if len(child) == 2 and child not in nodes:
                    heapq.heappush(heap, (-child[1], child))
    return nodes, output_terms


def _expand_node(node: Node, blocks: list[Block], history: _History) -> _Terms:
    (x, z), index = node
    if index < 0:
        return {} if x else {(): {(): 1.0}}  # <0|X|0> = <0|Y|0> = 0, <0|Z|0> = 1
    mask = blocks[index].mask
    outer = (x & ~mask, z & ~mask)
    terms: _Terms = defaultdict(dict)
    for inner, polynomial in history.expand(index, (x & mask, z & mask)).items():
        parts = history.factor((inner[0] | outer[0], inner[1] | outer[1]), index)
        for term, coefficient in polynomial.items():
            from_data = tuple(factor for factor in term if factor[0] == "data")
            weights = tuple(factor for factor in term if factor[0] == "weight")
            key = tuple(sorted((*parts, *from_data), key=_order))
            terms[key][weights] = terms[key].get(weights, 0.0) + coefficient
    return dict(terms)


def _order(value: Value) -> tuple[int, str]:
    return (len(value), repr(value))


def _simplify(
    nodes: dict[Node, _Terms], outputs: list[_Terms]
) -> dict[Value, list[tuple[tuple[Value, ...], dict[Term, float]]]]:
    """Drop zeros, fold constants and look through nodes that only rename another value.

    Outputs become the nodes ``("out", k)``.
    """
    constant: dict[Value, float] = {}
    alias: dict[Value, Value] = {}
    kept: dict[Value, list[tuple[tuple[Value, ...], dict[Term, float]]]] = {}

    def reduce(terms: _Terms) -> _Terms:
        result: _Terms = {}
        for children, polynomial in terms.items():
            scale, rest = 1.0, []
            for child in children:
                child = alias.get(child, child)
                scale *= constant.get(child, 1.0)
                if child not in constant:
                    rest.append(child)
            if scale:
                into = result.setdefault(tuple(sorted(rest, key=_order)), {})
                for term, value in polynomial.items():
                    into[term] = into.get(term, 0.0) + scale * value
        return result

    for node in sorted(nodes, key=lambda n: n[1]):
        terms = reduce(nodes[node])
        if all(not children and set(polynomial) <= {()} for children, polynomial in terms.items()):
            constant[node] = sum(polynomial.get((), 0.0) for polynomial in terms.values())
        elif len(terms) == 1 and next(iter(terms.values())) == {(): 1.0} and len(next(iter(terms))) == 1:
            alias[node] = next(iter(terms))[0]
        else:
            kept[node] = list(terms.items())
    for number, output in enumerate(outputs):
        terms = reduce(output)
        kept[("out", number)] = list(terms.items())  # type: ignore[index]
    return _reachable(kept, len(outputs))


def _reachable(kept: dict, n_outputs: int) -> dict:  # type: ignore[type-arg]
    stack: list = [("out", k) for k in range(n_outputs)]
    result = {}
    while stack:
        value = stack.pop()
        if value in kept and value not in result:
            result[value] = kept[value]
            stack.extend(child for children, _ in kept[value] for child in children)
    return result


class _Layout:
    """Arranges nodes into levels and numbers everything."""

    def __init__(self, values: dict, n_outputs: int, n_data: int, n_weight: int) -> None:  # type: ignore[type-arg]
        self.values = values
        self.n_outputs = n_outputs
        self.n_data, self.n_weight = n_data, n_weight
        self.monomials: dict[tuple[int, ...], int] = {}
        self.polynomials: dict[tuple[tuple[int, float], ...], int] = {}
        self.depth: dict[Value, int] = {}

    def program(self, data_angles: tuple, weight_angles: tuple, largest: int) -> ConeProgram:  # type: ignore[type-arg]
        outputs: list[Value] = [("out", k) for k in range(self.n_outputs)]  # type: ignore[misc]
        self._set_depths(outputs)
        last = max(self.depth[value] for value in outputs)
        wanted: list[Value] = outputs
        levels: list[Level] = []
        for depth in range(last, 0, -1):
            level, wanted = self._level(depth, wanted)
            levels.append(level)
        first = tuple(self._trig_row(value, self.n_data) for value in wanted)  # type: ignore[arg-type]
        return ConeProgram(
            data_angles,
            weight_angles,
            first,
            tuple(reversed(levels)),
            tuple(self.monomials),
            tuple(self.polynomials),
            largest,
        )

    def _set_depths(self, outputs: list[Value]) -> None:
        # Nodes are visited in causal order: children have earlier blocks.
        def time(value: Value) -> float:
            return float("inf") if value[0] == "out" else value[1]  # type: ignore[return-value]

        for value in sorted(self.values, key=time):
            children = [child for tuple_, _ in self.values[value] for child in tuple_]
            self.depth[value] = 1 + max((self.depth.get(child, 0) for child in children), default=0)

    def _level(self, depth: int, wanted: list[Value]) -> tuple[Level, list[Value]]:
        """Return the level that computes ``wanted``, and the values it wants from the level before, in order."""
        rows = []
        for value in wanted:
            if self.depth.get(value, 0) == depth:
                terms = self.values[value] or [((), {})]  # an output that is always zero
                rows.append([(children or (ONE,), polynomial) for children, polynomial in terms])
            else:
                rows.append([((value,), {(): 1.0})])
        features = sorted(
            {children for row in rows for children, _ in row}, key=lambda c: (len(c), [_order(v) for v in c])
        )
        column = {children: number for number, children in enumerate(features)}
        entries = tuple(
            (r, column[children], self._polynomial(polynomial))
            for r, row in enumerate(rows)
            for children, polynomial in row
        )
        sections, incoming = [], []
        for degree in sorted({len(children) for children in features}):
            group = [children for children in features if len(children) == degree]
            sections.append((degree, len(group)))
            incoming.extend(children[k] for k in range(degree) for children in group)
        return Level(tuple(sections), len(rows), entries), incoming

    def _polynomial(self, polynomial: dict[Term, float]) -> int:
        terms = []
        for term, coefficient in polynomial.items():
            rows = tuple(self._trig_row(factor, self.n_weight) for factor in term)
            terms.append((self.monomials.setdefault(rows, len(self.monomials)), coefficient))
        return self.polynomials.setdefault(tuple(sorted(terms)), len(self.polynomials))

    @staticmethod
    def _trig_row(factor: Factor, n_angles: int) -> int:
        _, index, function = factor
        return 0 if factor == ONE else 1 + index + (n_angles if function == "sin" else 0)
