"""PennyLane layers: from the tape of a ``TorchLayer`` to a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from hqzoo.errors import CircuitError
from hqzoo.quantum.importers.pennylane import labels_of, tape_of
from hqzoo.quantum.importers.pennylane_tape import read_tape
from hqzoo.quantum.importers.recording import Foreign, Recording, without_phases

__all__ = ["PennyLaneSource"]


class PennyLaneSource:
    """A ``TorchLayer`` as something that runs and can be recorded.

    Args:
        layer: The layer.
        batched: Whether it is called with a batch dimension; PennyLane hands that dimension to the QNode.

    Raises:
        CircuitError: If the QNode is not given the layer's parameters.
    """

    kind = "PennyLane TorchLayer"

    def __init__(self, layer: Foreign, batched: bool) -> None:
        self.layer, self.batched = layer, batched
        owned = {id(parameter): name for name, parameter in layer.named_parameters()}
        stale = [name for name, value in layer.qnode_weights.items() if id(value) not in owned]
        if stale:
            raise CircuitError(
                f"Its QNode is given another tensor than its parameter {', '.join(stale)}; to replace a parameter of a "
                "TorchLayer, assign the new one to the attribute and in layer.qnode_weights."
            )
        self._parameter_of = {name: owned[id(value)] for name, value in layer.qnode_weights.items()}
        # The C++ devices hand over single precision whatever is asked for.
        exact = layer.qnode.device.name == "default.qubit"
        self.dtype, self.tolerance = torch.float64, 1e-8 if exact else 1e-4

    @staticmethod
    def matches(module: nn.Module) -> bool:
        """Whether this is PennyLane's layer, without importing PennyLane."""
        return any(c.__module__ == "pennylane.qnn.torch" and c.__name__ == "TorchLayer" for c in type(module).__mro__)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the weight arrays by name, in the layer's order."""
        return dict(self.layer.named_parameters())

    def run(self, inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Run the layer itself with other weights."""
        own = self.layer.qnode_weights
        kept = dict(own)
        try:
            own.update(self._arguments(weights))
            out: Tensor = self.layer(inputs)
            return out
        finally:
            own.update(kept)

    def _arguments(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the QNode's arguments, of which several can be one parameter."""
        return {name: weights[parameter] for name, parameter in self._parameter_of.items()}

    def record(self, features: Tensor, weights: Mapping[str, Tensor]) -> Recording:
        """Record the tape of one sample ``(n_features,)``.

        Raises:
            CircuitError: If the tape holds something that is no gate or reading of a :class:`Circuit`.
        """
        arguments = {self.layer.input_arg: features.unsqueeze(0) if self.batched else features}
        arguments.update(self._arguments(weights))
        tape = tape_of(self.layer.qnode, **arguments)
        recording = read_tape(tape, labels_of(tape, self.layer.qnode.device))
        return replace(recording, gates=without_phases(recording.gates))
