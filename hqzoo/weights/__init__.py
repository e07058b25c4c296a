"""Trained weights as files: checkpoints that rebuild their model and task alone, and published ones with a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.weights.catalogue import Found as Found
    from hqzoo.weights.catalogue import all_weights as all_weights
    from hqzoo.weights.catalogue import find_weights as find_weights
    from hqzoo.weights.checkpoint import load as load
    from hqzoo.weights.spec import WeightSpec as WeightSpec
    from hqzoo.weights.starting import create_model as create_model

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Found": "catalogue",
        "WeightSpec": "spec",
        "all_weights": "catalogue",
        "create_model": "starting",
        "find_weights": "catalogue",
        "load": "checkpoint",
    },
)
