"""hqzoo: a PyTorch Lightning model zoo of hybrid quantum-classical networks for remote sensing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.models import list_models as list_models
    from hqzoo.nn.ladder import ladder as ladder
    from hqzoo.nn.ladder import with_control as with_control
    from hqzoo.quantum.accelerate import accelerate as accelerate
    from hqzoo.weights.checkpoint import load as load
    from hqzoo.weights.starting import create_model as create_model

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "accelerate": "quantum.accelerate",
        "create_model": "weights.starting",
        "ladder": "nn.ladder",
        "list_models": "models",
        "load": "weights.checkpoint",
        "with_control": "nn.ladder",
    },
)
