"""What a foreign layer reads besides its inputs and its parameters, which its replacement would freeze."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from hqzoo.errors import CircuitError
from hqzoo.quantum.importers.recording import Foreign
from hqzoo.quantum.importers.recover import Source

__all__ = ["refuse_outside"]

_LOOKS = {"__get__", "__len__", "__hash__", "size", "dim", "numel", "stride", "is_floating_point", "is_complex"}
"""Calls that look at a tensor's shape and type, or make an alias that is seen when it is used."""


def refuse_outside(source: Source, inputs: Tensor, held: Mapping[str, Tensor]) -> None:
    """Run a foreign layer once, and refuse it if it uses tensors of the model or trained tensors from outside.

    Other tensors and numbers from outside count as constants, as they do for ``torch.export``.

    Args:
        source: The layer.
        inputs: What it runs on.
        held: Parameters and buffers of the model around it by name. Those of the layer itself count as outside, too:
            it runs with copies of its parameters.

    Raises:
        CircuitError: If it uses any; the message names them.
    """
    leaf = inputs.detach().clone().requires_grad_()
    own = {
        name: value.detach().to(source.dtype).clone().requires_grad_() for name, value in source.parameters().items()
    }
    names = {_memory(tensor): name for name, tensor in held.items() if _memory(tensor)}
    with _Reads(names) as reads:
        out = source.run(leaf.to(source.dtype), own)
    allowed = {id(leaf), *(id(value) for value in own.values())}
    trained = [tensor for tensor in _leaves(out) if id(tensor) not in allowed]
    found = reads.found + [
        names.get(_memory(tensor), f"a trained tensor {tuple(tensor.shape)} that the model does not hold")
        for tensor in trained
    ]
    if found:
        raise CircuitError(
            f"It uses {', '.join(dict.fromkeys(found))}, beside its inputs and parameters. Its replacement would not "
            "follow when that changes; hand it to the layer among its inputs, or make it a parameter of the layer."
        )


class _Reads(TorchFunctionMode):
    """Notes which of some tensors, known by the memory that holds them, are used by any torch function."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = names
        self.found: list[str] = []

    def __torch_function__(
        self, function: Callable[..., Foreign], types: Foreign, arguments: Foreign = (), named: Foreign = None
    ) -> Foreign:
        if function.__name__ not in _LOOKS:
            tensors = [value for value in tree_leaves((arguments, named)) if isinstance(value, Tensor)]
            self.found += [self.names[memory] for memory in map(_memory, tensors) if memory in self.names]
        return function(*arguments, **(named or {}))


def _memory(tensor: Tensor) -> int:
    """Return where a tensor's values are, or 0 where that cannot be said: sparse, empty, or wrapped by a transform."""
    if tensor.layout != torch.strided or torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return 0
    return tensor.untyped_storage().data_ptr()


def _leaves(out: Tensor) -> Iterator[Tensor]:
    """Yield the leaves of autograd that an output depends on."""
    pending, seen = [out.grad_fn], set[Foreign]()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        pending += [following for following, _ in node.next_functions]
