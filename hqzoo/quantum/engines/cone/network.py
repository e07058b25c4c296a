"""The multiplicative network hidden in a circuit: which expectation values follow from which others.

Every observable is carried back through the circuit (Heisenberg picture). Whenever a Pauli string falls apart into
parts whose past light cones share no wire, its expectation value is the product of the parts' values, so each part is
followed on its own and shared with every other observable that meets it. What remains is a small network of linear
maps, whose coefficients depend on the weights, and products. Nothing is approximated.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from typing import NamedTuple

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.cone.blocks import Block, Factor, Term, expand
from hqzoo.quantum.pauli import PauliString, single_letters

__all__ = ["Children", "Node", "Output", "Terms", "TooLarge", "Value", "find_network"]

MAX_READ_TERMS = 400_000  # Pauli strings in all outputs together
LETTERS: tuple[PauliString, ...] = ((1, 0), (1, 1), (0, 1))


class TooLarge(Exception):  # noqa: N818 - not an error: another engine takes over
    """The network of this circuit would be larger than a state vector is worth."""


class Node(NamedTuple):
    """The expectation value of a Pauli string right after a block (-1: before all of them)."""

    string: PauliString
    block: int


class Output(NamedTuple):
    """One of the circuit's outputs."""

    number: int


Value = Node | Factor | Output
Children = tuple[Value, ...]  # a product of values
Terms = dict[Children, dict[Term, float]]  # a sum of products, each with a polynomial in the weights


def find_network(circuit: Circuit, blocks: list[Block], max_terms: int) -> dict[Value, Terms]:
    """Return every value that the outputs need, outputs included, with the terms that it is the sum of.

    Children without terms of their own are cosines and sines of data angles.

    Raises:
        TooLarge: If the network needs more than ``max_terms`` terms.
    """
    n_terms = sum(observable.n_strings for observable in circuit.observables)
    if n_terms > MAX_READ_TERMS:  # before they are written down
        raise TooLarge(f"{n_terms:,} terms for what is read alone")
    past = _Past(circuit.n_wires, blocks)
    outputs: dict[Value, Terms] = {
        Output(number): {_sorted(past.parts(string, len(blocks))): {(): value} for value, string in total}
        for number, total in enumerate(circuit.outputs)
    }
    return _simplify(_collect(outputs, blocks, past, max_terms), outputs)


class _Past:
    """Which block touched a wire last, and the past light cone of every letter on every wire."""

    def __init__(self, n_wires: int, blocks: list[Block]) -> None:
        self.blocks = blocks
        self.touched: list[list[int]] = [[] for _ in range(n_wires)]
        # Before any gate a Z is the constant 1 and correlates with nothing.
        self.cones = [[{(1, 0): 1 << w, (1, 1): 1 << w, (0, 1): 0}] for w in range(n_wires)]
        self._expansions: dict[tuple[int, PauliString], dict[PauliString, dict[Term, float]]] = {}
        for index, block in enumerate(blocks):
            after = {
                wire: {(x, z): self._cone_of(self.expand(index, (x << wire, z << wire))) for x, z in LETTERS}
                for wire, _ in single_letters((block.mask, 0))
            }
            for wire, cones in after.items():
                self.touched[wire].append(index)
                self.cones[wire].append(cones)

    def expand(self, index: int, string: PauliString) -> dict[PauliString, dict[Term, float]]:
        """Return a string on the block's own wires carried back through the block."""
        key = (index, string)
        if key not in self._expansions:
            self._expansions[key] = expand(self.blocks[index], string)
        return self._expansions[key]

    def _cone_of(self, strings: dict[PauliString, dict[Term, float]]) -> int:
        cone = 0
        for string in strings:
            for wire, (x, z) in single_letters(string):
                cone |= self.cones[wire][-1][(x >> wire, z >> wire)]
        return cone

    def _last_block(self, string: PauliString, before: int) -> int:
        """Return the last block before ``before`` that touches the string, or -1."""
        best = -1
        for wire, _ in single_letters(string):
            position = bisect_left(self.touched[wire], before)
            if position:
                best = max(best, self.touched[wire][position - 1])
        return best

    def parts(self, string: PauliString, before: int) -> tuple[Node, ...]:
        """Split a string into uncorrelated parts, each with its last block before ``before``."""
        groups: list[tuple[int, PauliString]] = []  # cone and part
        for wire, (x, z) in single_letters(string):
            cone = self.cones[wire][bisect_left(self.touched[wire], before)][(x >> wire, z >> wire)]
            apart = []
            for other_cone, part in groups:
                if other_cone & cone:
                    cone, (x, z) = cone | other_cone, (x | part[0], z | part[1])
                else:
                    apart.append((other_cone, part))
            groups = [*apart, (cone, (x, z))]
        return tuple(Node(part, self._last_block(part, before)) for _, part in groups)


def _collect(outputs: dict[Value, Terms], blocks: list[Block], past: _Past, max_terms: int) -> dict[Node, Terms]:
    """Follow the outputs back to |0...0> and return every node met with its terms."""
    nodes: dict[Node, Terms] = {}
    waiting = [(-node.block, node) for terms in outputs.values() for node in _nodes_in(terms)]
    heapq.heapify(waiting)
    n_terms = 0
    while waiting:
        _, node = heapq.heappop(waiting)
        if node in nodes:
            continue
        terms = nodes[node] = _expand_node(node, blocks, past)
        n_terms += sum(len(polynomial) for polynomial in terms.values())
        if n_terms > max_terms:
            raise TooLarge(f"more than {max_terms:,} terms")
        for child in _nodes_in(terms):
            if child not in nodes:
                heapq.heappush(waiting, (-child.block, child))
    return nodes


def _nodes_in(terms: Terms) -> list[Node]:
    return [child for children in terms for child in children if isinstance(child, Node)]


def _expand_node(node: Node, blocks: list[Block], past: _Past) -> Terms:
    (x, z), index = node
    if index < 0:
        return {} if x else {(): {(): 1.0}}  # <0|X|0> = <0|Y|0> = 0, <0|Z|0> = 1
    mask = blocks[index].mask
    outer = (x & ~mask, z & ~mask)
    terms: Terms = {}
    for inner, polynomial in past.expand(index, (x & mask, z & mask)).items():
        parts = past.parts((inner[0] | outer[0], inner[1] | outer[1]), index)
        for term, coefficient in polynomial.items():
            weights = tuple(factor for factor in term if factor.kind == "weight")
            from_data = tuple(factor for factor in term if factor.kind == "data")
            into = terms.setdefault(_sorted((*parts, *from_data)), {})
            into[weights] = into.get(weights, 0.0) + coefficient
    return terms


def _sorted(children: Children) -> Children:
    return tuple(sorted(children, key=repr))  # any fixed order makes equal products equal


def _simplify(nodes: dict[Node, Terms], outputs: dict[Value, Terms]) -> dict[Value, Terms]:
    """Drop zeros, fold constants, and look through nodes that only rename another value."""
    constant: dict[Value, float] = {}
    alias: dict[Value, Value] = {}
    kept: dict[Value, Terms] = {}

    def reduce(terms: Terms) -> Terms:
        result: Terms = {}
        for children, polynomial in terms.items():
            scale, rest = 1.0, []
            for child in children:
                scale *= constant.get(child, 1.0)
                if child not in constant:
                    rest.append(alias.get(child, child))
            if scale:
                into = result.setdefault(_sorted(tuple(rest)), {})
                for term, value in polynomial.items():
                    into[term] = into.get(term, 0.0) + scale * value
        return result

    for node in sorted(nodes, key=lambda node: node.block):
        terms = reduce(nodes[node])
        if all(not children and set(polynomial) <= {()} for children, polynomial in terms.items()):
            constant[node] = sum(polynomial.get((), 0.0) for polynomial in terms.values())
        elif list(terms.values()) == [{(): 1.0}] and len(only := next(iter(terms))) == 1:
            alias[node] = only[0]
        else:
            kept[node] = terms
    kept |= {output: reduce(terms) for output, terms in outputs.items()}
    return _reachable(kept, list(outputs))


def _reachable(kept: dict[Value, Terms], stack: list[Value]) -> dict[Value, Terms]:
    result: dict[Value, Terms] = {}
    while stack:
        value = stack.pop()
        if value in kept and value not in result:
            result[value] = kept[value]
            stack.extend(child for children in kept[value] for child in children)
    return result
