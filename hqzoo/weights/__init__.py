"""Trained weights as files: checkpoints that rebuild their model and task alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.weights.checkpoint import load as load

__getattr__, __dir__, __all__ = attach(__name__, {"load": "checkpoint"})
