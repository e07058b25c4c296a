"""The ``statevector`` engine: amplitudes of connected wires on real and imaginary planes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from hqzoo.quantum.circuit import Circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.size import SizeError, refuse_beyond_memory
from hqzoo.quantum.engines.statevector.blocks import MatrixBank
from hqzoo.quantum.engines.statevector.evolve import Apply, Shuffle, Step, evolve
from hqzoo.quantum.engines.statevector.layout import Read, Rearranged, rearrangement
from hqzoo.quantum.engines.statevector.plan import Component, connected_wires, estimate, plan_state, table_bytes
from hqzoo.quantum.engines.statevector.readout import Marginal, Swap, Values, inner_product
from hqzoo.quantum.engines.statevector.start import Start
from hqzoo.quantum.observables import Overlap, Pauli, Probabilities
from hqzoo.quantum.pauli import from_letters

__all__ = ["MAX_WIRES", "StatevectorEngine", "estimate", "refuse_too_wide"]

MAX_WIRES = 24
MEND = "Use a circuit whose gates connect fewer wires."
CHUNK_BYTES = 2**20  # states of a batch that are carried through the circuit together: they should stay in the cache


def refuse_too_wide(circuit: Circuit) -> None:
    """Raise if gates connect more wires than a state vector can hold.

    Raises:
        SizeError: If they do.
    """
    largest = max(map(len, connected_wires(circuit)))
    if largest > MAX_WIRES:
        raise SizeError(
            f"A state vector of {largest} wires has 2^{largest} amplitudes; the limit is {MAX_WIRES} wires.",
            "Try engine='auto', which takes 'cone' where the observables see little enough of the circuit.",
        )


class StatevectorEngine(Engine):
    """Exact expectation values from the amplitudes of wires that gates connect.

    Gates on a few wires are fused into one matrix, matrices of equal structure are made together, matrices without
    imaginary part leave the two planes apart, and the last ones act on the observables. The backward pass uncomputes
    the states, so its memory does not depend on the depth. All of it is real, differentiable any number of times, and
    open to ``torch.compile`` and ``vmap``.

    Args:
        circuit: The circuit to run.
        dtype: ``torch.float32`` or ``torch.float64``.

    Raises:
        SizeError: If gates connect more wires than a state vector can hold, or this machine has too little memory.
    """

    def __init__(self, circuit: Circuit, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        refuse_too_wide(circuit)
        components = plan_state(circuit)
        largest = max(len(component.wires) for component in components)
        refuse_beyond_memory(table_bytes(circuit, dtype), f"The tables of a state vector of {largest} wires", MEND)
        self.circuit = circuit
        bank = MatrixBank(circuit.n_data, circuit.n_weights, dtype)
        self.parts = nn.ModuleList(_Part(component, bank, dtype) for component in components)
        self.readers = nn.ModuleList()
        self._pieces: list[tuple[tuple[int, int], ...]] = []  # readers of every observable that is no Pauli string
        columns: list[list[int]] = []
        for observable in circuit.observables:
            if isinstance(observable, Pauli):
                columns.append([])
            elif isinstance(observable, Probabilities):
                columns.append(self._add_probabilities(observable, components))
            else:
                self._add_overlap(observable, components)
                columns.append([0])
        bank.finish()
        self.bank = bank
        self._store_outputs(columns, components)
        size = max(2**component.n_bits for component in components)
        self._chunk = max(1, CHUNK_BYTES // (size * torch.finfo(dtype).bits * 8 // 64))

    def _add_probabilities(self, observable: Probabilities, components: tuple[Component, ...]) -> list[int]:
        """Add readers of the marginals, and return which of their products is which outcome."""
        pieces: list[tuple[int, int]] = []
        wires: list[int] = []
        for number, component in enumerate(components):
            own = tuple(wire for wire in observable.wires if wire in component.wires)
            if own:
                pieces.append((number, len(self.readers)))
                self.readers.append(Marginal(component, own, self.dtype))
                wires += own
        self._pieces.append(tuple(pieces))
        return [int(k) for k in rearrangement([], tuple(wires), observable.wires)[0]]

    def _add_overlap(self, observable: Overlap, components: tuple[Component, ...]) -> None:
        first, second = (
            next(k for k, component in enumerate(components) if wires[0] in component.wires)
            for wires in (observable.wires_a, observable.wires_b)
        )
        if first == second:
            self._pieces.append(((first, len(self.readers)),))
            self.readers.append(Swap(components[first], observable.wires_a, observable.wires_b, self.dtype))
            return
        self._pieces.append(((first, len(self.readers)), (second, len(self.readers) + 1)))
        self.readers.append(_Ordered(components[first], observable.wires_a, self.dtype))
        self.readers.append(_Ordered(components[second], observable.wires_b, self.dtype))

    def _store_outputs(self, columns: list[list[int]], components: tuple[Component, ...]) -> None:
        """Store which values are multiplied for every Pauli string, and where every output comes from."""
        offsets, total = [], 0
        for component in components:
            offsets.append(total)
            total += len(component.strings)
        products: list[list[int]] = []
        for observable in self.circuit.observables:
            if isinstance(observable, Pauli):
                x, z = from_letters(observable.letters, observable.wires)
                factors = []
                for offset, component in zip(offsets, components, strict=True):
                    mask = sum(1 << wire for wire in component.wires)
                    if (x | z) & mask:
                        factors.append(offset + component.strings.index((x & mask, z & mask)))
                products.append(factors)
        width = max((len(factors) for factors in products), default=0)
        self._as_is = width == 1 and [factors[0] for factors in products] == list(range(total))
        self._width = width
        padded = [factors + [total] * (width - len(factors)) for factors in products]
        self.constant("factors", torch.tensor(padded, dtype=torch.long).reshape(len(padded), width).T.contiguous())
        order, next_pauli, next_other = [], 0, len(products)
        for column in columns:
            if not column:
                order.append(next_pauli)
                next_pauli += 1
            else:
                order += [next_other + k for k in column]
                next_other += len(column)
        self._n_outputs = len(order)
        self._in_order = order == list(range(len(order)))
        self.constant("order", torch.tensor(order, dtype=torch.long))

    def forward(self, data: Tensor, weights: Tensor) -> Tensor:
        """Return expectation values ``(B, n_observables)`` of data ``(B, n_data)`` and weights ``(n_weights,)``."""
        batch = data.shape[0]
        if not batch:  # empty, but part of the graph
            return (data.sum() + weights.sum()) * data.new_zeros(0, self._n_outputs)
        matrices = self.bank(data, weights)
        parts = cast("Iterable[_Part]", self.parts)
        prepared = [part.prepare(matrices, batch) for part in parts]
        starts = range(0, batch, self._chunk) if self.circuit.n_data and batch > self._chunk else (0,)
        chunks = []
        for start in starts:
            rows = slice(start, min(start + self._chunk, batch)) if len(starts) > 1 else slice(0, batch)
            chunks.append(self._outputs([part(*given, rows) for part, given in zip(parts, prepared, strict=True)]))
        result = torch.cat(chunks) if len(chunks) > 1 else chunks[0]
        return result if result.shape[0] == batch else result.expand(batch, -1)

    def _outputs(self, found: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        """Return outputs from the final states and the values of the Pauli strings of every part."""
        outputs = []
        if self._width:
            outputs.append(self._pauli_values([values for _, values in found if values is not None]))
        for pieces in self._pieces:
            read = [self.readers[reader](found[number][0]) for number, reader in pieces]
            if isinstance(self.readers[pieces[0][1]], _Ordered):
                outputs.append(inner_product(*read))
                continue
            product = read[0]
            for factor in read[1:]:
                product = (product.unsqueeze(2) * factor.unsqueeze(1)).flatten(1)
            outputs.append(product)
        result = outputs[0]
        if len(outputs) > 1:
            batch = max(out.shape[0] for out in outputs)
            result = torch.cat([out.expand(batch, -1) for out in outputs], 1)
        return result if self._in_order else result.index_select(1, self.get_buffer("order"))

    def _pauli_values(self, found: list[Tensor]) -> Tensor:
        if self._as_is and len(found) == 1:
            return found[0]
        batch = max(values.shape[0] for values in found)
        values = torch.cat([*(v.expand(batch, -1) for v in found), found[0].new_ones(batch, 1)], 1)
        factors = self.get_buffer("factors")
        product = values.index_select(1, factors[0])
        for index in factors[1:]:
            product = product * values.index_select(1, index)
        return product


class _Part(Engine):
    """The final state of a component, and its Pauli strings."""

    def __init__(self, component: Component, bank: MatrixBank, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self._has_data = component.has_data
        self.start = Start(component, bank, dtype)
        self.values = Values(component, bank, dtype) if component.strings else None
        self._families: list[int] = []
        self._n_tables = 0
        shuffles: dict[tuple[object, ...], Shuffle] = {}  # layers often repeat one
        steps: list[Step] = []
        for item in component.items:
            if isinstance(item, Rearranged):
                if item.key not in shuffles:
                    shuffles[item.key] = self._shuffle(item)
                steps.append(shuffles[item.key])
            elif not isinstance(item.what, Read):
                slot = bank.add(item.what.ops, item.bits)
                if slot.family not in self._families:
                    self._families.append(slot.family)
                family = self._families.index(slot.family)
                steps.append(Apply(family, slot.instance, 2**item.left, 2 ** len(item.bits), 2**item.right))
        self._steps = tuple(steps)

    def _shuffle(self, item: Rearranged) -> Shuffle:
        index, signs = rearrangement(item.ops, item.before, item.after)
        inverse = np.empty_like(index)
        inverse[index] = np.arange(len(index))
        tables = [torch.tensor(table, dtype=torch.int32) for table in (index, inverse)]  # half the traffic of int64
        flips = bool((signs < 0).any())
        if flips:
            tables += [torch.tensor(signs).to(self.dtype), torch.tensor(signs[inverse]).to(self.dtype)]
        first = self._n_tables
        for table in tables:
            self.constant(f"table_{self._n_tables}", table)
            self._n_tables += 1
        return Shuffle(first, first + 2 if flips else -1)

    def prepare(self, matrices: list[Tensor], batch: int) -> _Prepared:
        """Return what small matrices and states make of a whole batch."""
        left, right = self.start(matrices)
        if self._has_data and left.shape[0] == 1 and (right is None or right.shape[0] == 1):
            left = left.expand(batch, *left.shape[1:])
        observables = self.values.observables(matrices) if self.values is not None else []
        return _Prepared(left, right, [matrices[family] for family in self._families], observables)

    def forward(
        self, left: Tensor, right: Tensor | None, matrices: list[Tensor], observables: list[Tensor], rows: slice
    ) -> tuple[Tensor, Tensor | None]:
        """Return final states ``(1 or b, 2^m)`` and values of the Pauli strings for some rows of the batch."""

        def chosen(tensor: Tensor) -> Tensor:
            return tensor[rows] if tensor.shape[0] > rows.stop - rows.start else tensor

        state = self.start.join(chosen(left), None if right is None else chosen(right))
        tables = [self.get_buffer(f"table_{k}") for k in range(self._n_tables)]
        state = evolve(state, self._steps, [chosen(matrix) for matrix in matrices], tables)
        return state, None if self.values is None else self.values(state, observables)


class _Prepared(NamedTuple):
    """What a part needs, once for a batch.

    Args:
        left: State or its first factor.
        right: Second factor.
        matrices: Tensors of matrices that the steps name.
        observables: What density matrices are multiplied with.
    """

    left: Tensor
    right: Tensor | None
    matrices: list[Tensor]
    observables: list[Tensor]


class _Ordered(Engine):
    """A state with its bits in a given order."""

    def __init__(self, component: Component, wires: tuple[int, ...], dtype: torch.dtype) -> None:
        super().__init__(dtype)
        after = (*wires, *(bit for bit in component.last if bit not in wires))
        self._shape = (2 ** len(wires), 2 ** (len(after) - len(wires)))
        self.constant("index", torch.tensor(rearrangement([], component.last, after)[0]))

    def forward(self, state: Tensor) -> Tensor:
        """Return ``(1 or B, N, 1 or 2)``."""
        return state.index_select(1, self.get_buffer("index")).view(state.shape[0], *self._shape)
