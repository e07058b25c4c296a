"""Parts of a network that are not trained, and therefore not saved: a checkpoint refers to them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError

if TYPE_CHECKING:
    from hqzoo.nn.feature_store import FeatureStore

__all__ = ["Frozen", "form_digest", "frozen_parts", "tensor_digest"]


class Frozen(nn.Module):
    """A module that always evaluates, under ``no_grad``, and is never trained.

    Checkpoints hold no weights of it, only ``reference``: whoever rebuilds the model builds the same part again, and
    the references are compared.

    Args:
        module: The part.
        source: Where its weights come from: a tag such as ``"timm/vit_small_patch16_dinov3.lvd1689m"``, or
            ``"random"``.
        seed: Seed of random weights; None for others.

    Attributes:
        store: What remembers outputs, see :class:`hqzoo.nn.feature_store.FeatureStore`; None: nothing does.
    """

    def __init__(self, module: nn.Module, source: str, seed: int | None = None) -> None:
        super().__init__()
        if (source == "random") != (seed is not None):
            raise ConfigError(f"Random weights have a seed, and only they: got source='{source}' and seed={seed}.")
        self.module = module.requires_grad_(False).eval()
        self.store: FeatureStore | None = None
        self.reference: dict[str, Any] = {"source": source, "sha256": tensor_digest(module)}
        if seed is not None:
            self.reference |= {"seed": seed, "torch": str(torch.__version__)}

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the model around does."""
        super().train(mode)
        self.module.eval()
        return self

    def forward(self, *inputs: Tensor, **options: Any) -> Any:  # noqa: ANN401 - what the part returns
        """Return what the part returns, without a trace for the backward pass."""
        # Not inference_mode: its tensors cannot enter a layer that is trained.
        with torch.no_grad():
            if self.store is None or (self.training and not self.store.training):
                return self.module(*inputs, **options)
            return self.store(self.module, *inputs, **options)


def frozen_parts(model: nn.Module) -> dict[str, Frozen]:
    """Return the frozen parts of a model by the name of their place."""
    return {name: part for name, part in model.named_modules() if isinstance(part, Frozen)}


def form_digest(module: nn.Module) -> str:
    """Return the SHA-256 of what a module is besides its tensors: its parts and their numbers, names and switches."""
    own = {
        name: {
            key: value for key, value in vars(part).items() if key != "training" and key[0] != "_" and _is_plain(value)
        }
        for name, part in module.named_modules()
    }
    return hashlib.sha256(json.dumps([str(module), own], sort_keys=True).encode()).hexdigest()


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def tensor_digest(module: nn.Module) -> str:
    """Return the SHA-256 of names, shapes, types and values of all tensors of a module."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
