"""The layer that takes a foreign layer's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.compiling import compile_circuit
from hqzoo.quantum.engines.base import Engine
from hqzoo.quantum.engines.transforms import full_precision
from hqzoo.quantum.importers.recover import Recovered
from hqzoo.quantum.layer import QuantumLayer

__all__ = ["Arranged", "Layout", "RecoveredLayer", "register_by_path"]


@dataclass(frozen=True)
class Layout:
    """How a foreign layer arranges one sample's features and outputs.

    Args:
        features: Shape of one sample.
        outputs: Shape of one sample's outputs.
        stacked: Number of measurements where they come before the batch dimensions, as PennyLane arranges a QNode
            that returns a tuple; 0 where outputs come last.
    """

    features: tuple[int, ...]
    outputs: tuple[int, ...]
    stacked: int = 0

    @classmethod
    def observe(cls, inputs: torch.Size, features: int, outputs: torch.Size, n_outputs: int) -> Layout:
        """Return the layout that fits what went in and came out, of which the last ``features`` dimensions are data.

        Raises:
            CircuitError: If the outputs are not those of the measurements.
        """
        batch, sample = tuple(inputs[: len(inputs) - features]), tuple(inputs[len(inputs) - features :])
        if tuple(outputs[: len(batch)]) == batch and outputs[len(batch) :].numel() == n_outputs:
            return cls(sample, tuple(outputs[len(batch) :]))
        if tuple(outputs[1 : 1 + len(batch)]) == batch and outputs.numel() == n_outputs * max(1, batch_size(batch)):
            return cls(sample, tuple(outputs[1 + len(batch) :]), outputs[0])
        raise CircuitError(
            f"It turns inputs {tuple(inputs)} into {tuple(outputs)}, but its circuit reads {n_outputs} value(s) per "
            "sample. Classical operations between the measurement and the output belong into a module around it."
        )

    def run(self, function: Callable[[Tensor], Tensor], data: Tensor) -> Tensor:
        """Run a function of rows ``(B, n_features) -> (B, n_outputs)``: ``(..., *features) -> (..., *outputs)``."""
        batch = data.shape[: data.dim() - len(self.features)]
        out = function(data.reshape(batch.numel(), -1))
        if self.stacked:
            out = out.reshape(len(out), self.stacked, -1).movedim(1, 0)
        shape = (self.stacked,) * bool(self.stacked) + (*batch, *self.outputs)
        arranged: Tensor = out.reshape(shape).to(data.dtype)
        return arranged


def batch_size(shape: tuple[int, ...]) -> int:
    """Return the number of samples in a batch of this shape."""
    return torch.Size(shape).numel()


class RecoveredLayer(QuantumLayer):
    """A recovered circuit behind the parameters, the shapes and the arrangement of the layer that it replaces.

    A state dict of the foreign layer fits this one. Like every :class:`~hqzoo.quantum.QuantumLayer` it computes in its
    own precision under autocast and after ``double()`` or ``half()``, too.

    Args:
        recovered: The circuit, and how data, weights and outputs map onto it.
        layout: Shapes of one sample.
        parameters: Its parameters by name.
        argument: Name under which the foreign layer takes its inputs.
        engine: Engine that runs the circuit.
        dtype: Precision of the simulation.
        device: Where its constants are; they follow the model later.
    """

    def __init__(
        self,
        recovered: Recovered,
        layout: Layout,
        parameters: Mapping[str, nn.Parameter],
        argument: str,
        engine: str,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        nn.Module.__init__(self)
        self.compiled = compile_circuit(recovered.circuit, engine, dtype)
        self.layout = layout
        self.argument = argument
        self._front = Front(recovered, layout, parameters, dtype)
        self.readings = None if recovered.readout.is_plain else Readings(recovered, dtype)
        self.to(device)  # before there are parameters: those stay where they are
        self._names = tuple(parameters)
        for name, parameter in parameters.items():
            register_by_path(self, name, parameter)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """Return what the replaced layer would: ``(..., *features) -> (..., *outputs)``, see :class:`Layout`.

        It takes one tensor, by position or under the name that the replaced layer gave it.

        Raises:
            CircuitError: If it is called otherwise.
        """
        data = the_tensor(self.argument, inputs, named)
        with full_precision(data):
            return self.layout.run(self._of_rows, data)

    def _of_rows(self, rows: Tensor) -> Tensor:
        parameters = {name: attrgetter(name)(self) for name in self._names}
        out: Tensor = self.compiled(*self._front(rows, parameters))
        return out if self.readings is None else self.readings(out)


class Arranged(nn.Module):
    """Any module of rows ``(B, n_features) -> (B, n_outputs)`` with the interface of a foreign layer.

    Args:
        core: The module.
        layout: The shapes of the foreign layer.
        argument: The name of its tensor.
    """

    def __init__(self, core: nn.Module, layout: Layout, argument: str) -> None:
        super().__init__()
        self.core, self.layout, self.argument = core, layout, argument

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """Return outputs as the foreign layer would: ``(..., *features) -> (..., *outputs)``.

        Raises:
            CircuitError: If it is not called with one tensor, by position or by name.
        """
        return self.layout.run(self.core, the_tensor(self.argument, inputs, named))


def the_tensor(argument: str, inputs: tuple[Tensor, ...], named: Mapping[str, Tensor]) -> Tensor:
    """Return the one tensor that a layer was called with.

    Raises:
        CircuitError: If it was called otherwise.
    """
    if len(inputs) + len(named) != 1 or any(name != argument for name in named):
        given = [str(tuple(value.shape)) for value in inputs] + list(named)
        raise CircuitError(f"It takes one tensor, '{argument}', and got {', '.join(given) or 'nothing'}.")
    (data,) = (*inputs, *named.values())
    return data


class Front(Engine):
    """What comes before the circuit: features and parameters turn into its data and weights.

    Args:
        recovered: The circuit, and which features, weights and curved angles it takes.
        layout: Shapes of one sample.
        parameters: Parameters by name, whose sizes count.
        dtype: Precision of curved angles.
    """

    def __init__(
        self, recovered: Recovered, layout: Layout, parameters: Mapping[str, Tensor], dtype: torch.dtype
    ) -> None:
        super().__init__(dtype)
        features = torch.Size(layout.features).numel()
        n_weights = sum(parameter.numel() for parameter in parameters.values())
        self.data_index: Tensor | None
        self.weight_index: Tensor | None
        self._keep("data_index", recovered.data_index, features)
        self._keep("weight_index", recovered.weight_index, n_weights)
        self.curved = recovered.front(dtype) if recovered.n_front else None

    def _keep(self, name: str, index: tuple[int, ...], size: int) -> None:
        """Keep an index, or None where it takes everything in order."""
        if index == tuple(range(size)):
            setattr(self, name, None)
        else:
            self.constant(name, torch.tensor(index, dtype=torch.long))

    def forward(self, features: Tensor, parameters: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Turn ``(B, n_features)`` and parameters by name into data ``(B, n_data)`` and weights ``(n_weights,)``."""
        features = features.to(self.dtype)
        values = {name: value.to(features) for name, value in parameters.items()}
        weights = torch.cat([value.flatten() for value in values.values()]) if values else features.new_zeros(0)
        data = features if self.data_index is None else features.index_select(1, self.data_index)
        if self.curved is not None:
            curved = torch.vmap(self.curved, (0, None))(features, values)
            data = torch.cat([data, torch.stack(curved, dim=1)], dim=1)
        return data, weights if self.weight_index is None else weights.index_select(0, self.weight_index)


class Readings(Engine):
    """What comes behind the circuit: outputs as sums of what it reads.

    Args:
        recovered: The circuit with its readout.
        dtype: Precision of the sums.
    """

    matrix: Tensor
    constants: Tensor

    def __init__(self, recovered: Recovered, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        rows = recovered.readout.rows
        matrix = torch.zeros(len(rows), recovered.circuit.n_observables, dtype=dtype)
        for row, (_, terms) in enumerate(rows):
            for column, coefficient in terms:
                matrix[row, column] += coefficient
        self.constant("matrix", matrix)
        self.constant("constants", torch.tensor([constant for constant, _ in rows], dtype=dtype))

    def forward(self, readings: Tensor) -> Tensor:
        """Turn ``(B, n_observables)`` into ``(B, n_outputs)``."""
        return readings @ self.matrix.T + self.constants


def register_by_path(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Register a parameter or a buffer under a name that may run through submodules."""
    *path, last = name.split(".")
    for part in path:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module.get_submodule(part)
    if isinstance(tensor, nn.Parameter):
        module.register_parameter(last, tensor)
    else:
        module.register_buffer(last, tensor)
