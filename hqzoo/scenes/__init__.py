"""Whole rasters: a scene of any size in, a georeferenced class map out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.scenes.mapping import map_scene as map_scene

__getattr__, __dir__, __all__ = attach(__name__, {"map_scene": "mapping"})
