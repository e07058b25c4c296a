"""The layer that takes a foreign layer's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.accelerate.recover import Recovered
from hqzoo.quantum.compile import compile as compile_circuit
from hqzoo.quantum.layer import QuantumLayer

__all__ = ["Layout", "RecoveredLayer", "register_by_path"]


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


def batch_size(shape: tuple[int, ...]) -> int:
    """Return the number of samples in a batch of this shape."""
    return torch.Size(shape).numel()


class RecoveredLayer(QuantumLayer):
    """A recovered circuit behind the parameters, the shapes and the arrangement of the layer that it replaces.

    A state dict of the foreign layer fits this one.

    Args:
        recovered: The circuit, and how data, weights and outputs map onto it.
        layout: Shapes of one sample.
        parameters: The foreign layer's parameters by name; they are copied.
        engine: Engine that runs the circuit.
        dtype: Precision of the simulation.
    """

    def __init__(
        self,
        recovered: Recovered,
        layout: Layout,
        parameters: Mapping[str, nn.Parameter],
        engine: str = "auto",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        nn.Module.__init__(self)
        self.compiled = compile_circuit(recovered.circuit, engine, dtype)
        self.layout = layout
        self._names = tuple(parameters)
        for name, parameter in parameters.items():
            copied = nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
            register_by_path(self, name, copied)
        self.front = recovered.front(dtype) if recovered.n_front else None
        features = torch.Size(layout.features).numel()
        weights = sum(parameter.numel() for parameter in parameters.values())
        self._data_index = _index(self, "data_index", recovered.data_index, features)
        self._weight_index = _index(self, "weight_index", recovered.weight_index, weights)
        self._plain = recovered.readout.is_plain
        rows = recovered.readout.rows
        if not self._plain:
            matrix = torch.zeros(len(rows), recovered.circuit.n_observables, dtype=dtype)
            for row, (_, terms) in enumerate(rows):
                for column, coefficient in terms:
                    matrix[row, column] += coefficient
            self.register_buffer("readout", matrix, persistent=False)
            constants = torch.tensor([constant for constant, _ in rows], dtype=dtype)
            self.register_buffer("constants", constants, persistent=False)

    def forward(self, data: Tensor) -> Tensor:
        """Return what the replaced layer would: ``(..., *features) -> (..., *outputs)``, see :class:`Layout`."""
        dtype, layout = self.compiled.dtype, self.layout
        batch = data.shape[: data.dim() - len(layout.features)]
        features = data.reshape(batch.numel(), -1).to(dtype)
        parameters = {name: attrgetter(name)(self).to(dtype) for name in self._names}
        flat = torch.cat([value.flatten() for value in parameters.values()]) if parameters else features.new_zeros(0)
        angles = features if self._data_index is None else features.index_select(1, self.get_buffer("data_index"))
        if self.front is not None:
            angles = torch.cat([angles, torch.stack(torch.vmap(self.front, (0, None))(features, parameters), 1)], dim=1)
        weights = flat if self._weight_index is None else flat.index_select(0, self.get_buffer("weight_index"))
        out = self.compiled(angles, weights)
        if not self._plain:
            out = out @ self.get_buffer("readout").T + self.get_buffer("constants")
        if layout.stacked:
            out = out.reshape(len(out), layout.stacked, -1).movedim(1, 0)
        shape = (layout.stacked,) * bool(layout.stacked) + (*batch, *layout.outputs)
        arranged: Tensor = out.reshape(shape).to(data.dtype)
        return arranged


def register_by_path(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    """Register a parameter under a name that may run through submodules."""
    *path, last = name.split(".")
    for part in path:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module.get_submodule(part)
    module.register_parameter(last, parameter)


def _index(module: nn.Module, name: str, index: tuple[int, ...], size: int) -> tuple[int, ...] | None:
    """Keep an index as a buffer, or return None where it takes everything in order."""
    if index == tuple(range(size)):
        return None
    module.register_buffer(name, torch.tensor(index, dtype=torch.long), persistent=False)
    return index
