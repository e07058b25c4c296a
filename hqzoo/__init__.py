"""hqzoo: a PyTorch Lightning model zoo of hybrid quantum-classical networks for remote sensing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqzoo.models import create_model, list_models
    from hqzoo.weights import load_task as load

__version__ = "0.1.0"
__all__ = ["__version__", "create_model", "list_models", "load"]

_LAZY = {
    "create_model": ("hqzoo.models", "create_model"),
    "list_models": ("hqzoo.models", "list_models"),
    "load": ("hqzoo.weights", "load_task"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Import a public function on first use, so that ``import hqzoo`` stays instant."""
    if name not in _LAZY:
        raise AttributeError(f"module 'hqzoo' has no attribute '{name}'")
    import importlib

    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)
