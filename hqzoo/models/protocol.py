"""What the rest of hqzoo may ask a model, with the answers of one that has nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.quantum import QuantumLayer

__all__ = ["Model", "Watch", "as_model"]


class Watch(Protocol):
    """What looks on while a model is tested."""

    def report(self) -> Mapping[str, Any]:
        """Stop, and return plain values about all images since; every process calls it."""


class Model(nn.Module):
    """Base of the zoo's architectures: plain modules that know their sizes and their quantum parts.

    Attributes:
        input_size: Height and width that images must have; None for any.
        size_multiple: Height and width of images are multiples of these.
    """

    input_size: int | None = None
    size_multiple: tuple[int, int] = (32, 32)  # five poolings, where a model says nothing

    def quantum_parts(self) -> dict[str, nn.Module]:
        """Return by name the quantum layers, or the controls that stand in their places."""
        return {name: module for name, module in self.named_modules() if isinstance(module, QuantumLayer)}

    def compared_parts(self) -> dict[str, nn.Module]:
        """Return what controls replace: the circuits alone (``core``), and the blocks around them by name."""
        parts = self.quantum_parts()
        return {"core": nn.ModuleList(parts.values())} if parts else {}

    def starting_weights(self) -> dict[str, dict[str, str]]:
        """Return which parts started from pretrained weights, by their names, and from which: source and SHA-256."""
        return {}

    def circuit_evaluations(self, height: int, width: int) -> int:
        """Return how often circuits run for one image of this size.

        Raises:
            ConfigError: If the model does not take images of this size.
        """
        return sum(isinstance(part, QuantumLayer) for part in self.quantum_parts().values())

    def check_size(self, image: Tensor) -> None:
        """Refuse images whose sides are no multiples of ``size_multiple``.

        Raises:
            ConfigError: If the model does not take images ``(B, C, H, W)`` of this size.
        """
        (rows, columns), (height, width) = self.size_multiple, image.shape[-2:]
        if height % rows or width % columns:
            raise ConfigError(
                f"This model takes images of a height that {rows} divides and a width that {columns} divides; got "
                f"{height}x{width}. Resize or pad to {-(-height // rows) * rows}x{-(-width // columns) * columns}."
            )

    def watch(self) -> Watch | None:
        """Start to look on at what happens inside; None for models with nothing to say that scores do not."""
        return None


def as_model(module: nn.Module) -> Model:
    """Return a module as a :class:`Model`: itself, or, of whoever wrote it otherwise, one that answers for it."""
    return module if isinstance(module, Model) else _Foreign(module)


class _Foreign(Model):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
