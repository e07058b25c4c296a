"""Whole rasters: a scene of any size in, a georeferenced class map out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqzoo.scenes.mapping import map_scene

__all__ = ["map_scene"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562: rasterio and torch load only when a map is asked for
    if name == "map_scene":
        from hqzoo.scenes.mapping import map_scene

        return map_scene
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
